//! Guests, and what both say of them.

use std::collections::BTreeMap;
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use chrono::Utc;
use ovenbird::diagnostic::{has_errors, render};
use ovenbird::event::JobId;
use ovenbird::guest::{Command, Guest};
use ovenbird::plan::job::{self, Job};
use ovenbird::platform::{Copy, prepare_copy};
use ovenbird::smoke::evaluate::evaluate;
use ovenbird::smoke::format::{self, Format, Options};
use ovenbird::smoke::probe::probe;
use ovenbird::smoke::spec::{self, Spec};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::support::debian::debian;
use crate::support::real_goss::real_goss;
use crate::support::room::Room;
use crate::support::tiny_guest::tiny_guest_with;

/// What differs on purpose: a part of an assertion's name, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("Process: (sd-pam):", "the same as the next"),
    ("Process: with (a) space:", "goss reads a name of /proc/PID/stat up to its first bracket; ours is the whole name"),
];

const INITTAB: &str = "\
::sysinit:/etc/rc
::respawn:/usr/sbin/dropbear -F -E -s -r /etc/dropbear/dropbear_ed25519_host_key
::ctrlaltdel:/sbin/reboot
::shutdown:/bin/sync
::shutdown:/bin/umount -a -r
";

/// A guest, and what is done in it before it is looked at.
struct Setting {
    image: Utf8PathBuf,
    memory: u64,
    cpus: u32,
    setup: &'static [&'static str],
    specs: &'static [&'static str],
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_without_an_init_system_or_packages_is_judged_as_goss_judges_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(folder.path()).unwrap();
    let setting = Setting {
        // Its SSH server is told not to forward connections; ours needs that.
        image: tiny_guest_with(folder, &[("/etc/inittab", INITTAB, "0644")]),
        memory: 512 * 1024 * 1024,
        cpus: 1,
        setup: &["setup.sh", "tiny-setup.sh"],
        specs: &["common.yaml", "tiny.yaml"],
    };
    compare(&setting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debian_is_judged_as_goss_judges_it() {
    let setting = Setting {
        image: debian(),
        memory: 1024 * 1024 * 1024,
        cpus: 2,
        setup: &["setup.sh", "debian-setup.sh"],
        specs: &["common.yaml", "debian.yaml"],
    };
    compare(&setting).await;
}

/// A file of this test.
fn own(name: &str) -> String {
    let folder = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goss_differential");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// Boots a copy of the guest, asks both, and compares.
async fn compare(setting: &Setting) {
    let room = Room::new();
    let copy = Copy { image: setting.image.clone(), grow: 0 };
    let begin = Instant::now();
    let mut machine = prepare_copy(&room.ctx, &job(setting), &copy).await.unwrap().launch(&room.ctx).await.unwrap();
    let guest = machine.connect(&room.ctx).await.unwrap();
    println!("booted in {:.1} s", begin.elapsed().as_secs_f32());
    prepare(&*guest, setting).await;
    let device = say(&*guest, "cd /sys/class/net && echo e*").await;
    let texts: Vec<String> = setting.specs.iter().map(|spec| own(spec).replace("IFACE", &device)).collect();

    let begin = Instant::now();
    let theirs = theirs(&*guest, &texts).await;
    println!("goss took {:.1} s", begin.elapsed().as_secs_f32());
    let begin = Instant::now();
    let ours = ours(&*guest, &texts).await;
    println!("we took {:.1} s", begin.elapsed().as_secs_f32());
    machine.destroy(&room.ctx).await;
    judge(&ours, &theirs);
}

fn job(setting: &Setting) -> Job {
    Job {
        version: job::WIRE_VERSION,
        id: JobId("test".to_owned()),
        name: "test".to_owned(),
        definition: "ovenbird.yml".into(),
        image_version: None,
        definition_digest: String::new(),
        origin: job::Origin::default(),
        definition_files: Vec::new(),
        root: "/".into(),
        matrix: serde_json::Map::new(),
        platform: job::Platform::Qemu(job::Qemu {
            source: job::Source::Image(job::Image { image: setting.image.to_string(), checksum: None }),
            arch: job::Arch::Amd64,
            disk_size: None,
            memory: setting.memory,
            cpus: setting.cpus,
            firmware: job::Firmware::Bios,
            accelerator: job::Accelerator::Tcg,
            connect: job::Connect { user: "root".to_owned(), timeout: 300 },
        }),
        env: Vec::new(),
        steps: Vec::new(),
        outputs: Vec::new(),
        tests: None,
        secrets: Vec::new(),
    }
}

async fn prepare(guest: &dyn Guest, setting: &Setting) {
    let program = std::fs::read(real_goss()).unwrap();
    say(guest, "mkdir -p /srv/diff").await;
    put(guest, "/srv/goss", program).await;
    say(guest, "chmod 755 /srv/goss").await;
    let folder = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(folder.path()).unwrap();
    certificate(folder);
    for name in ["tls.crt", "tls.key"] {
        put(guest, &format!("/srv/diff/{name}"), std::fs::read(folder.join(name)).unwrap()).await;
    }
    for script in setting.setup {
        put(guest, "/srv/setup.sh", own(script).into_bytes()).await;
        say(guest, "sh /srv/setup.sh >/srv/setup.log 2>&1 || { cat /srv/setup.log; exit 1; }").await;
    }
}

/// A certificate for `localhost` that is its own authority.
fn certificate(folder: &Utf8Path) {
    let mut command = std::process::Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost"]);
    command.args(["-addext", "subjectAltName=DNS:localhost", "-keyout", "tls.key", "-out", "tls.crt"]);
    let made = command.current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

async fn put(guest: &dyn Guest, path: &str, content: Vec<u8>) {
    run(guest, &Command::new(format!("cat >{path}")).stdin(content)).await;
}

/// What a command prints; it must succeed.
async fn say(guest: &dyn Guest, script: &str) -> String {
    run(guest, &Command::new(script)).await
}

async fn run(guest: &dyn Guest, command: &Command) -> String {
    let captured = guest.capture(command, &CancellationToken::new()).await.unwrap();
    let (out, err) = (String::from_utf8_lossy(&captured.stdout), String::from_utf8_lossy(&captured.stderr));
    assert!(captured.exit.is_success(), "{}: {}\n{out}\n{err}", command.script, captured.exit);
    out.trim().to_owned()
}

/// What one of the two says of an assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    /// goss's numbers: 0 success, 1 failure, 2 skipped.
    result: u64,
    error: String,
    message: String,
}

/// By type, id and property.
type Results = BTreeMap<String, Said>;

async fn theirs(guest: &dyn Guest, texts: &[String]) -> Results {
    let mut all = Results::new();
    for text in texts {
        put(guest, "/srv/goss.yaml", text.clone().into_bytes()).await;
        let script = "cd / && /srv/goss -g /srv/goss.yaml validate -f json -o sort 2>/srv/goss.err; test $? -le 1 || cat /srv/goss.err";
        all.append(&mut results(&say(guest, script).await));
    }
    all
}

async fn ours(guest: &dyn Guest, texts: &[String]) -> Results {
    let mut all = Results::new();
    for text in texts {
        let (file, sources, diagnostics) = spec::parse("goss.yaml", text);
        assert!(!has_errors(&diagnostics), "{}", render(&diagnostics, &sources, false));
        let spec = Spec::new(file.resources);
        let findings = probe(guest, &spec, &CancellationToken::new()).await.unwrap();
        let results = evaluate(&spec, &findings, Utc::now());
        let options = Options { sort: true, ..Options::default() };
        all.append(&mut self::results(&format::render(&results, Format::Json, options, Utc::now()).text));
    }
    all
}

/// goss's JSON. A resource and property that two files have get a number.
fn results(text: &str) -> Results {
    let json: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let mut results = Results::new();
    for result in json["results"].as_array().unwrap() {
        let field = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
        let name = format!("{}: {}: {}", field("resource-type"), field("resource-id"), field("property"));
        let error = match &result["err"] {
            Value::Null => String::new(),
            Value::String(error) => error.clone(),
            other => other.to_string(),
        };
        let message = field("summary-line");
        let said = Said { result: result["result"].as_u64().unwrap(), error, message };
        assert!(results.insert(name.clone(), said).is_none(), "{name} is there twice");
    }
    assert_eq!(json["summary"]["test-count"], results.len());
    results
}

/// Every assertion must have the same verdict, but for those in [`DIFFERENT`], which must differ.
fn judge(ours: &Results, theirs: &Results) {
    let mut wrong = String::new();
    let mut words = String::new();
    let names: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for name in &names {
        let (our, their) = (ours.get(*name), theirs.get(*name));
        let is_same = our.map(|said| said.result) == their.map(|said| said.result);
        let is_listed = DIFFERENT.iter().any(|(different, _)| name.contains(different));
        let told = format!("{name}\n  goss: {}\n  ours: {}\n", text(their), text(our));
        if is_same == is_listed {
            wrong += &told;
        } else if is_same && our != their {
            words += &told;
        }
    }
    let count = |results: &Results, result| results.values().filter(|said| said.result == result).count();
    for (who, results) in [("goss", theirs), ("ours", ours)] {
        let (failed, skipped) = (count(results, 1), count(results, 2));
        println!("{who}: {} assertions, {failed} failed, {skipped} skipped", results.len());
    }
    println!("--- other words\n{words}");
    assert!(wrong.is_empty(), "--- other verdicts, or the same ones where others are listed\n{wrong}");
}

fn text(said: Option<&Said>) -> String {
    said.map_or("nothing".to_owned(), |said| format!("{} {:?} | {:?}", said.result, said.error, said.message))
}
