//! `ovenbird test`: boots throw-away copies of finished images and tests them, or tests a host; each as its own process.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::time::Duration;

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use chrono::{NaiveDate, Utc};
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::ci::{self, quoted};
use super::exit::{Exit, Wrong};
use super::goss;
use super::load::{self, Folders, Loaded};
use super::run::{self, Work};
use super::target::{self, HostArgs, MachineArgs, Record, Target};
use crate::diagnostic::nearest;
use crate::event::{Body, Event, JobId, Level, Place, TestsFinished, Verdict};
use crate::image::manifest::{Images, Manifest, TestRemark, Tests as Tested};
use crate::plan::job::{Host, Job, Platform, Tests, Waiver};
use crate::report::Setting;
use crate::runner::wire::Task;
use crate::secret::Secrets;
use crate::smoke::checks::Check;
use crate::smoke::spec::Resource;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An image's file, a job that was built, or its manifest.json; without any: every job that was built
    #[arg(value_name = "TARGET", conflicts_with = "ssh")]
    targets: Vec<String>,
    #[command(flatten)]
    host: HostArgs,
    #[command(flatten)]
    load: load::Planning,
    #[command(flatten)]
    tests: TestArgs,
    #[command(flatten)]
    machine: MachineArgs,
    /// Where `ovenbird build` put the images
    #[arg(long, value_name = "DIR", default_value = "ovenbird-out")]
    pub(super) built: Utf8PathBuf,
    /// Where reports, consoles and journals of the tests go, each job in its own folder
    #[arg(long, value_name = "DIR", default_value = OUT)]
    pub(super) out: Utf8PathBuf,
    #[command(flatten)]
    pub(super) run: run::RunArgs,
}

/// Where tests write unless they are told.
pub(super) const OUT: &str = "ovenbird-test";

/// What is tested; what is not given is as the definition says.
#[derive(Debug, clap::Args)]
struct TestArgs {
    /// A goss file, in the place of what the definition's tests ask; may be given several times
    #[arg(long, value_name = "FILE")]
    goss: Vec<Utf8PathBuf>,
    /// A YAML or JSON file of variables for templates of goss files
    #[arg(long = "vars", value_name = "FILE", requires = "goss")]
    goss_vars: Vec<Utf8PathBuf>,
    /// Variables for templates of goss files as YAML or JSON, which replace those of files
    #[arg(long = "vars-inline", value_name = "TEXT", default_value = "", hide_default_value = true, requires = "goss")]
    goss_vars_inline: String,
    /// How much is tested: standard is one boot; full has a second boot, a second copy and a larger disk besides
    #[arg(long, value_name = "LEVEL", value_parser = level())]
    level: Option<Level>,
    /// How long the machine may take from power-on to the login, such as 90s
    #[arg(long, value_name = "DURATION", value_parser = goss::duration)]
    boot_budget: Option<Duration>,
    /// Look again at what goss files ask, at the most for so long, while something does not hold (such as 30s)
    #[arg(long, value_name = "DURATION", value_parser = goss::duration)]
    retry_timeout: Option<Duration>,
    /// How long everything may take, boots included
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_080))]
    timeout_minutes: Option<u64>,
    /// Do not try once more, with a fresh copy, what failed
    #[arg(long)]
    no_rerun: bool,
    /// Accept that a check fails, for a reason; may be given several times
    #[arg(long, value_name = "CHECK=REASON", value_parser = waived)]
    waive: Vec<(Check, String)>,
}

fn level() -> impl TypedValueParser<Value = Level> {
    PossibleValuesParser::new(["standard", "full"])
        .map(|text| if text == "full" { Level::Full } else { Level::Standard })
}

fn waived(text: &str) -> Result<(Check, String), String> {
    let (name, reason) = text.split_once('=').unwrap_or((text, ""));
    let check = Check::named(name).ok_or_else(|| {
        let names = Check::ALL.map(Check::as_str);
        match nearest(name, names) {
            Some(near) => format!("there is no check `{name}`: did you mean `{near}`?"),
            None => format!("there is no check `{name}`; the checks are {}", names.join(", ")),
        }
    })?;
    if !check.can_be_waived() {
        return Err(format!("`{name}` can't be waived: of an image that does not boot nothing else is known"));
    }
    match reason.trim() {
        "" => Err(format!("say why, such as `{name}=the clock is set by the host`")),
        reason => Ok((check, reason.to_owned())),
    }
}

impl TestArgs {
    /// The same, as words of a command line.
    fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut add = |option: &str, value: &str| words.push(format!("{option} {}", quoted(value)));
        self.goss.iter().for_each(|file| add("--goss", file.as_str()));
        self.goss_vars.iter().for_each(|file| add("--vars", file.as_str()));
        if !self.goss_vars_inline.is_empty() {
            add("--vars-inline", &self.goss_vars_inline);
        }
        if let Some(level) = self.level {
            add("--level", level.as_str());
        }
        self.waive.iter().for_each(|(check, reason)| add("--waive", &format!("{}={reason}", check.as_str())));
        words
    }

    /// A definition's tests, with what was given in their place.
    fn applied(&self, planned: Option<Tests>, resources: Option<&Vec<Resource>>, file: &Utf8Path) -> Tests {
        let planned = planned.unwrap_or_else(|| Tests::new(Level::Standard));
        // Whoever waives on a command line is there to see it each time.
        let waiver = |(check, reason): &(Check, String)| Waiver {
            check: *check,
            reason: reason.clone(),
            until: NaiveDate::MAX,
            place: Place { file: file.to_owned(), line: 1, column: None, exact: false },
        };
        let kept = planned.waivers.into_iter().filter(|kept| self.waive.iter().all(|(check, _)| *check != kept.check));
        Tests {
            level: self.level.unwrap_or(planned.level),
            boot_budget: self.boot_budget.map(seconds).or(planned.boot_budget),
            timeout: self.timeout_minutes.map_or(planned.timeout, |minutes| minutes * 60),
            retry_timeout: self.retry_timeout.map_or(planned.retry_timeout, seconds),
            rerun: planned.rerun && !self.no_rerun,
            waivers: kept.chain(self.waive.iter().map(waiver)).collect(),
            resources: resources.cloned().unwrap_or(planned.resources),
        }
    }
}

/// Whole ones, and no time at all only when that was asked for.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// What is to be tested.
struct Chosen {
    name: String,
    jobs: Vec<Job>,
    tasks: BTreeMap<JobId, Task>,
    /// Of the images that have one.
    records: BTreeMap<JobId, Record>,
    secrets: Secrets,
    hidden: Vec<String>,
    max_parallel: Option<u32>,
    fail_fast: bool,
    /// The definition's folder, or the current one.
    root: Utf8PathBuf,
    has_definition: bool,
}

pub(super) async fn run(args: &Args, colour: bool) -> anyhow::Result<Exit> {
    let Some(mut chosen) = choose(args, colour)? else { return Ok(Exit::Wrong) };
    if !prepare(args, &mut chosen, colour)? {
        return Ok(Exit::Wrong);
    }
    let environment = load::environment();
    chosen.secrets.register_environment(&environment);
    // The programs that jobs start need none of it.
    chosen.hidden.extend(environment.into_keys().filter(|name| Secrets::is_named_by(name)));
    let folders = Folders::create(&args.out, args.run.cache_dir.as_deref())?;
    let ids: Vec<JobId> = chosen.jobs.iter().map(|job| job.id.clone()).collect();
    let _taken = run::take(&folders.out, &ids)?;
    let setting = setting(args, &chosen, &folders);
    let Chosen { name, jobs, tasks, records, secrets, hidden, max_parallel, fail_fast, .. } = chosen;
    let out = args.out.clone();
    let work = Work { name, jobs, tasks, max_parallel, fail_fast, secrets, hidden, folders, out, setting };
    let mut heard = BTreeMap::new();
    let ran = run::run(&args.run, work, colour, &mut |event| hear(&mut heard, event)).await?;
    let recorded = records.iter().try_for_each(|(job, record)| match heard.get(job) {
        Some(heard) => keep(record, heard),
        None => Ok(()),
    });
    ran.finish(recorded, colour)
}

/// What the command line names. None: what is wrong with the definition was told.
fn choose(args: &Args, colour: bool) -> anyhow::Result<Option<Chosen>> {
    let here = camino::absolute_utf8(".").and_then(|here| here.canonicalize_utf8());
    let here = here.context("failed to find the current folder")?;
    if let Some(host) = args.host.host(args.machine.connect_timeout_minutes)? {
        return Ok(Some(host_alone(host, here)));
    }
    let mut targets =
        args.targets.iter().map(|word| target::find(word, &args.built)).collect::<anyhow::Result<Vec<_>>>()?;
    let has_definition = args.load.file != load::DEFINITION || args.load.file.exists();
    let wants_definition = targets.is_empty() || targets.iter().any(|target| target.record.is_some());
    let loaded = if has_definition && wants_definition {
        let Some(loaded) = load::check(&args.load)?.accept(&args.load, &[], colour)? else { return Ok(None) };
        Some(loaded)
    } else {
        None
    };
    if args.targets.is_empty() {
        targets = all_built(args, loaded.as_ref())?;
    }
    let root = if loaded.is_some() { load::root_of(&args.load.file)? } else { here };
    Ok(Some(chosen(targets, loaded, root)?))
}

fn host_alone(host: Host, root: Utf8PathBuf) -> Chosen {
    let id = JobId(crate::matrix::slug([host.host.as_str()]));
    let job = target::bare_job(id.clone(), &id.0, Platform::Host(host), &root);
    Chosen {
        name: id.0.clone(),
        tasks: [(id, Task::Test { image: None })].into(),
        jobs: vec![job],
        records: BTreeMap::new(),
        secrets: Secrets::default(),
        hidden: Vec::new(),
        max_parallel: None,
        fail_fast: false,
        root,
        has_definition: false,
    }
}

/// Those of the definition's jobs that were built.
fn all_built(args: &Args, loaded: Option<&Loaded>) -> anyhow::Result<Vec<Target>> {
    let Some(loaded) = loaded else {
        return Err(Wrong::new(format!(
            "there is nothing to test: no target was named, and there is no `{}`",
            load::DEFINITION
        ))
        .hint("name an image's file, a job or a `manifest.json`, or a host with --ssh")
        .into());
    };
    let built = target::built_jobs(&args.built);
    let ids: Vec<&str> =
        loaded.jobs.iter().map(|job| job.id.0.as_str()).filter(|id| built.iter().any(|name| name == id)).collect();
    if ids.is_empty() {
        return Err(Wrong::new(format!("none of the definition's jobs has an image in `{}`", args.built))
            .hint("`ovenbird build` makes them; --built names the folder that it was given")
            .into());
    }
    ids.into_iter().map(|id| target::find(id, &args.built)).collect()
}

/// A job for each target: as it is planned, where the definition has it.
fn chosen(targets: Vec<Target>, loaded: Option<Loaded>, root: Utf8PathBuf) -> anyhow::Result<Chosen> {
    let name = match (&loaded, targets.as_slice()) {
        (Some(loaded), _) => loaded.plan.name.clone(),
        (None, [target]) => target.name.clone(),
        (None, _) => "test".to_owned(),
    };
    let (mut jobs, mut tasks, mut records) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for target in targets {
        let planned = loaded.iter().filter(|loaded| loaded.plan.name == target.name && target.record.is_some());
        let planned = planned.flat_map(|loaded| &loaded.jobs).find(|job| job.id == target.id).cloned();
        jobs.push(planned.unwrap_or_else(|| target.job(&root)));
        let image = Some(target.image.clone());
        if tasks.insert(target.id.clone(), Task::Test { image }).is_some() {
            return Err(Wrong::new(format!("two targets are called `{}`", target.id))
                .hint("test one after the other, with another --out each")
                .into());
        }
        if let Some(record) = target.record {
            records.insert(target.id, record);
        }
    }
    let has_definition = loaded.is_some();
    let (max_parallel, fail_fast) =
        loaded.as_ref().map_or((None, false), |loaded| (loaded.plan.max_parallel, loaded.plan.fail_fast));
    let (secrets, hidden) = loaded.map_or_else(Default::default, |loaded| (loaded.secrets, loaded.hidden));
    Ok(Chosen { name, jobs, tasks, records, secrets, hidden, max_parallel, fail_fast, root, has_definition })
}

/// Gives the jobs the tests and the machine that the command line asks for. False: what is wrong was told.
fn prepare(args: &Args, chosen: &mut Chosen, colour: bool) -> anyhow::Result<bool> {
    let TestArgs { goss: files, goss_vars, goss_vars_inline, .. } = &args.tests;
    let mut resources = None;
    if !files.is_empty() {
        let Some(found) = goss::resources(files, goss_vars, goss_vars_inline, colour)? else { return Ok(false) };
        resources = Some(found.into_iter().map(|resource| placed(resource, &chosen.root)).collect());
    }
    for job in &mut chosen.jobs {
        job.tests = Some(args.tests.applied(job.tests.take(), resources.as_ref(), &job.definition));
        match &mut job.platform {
            Platform::Qemu(qemu) => args.machine.apply(qemu),
            Platform::Host(_) => {}
        }
    }
    Ok(true)
}

/// Files of the command line begin at the current folder, those of a job at its root.
fn placed(mut resource: Resource, root: &Utf8Path) -> Resource {
    let from_root = |file: &Utf8Path| {
        let real = file.canonicalize_utf8().ok()?;
        real.strip_prefix(root).ok().map(Utf8Path::to_owned)
    };
    let places = resource.assertions.iter_mut().map(|assertion| &mut assertion.place);
    for place in places.chain([&mut resource.place]) {
        place.file = from_root(&place.file).unwrap_or_else(|| place.file.clone());
    }
    resource
}

fn setting(args: &Args, chosen: &Chosen, folders: &Folders) -> Setting {
    let environment = load::environment();
    let real = ci::Real { root: &chosen.root, repository: load::repository_of(&chosen.root), out: &folders.out };
    let given = ci::Given { planning: &args.load, out: &args.out, secrets: &chosen.secrets };
    let setting = ci::setting(&environment, &real, &given);
    let command = if chosen.has_definition {
        let words = args.tests.words().into_iter().map(|word| format!(" {word}")).collect::<String>();
        setting.command.replacen("ovenbird build", "ovenbird test", 1) + &words
    } else {
        // Reports add the job's name, which is none that this command knows.
        let targets = args.targets.iter().map(|target| quoted(target));
        let words = args.host.words().into_iter().chain(args.tests.words()).chain(targets);
        format!("ovenbird test {} #", words.collect::<Vec<_>>().join(" "))
    };
    Setting { command, ..setting }
}

/// What a job said of its tests.
#[derive(Default)]
struct Heard {
    remarks: Vec<TestRemark>,
    finished: Option<TestsFinished>,
}

fn hear(heard: &mut BTreeMap<JobId, Heard>, event: &Event) {
    let Some(job) = &event.job else { return };
    match &event.event {
        Body::Tested(tested) if !matches!(tested.verdict, Verdict::Passed | Verdict::Skipped) => {
            let remark = TestRemark { name: tested.name(), verdict: tested.verdict };
            heard.entry(job.clone()).or_default().remarks.push(remark);
        }
        Body::TestsFinished(finished) => heard.entry(job.clone()).or_default().finished = Some(finished.clone()),
        _ => {}
    }
}

/// Writes the verdict into the records of the build, unless they are of another image by now.
fn keep(record: &Record, heard: &Heard) -> anyhow::Result<()> {
    let Some(finished) = &heard.finished else { return Ok(()) };
    let folder = record.path.parent().unwrap_or(Utf8Path::new("."));
    // A build holds it while it is at work: what it writes is of another image.
    let taken = File::open(folder).with_context(|| format!("failed to open `{folder}`"))?;
    if matches!(taken.try_lock(), Err(TryLockError::WouldBlock)) {
        return Ok(());
    }
    let mut manifest = match Manifest::read(&record.path) {
        Ok(manifest) if manifest.artifacts.contains(&record.artifact) => manifest,
        // It was built again meanwhile.
        _ => return Ok(()),
    };
    manifest.tests = Some(Tested {
        // As after a build: where this machine has the file is nothing that goes on.
        finished: TestsFinished { image: Some(record.artifact.file.clone()), ..finished.clone() },
        sha256: record.artifact.sha256.clone(),
        time: Utc::now(),
        remarks: heard.remarks.clone(),
    });
    manifest.write(&record.path)?;
    let out = record.path.parent().and_then(Utf8Path::parent);
    match out.filter(|out| is_listed(out, &record.path, &manifest)) {
        Some(out) => Images::update(out, &manifest.name.clone(), vec![manifest]).map(|_| ()),
        None => Ok(()),
    }
}

/// Whether the record is one of those that the folder's `images.json` sums up.
fn is_listed(out: &Utf8Path, path: &Utf8Path, manifest: &Manifest) -> bool {
    out.join("images.json").is_file() && path == out.join(&manifest.job.0).join("manifest.json")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn parsed(words: &[&str]) -> Args {
        <Command as clap::Parser>::try_parse_from([&["test"], words].concat()).unwrap().args
    }

    /// A folder of images, with a job `web` whose record tells of `web.qcow2`.
    struct Built {
        folder: tempfile::TempDir,
    }

    impl Built {
        fn new() -> Self {
            let built = Self { folder: tempfile::tempdir().unwrap() };
            std::fs::create_dir_all(built.path("out/web")).unwrap();
            std::fs::write(built.path("out/web/web.qcow2"), image()).unwrap();
            built.record("web", &built.sha256());
            built
        }

        fn path(&self, name: &str) -> Utf8PathBuf {
            Utf8Path::from_path(self.folder.path()).unwrap().join(name)
        }

        fn sha256(&self) -> String {
            use sha2::Digest;
            format!("{:x}", sha2::Sha256::digest(image()))
        }

        fn record(&self, job: &str, sha256: &str) {
            let manifest = serde_json::json!({
                "version": 1, "job": job, "name": "web", "definition": { "path": "ovenbird.yml", "sha256": "d" },
                "platform": "qemu", "arch": "amd64", "matrix": {}, "source": { "description": "debian trixie" },
                "accelerator": {}, "started": "2026-01-01T00:00:00Z", "finished": "2026-01-01T00:00:00Z", "phases": [],
                "steps": [], "inspection": { "inspected": true }, "tool": { "name": "ovenbird", "version": "0" },
                "artifacts": [
                    { "file": "web.vmdk", "format": "vmdk", "size": 1, "virtual-size": 1, "sha256": "0" },
                    { "file": "web.qcow2", "format": "qcow2", "size": 1, "virtual-size": 1, "sha256": sha256 },
                ],
                "machine": { "firmware": "uefi", "memory": 268_435_456, "cpus": 1, "user": "debian" },
            });
            let folder = self.path("out").join(job);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
        }

        fn find(&self, word: &str) -> Result<Target, String> {
            target::find(word, &self.path("out")).map_err(|error| {
                let hint = error.downcast_ref::<Wrong>().and_then(|wrong| wrong.hint.clone()).unwrap_or_default();
                format!("{error}; {hint}").replace(self.path("").as_str(), "")
            })
        }
    }

    /// What begins as a qcow2 of version 3 does.
    fn image() -> Vec<u8> {
        let mut bytes = vec![0; 1024];
        bytes[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        bytes
    }

    #[test]
    fn a_job_and_its_record_name_its_quickest_image_and_the_machine_that_it_was_built_on() {
        let built = Built::new();
        for word in ["web".to_owned(), built.path("out/web/manifest.json").to_string()] {
            let target = built.find(&word).unwrap();
            assert!(target.image.ends_with("out/web/web.qcow2"));
            let chosen = chosen(vec![target], None, "/here".into()).unwrap();
            let [job] = chosen.jobs.as_slice() else { panic!("one job") };
            let qemu = job.platform.qemu().unwrap();
            assert_eq!((job.id.0.as_str(), qemu.memory >> 20, qemu.cpus), ("web", 256, 1));
            assert_eq!((qemu.firmware, qemu.connect.user.as_str()), (crate::plan::job::Firmware::Uefi, "debian"));
        }
    }

    #[test]
    fn an_image_named_by_itself_is_called_by_its_stem_and_keeps_no_record() {
        let built = Built::new();
        let target = built.find(built.path("out/web/web.qcow2").as_str()).unwrap();
        assert!(target.record.is_none());
        assert_eq!(target.id.0, "web");
        assert_eq!(target.machine().connect.user, "debian", "the record beside it lists it");
        let alone = built.path("My Image.v2.qcow2");
        std::fs::write(&alone, image()).unwrap();
        let target = built.find(alone.as_str()).unwrap();
        assert_eq!((target.id.0.as_str(), target.machine().connect.user.as_str()), ("my-image", "root"));
    }

    #[test]
    fn a_target_that_can_not_be_booted_is_told_with_what_to_do() {
        let built = Built::new();
        std::fs::write(built.path("notes.qcow2"), "these are no sectors").unwrap();
        std::fs::write(built.path("empty.raw"), "").unwrap();
        built.record("old", "0000");
        std::fs::write(built.path("out/old/web.qcow2"), image()).unwrap();
        built.record("gone", "0000");
        let path = |name: &str| built.path(name).to_string();
        let words = [
            "wob",
            "database",
            &path("web.qcw2"),
            &path("out"),
            &path("out/web"),
            &path("notes.qcow2"),
            &path("empty.raw"),
            "old",
            "gone",
        ];
        let told: Vec<String> = words.iter().map(|word| built.find(word).unwrap_err()).collect();
        let told = told.join("\n").replace(&built.sha256(), "[sha256]");
        insta::assert_snapshot!(told, @"
        there is no image of a job `wob` in `out`, and no such file; did you mean `web`?
        there is no image of a job `database` in `out`, and no such file; the jobs there are `gone`, `old`, `web`
        there is no file `web.qcw2`; 
        `out` is a folder, not an image; name an image's file, a job, or a `manifest.json`
        `out/web` is a folder, not an image; name its record: `out/web/manifest.json`
        `notes.qcow2` is no disk image; known formats: qcow2, vmdk, vdi, vhd, vhdx and raw, also packed with gzip, xz, zstd or bzip2
        the base image `empty.raw` is empty; a base image must be a single, self-contained disk image
        `out/old/web.qcow2` is not the image of which `out/old/manifest.json` tells: sha256 [sha256], expected 0000; build it again (`ovenbird build old`), or name the image's file to take it as it is
        the image `web.qcow2` is gone, of which `out/gone/manifest.json` tells; build it again (`ovenbird build gone`)
        ");
    }

    #[test]
    fn a_record_that_would_lead_out_of_its_folder_or_give_programs_options_is_refused() {
        let built = Built::new();
        let path = built.path("out/web/manifest.json");
        let record = std::fs::read_to_string(&path).unwrap();
        for (ours, theirs) in [
            (r#""job":"web""#, r#""job":"../../x""#),
            (r#""job":"web""#, r#""job":"/tmp/x""#),
            (r#""job":"web""#, r#""job":"..""#),
            (r#""job":"web""#, r#""job":"\u001b[2J""#),
            (r#""user":"debian""#, r#""user":"-oProxyCommand=x""#),
        ] {
            assert!(record.contains(ours));
            std::fs::write(&path, record.replace(ours, theirs)).unwrap();
            let told = built.find(path.as_str()).unwrap_err();
            assert!(told.contains("is not a record of ours"), "{theirs}: {told}");
            let beside = built.find(built.path("out/web/web.qcow2").as_str()).unwrap();
            assert_eq!(beside.machine().connect.user, "root", "a record that is not trusted tells nothing");
        }
    }

    #[test]
    fn what_the_command_line_says_of_tests_goes_before_the_definition() {
        let args = parsed(&[
            "web",
            "--level",
            "full",
            "--retry-timeout",
            "1m30s",
            "--waive",
            "clock=set by the host",
            "--cpus",
            "4",
            "--no-rerun",
        ]);
        let place = Place { file: "ovenbird.yml".into(), line: 9, column: None, exact: true };
        let waiver = |check| Waiver { check, reason: "old".into(), until: NaiveDate::MIN, place: place.clone() };
        let planned = Tests {
            timeout: 77,
            waivers: vec![waiver(Check::Clock), waiver(Check::Residue)],
            ..Tests::new(Level::Standard)
        };
        let tests = args.tests.applied(Some(planned), None, Utf8Path::new("ovenbird.yml"));
        assert_eq!((tests.level, tests.retry_timeout, tests.timeout, tests.boot_budget), (Level::Full, 90, 77, None));
        assert!(!tests.rerun);
        let waivers: Vec<_> = tests.waivers.iter().map(|waiver| (waiver.check, waiver.reason.as_str())).collect();
        assert_eq!(waivers, [(Check::Residue, "old"), (Check::Clock, "set by the host")]);
    }

    #[test]
    fn the_command_that_tests_again_asks_for_the_same() {
        let words =
            ["web", "--goss", "a b.yaml", "--vars-inline", "p: 80", "--level", "full", "--waive", "clock=host's"];
        let again = parsed(&words).tests.words().join(" ");
        assert_eq!(again, r"--goss 'a b.yaml' --vars-inline 'p: 80' --level full --waive 'clock=host'\''s'");
    }

    #[test]
    fn a_waiver_names_a_check_and_a_reason() {
        assert!(waived("failed-units=known").is_ok());
        assert_eq!(
            waived("failed-unit=x").unwrap_err(),
            "there is no check `failed-unit`: did you mean `failed-units`?"
        );
        assert_eq!(waived("clock").unwrap_err(), "say why, such as `clock=the clock is set by the host`");
    }

    #[test]
    fn a_verdict_is_kept_in_the_record_of_the_very_image_that_was_tested() {
        let built = Built::new();
        let record = built.find("web").unwrap().record.unwrap();
        std::fs::write(built.path("out/images.json"), r#"{"version":1,"name":"web","jobs":[]}"#).unwrap();
        let mut heard = BTreeMap::new();
        let tested = |id: &str, verdict: &str| serde_json::json!({ "type": "tested", "suite": "checks", "kind": "check", "id": id, "verdict": verdict, "seconds": 0 });
        let finished = serde_json::json!({
            "type": "tests-finished", "verdict": "failed", "level": "standard", "passed": 1, "failed": 1, "warned": 0,
            "waived": 0, "skipped": 0, "attempts": 2, "seconds": 9.5, "image": "/home/me/out/web/web.qcow2",
        });
        for body in [tested("clock", "passed"), tested("failed-units", "failed"), finished] {
            let event = Event::now(Some(JobId("web".to_owned())), serde_json::from_value(body).unwrap());
            hear(&mut heard, &event);
        }
        keep(&record, &heard[&JobId("web".to_owned())]).unwrap();
        let manifest = Manifest::read(&record.path).unwrap();
        let tests = manifest.tests.clone().unwrap();
        assert_eq!((tests.finished.verdict, tests.sha256), (Verdict::Failed, built.sha256()));
        assert_eq!(tests.finished.image.as_deref(), Some("web.qcow2"), "not where it lay");
        assert_eq!(tests.remarks, [TestRemark { name: "check failed-units".to_owned(), verdict: Verdict::Failed }]);
        // `images.json` keeps only jobs whose files are all there; this one was there just now.
        let images = std::fs::read_to_string(built.path("out/images.json")).unwrap();
        assert!(images.contains("\"failed-units\"") || images.contains("check failed-units"), "{images}");

        built.record("web", "another");
        keep(&record, &heard[&JobId("web".to_owned())]).unwrap();
        assert!(Manifest::read(&record.path).unwrap().tests.is_none(), "it was built again");
    }
}
