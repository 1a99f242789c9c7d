//! What a job surely puts into its image, as checks: files that it uploads, packages, services, users and groups.
//!
//! A pure function of the job and of the files of the repository. Steps with a condition, or whose failure is accepted,
//! suggest nothing; what a later step may change or remove is weakened or left out.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use super::Suggested;
use super::shell::{self, Plain};
use crate::plan::job::{Action, Condition, Job, Part, Platform, Shell, Source, Step, Text, Upload};
use crate::smoke::spec::Kind;

/// A file of the repository.
pub(super) struct Entry {
    /// Empty for the uploaded file itself.
    pub(super) path: Utf8PathBuf,
    pub(super) is_folder: bool,
    /// Of a file: lowercase hexadecimal.
    pub(super) sha256: Option<String>,
}

/// The files of the repository that a job uses.
pub(super) trait Repository {
    /// A file, or a folder and what is in it. Empty where it is neither, or too much.
    fn entries(&self, path: &Utf8Path) -> Vec<Entry>;

    /// A script's text.
    fn text(&self, path: &Utf8Path) -> Option<String>;
}

type Attributes = BTreeMap<&'static str, Value>;

/// What is known so far, by type and name.
#[derive(Default)]
struct Known(BTreeMap<(Kind, String), (Attributes, String)>);

impl Known {
    fn set(&mut self, kind: Kind, name: &str, attributes: Vec<(&'static str, Value)>, because: &str) {
        // It would be a template's.
        if name.contains("{{") {
            return;
        }
        let entry = self.0.entry((kind, name.to_owned())).or_insert_with(|| (Attributes::new(), because.to_owned()));
        entry.0.extend(attributes);
    }

    fn forget(&mut self, kind: Kind, name: &str) {
        self.0.remove(&(kind, name.to_owned()));
    }

    fn get(&mut self, kind: Kind, name: &str) -> Option<&mut Attributes> {
        self.0.get_mut(&(kind, name.to_owned())).map(|(attributes, _)| attributes)
    }
}

/// The checks that a job suggests.
pub(super) fn derive(job: &Job, repository: &dyn Repository) -> Vec<Suggested> {
    let mut known = Known::default();
    if let Platform::Qemu(qemu) = &job.platform
        && let Source::Debian(debian) = &qemu.source
    {
        packages(&mut known, &debian.packages, job.definition.as_ref());
    }
    for step in job.steps.iter().flat_map(Step::with_inner).filter(|step| step.condition != Condition::Never) {
        let surely = step.condition == Condition::Success && !step.continue_on_error && !inside_condition(job, step);
        follow(&mut known, step, surely, repository);
    }
    let suggested = known.0.into_iter().map(|((kind, id), (attributes, because))| Suggested {
        kind,
        id,
        attributes: attributes.into_iter().collect(),
        because,
    });
    suggested.filter(|one| !one.attributes.is_empty()).collect()
}

/// Whether a step is of a step file whose use is conditional.
fn inside_condition(job: &Job, step: &Step) -> bool {
    let steps = job.steps.iter().flat_map(Step::with_inner);
    let mut users = steps.filter(|user| matches!(user.action, Action::Uses(_)) && user.index != step.index);
    users.any(|user| {
        let holds = user.with_inner().iter().any(|inner| inner.index == step.index);
        holds && (user.condition != Condition::Success || user.continue_on_error)
    })
}

fn follow(known: &mut Known, step: &Step, surely: bool, repository: &dyn Repository) {
    let place = |line: usize| format!("{}:{line}", step.file);
    match &step.action {
        Action::Run(run) => {
            let script = written(&run.script);
            touch(known, &script);
            if surely && is_shell(&run.shell, &script) {
                let line = |line: usize| run.lines.get(line).map_or(step.line as usize, |line| *line as usize);
                shell::plain_commands(&script).iter().for_each(|plain| command(known, plain, &place(line(plain.line))));
            }
        }
        Action::Script(script) => {
            let Some(text) = repository.text(&script.path) else { return };
            touch(known, &text);
            if surely && script.args.is_empty() && is_shell(&script.shell, &text) {
                let place = |plain: &Plain| format!("{}:{}", script.path, plain.line + 1);
                shell::plain_commands(&text).iter().for_each(|plain| command(known, plain, &place(plain)));
            }
        }
        Action::Upload(upload) if surely => uploaded(known, upload, &place(step.line as usize), repository),
        Action::Upload(upload) => {
            let to = upload.to.trim_end_matches('/');
            known.0.retain(|(kind, name), _| *kind != Kind::File || !Utf8Path::new(name).starts_with(to));
        }
        Action::Download(_) | Action::Reboot(_) | Action::Local(_) | Action::Uses(_) => {}
    }
}

/// A script's text, with a variable for what is not written in it.
fn written(text: &Text) -> String {
    let parts = text.0.iter().map(|part| match part {
        Part::Literal(literal) => literal.as_str(),
        Part::Secret(_) | Part::Expr(_) => "$unknown",
    });
    parts.collect()
}

fn is_shell(shell: &Shell, text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    let by_line = !first.starts_with("#!") || first.trim_end().ends_with("sh") || first.contains("sh -");
    match shell {
        Shell::Default => by_line,
        Shell::Bash | Shell::Sh => true,
        Shell::Python | Shell::Custom(_) => false,
    }
}

/// What a script may do to files that were uploaded before: it removes or moves them, or changes them.
fn touch(known: &mut Known, script: &str) {
    let removing: Vec<&str> = script.lines().filter(|line| line.contains("rm ") || line.contains("mv ")).collect();
    let word = |letter: char| letter.is_whitespace() || "\"';&|()".contains(letter);
    let removed: Vec<&str> =
        removing.iter().flat_map(|line| line.split(word)).filter(|word| word.starts_with('/')).collect();
    let literal = |word: &str| word.split(['*', '?', '[', '$', '{']).next().unwrap_or_default().to_owned();
    let gone = |name: &str| {
        removed.iter().any(|word| {
            let start = literal(word);
            let is_whole = start.len() == word.len();
            if is_whole { Utf8Path::new(name).starts_with(&start) } else { name.starts_with(&start) }
        })
    };
    known.0.retain(|(kind, name), _| *kind != Kind::File || !gone(name));
    for ((kind, name), (attributes, _)) in &mut known.0 {
        if *kind == Kind::File && script.contains(name.as_str()) {
            attributes.retain(|attribute, _| matches!(*attribute, "exists" | "filetype"));
        }
    }
}

/// Where nothing of an image is kept.
const FLEETING: [&str; 5] = ["/tmp", "/var/tmp", "/run", "/dev/shm", "/var/run"];

fn uploaded(known: &mut Known, upload: &Upload, because: &str, repository: &dyn Repository) {
    let name = upload.from.file_name().unwrap_or_default();
    let is_inside = upload.to.ends_with('/') && !upload.from.as_str().ends_with('/');
    let to = Utf8Path::new(&upload.to);
    let to = if is_inside { to.join(name) } else { to.to_owned() };
    if FLEETING.iter().any(|folder| to.starts_with(folder)) {
        return;
    }
    for entry in repository.entries(&upload.from) {
        let path = if entry.path.as_str().is_empty() { to.clone() } else { to.join(&entry.path) };
        let mut attributes: Vec<(&'static str, Value)> = vec![("exists", true.into())];
        if entry.is_folder {
            attributes.push(("filetype", "directory".into()));
        } else {
            attributes.push(("filetype", "file".into()));
            // Without one it is that of a checkout, which another machine's umask makes another.
            attributes.extend(upload.mode.map(|mode| ("mode", format!("{mode:04o}").into())));
            attributes.extend(upload.owner.iter().flat_map(|owner| owners(owner)));
            attributes.extend(entry.sha256.map(|digest| ("sha256", digest.into())));
        }
        let path = path.as_str().trim_end_matches('/');
        known.forget(Kind::File, path);
        known.set(Kind::File, path, attributes, because);
    }
}

/// `user`, `user:group` or `:group`, by name or number.
fn owners(owner: &str) -> Vec<(&'static str, Value)> {
    let (user, group) = owner.split_once(':').unwrap_or((owner, ""));
    let named = |text: &str, name: &'static str, number: &'static str| match text.parse::<u32>() {
        Ok(id) => Some((number, id.into())),
        Err(_) if text.is_empty() => None,
        Err(_) => Some((name, text.into())),
    };
    [named(user, "owner", "uid"), named(group, "group", "gid")].into_iter().flatten().collect()
}

/// What a command that surely runs says of the image.
fn command(known: &mut Known, plain: &Plain, because: &str) {
    let mut words = plain.words.iter().map(String::as_str);
    let Some(program) = words.next() else { return };
    let words: Vec<&str> = words.collect();
    match program.rsplit('/').next().unwrap_or_default() {
        "apt-get" | "apt" => by_verb(known, &words, &APT, because),
        "dnf" | "yum" | "microdnf" => by_verb(known, &words, &DNF, because),
        "apk" => by_verb(known, &words, &APK, because),
        "systemctl" => systemctl(known, &words, because),
        "rc-update" => rc_update(known, &words, because),
        "service" => {
            if let [name, "start"] = words[..] {
                started(known, name);
            }
        }
        "useradd" | "adduser" => user(known, program, &words, because),
        "groupadd" | "addgroup" => group(known, &words, because),
        "usermod" => {
            if let Some(attributes) = words.last().and_then(|name| known.get(Kind::User, name)) {
                attributes.retain(|attribute, _| *attribute == "exists");
            }
        }
        "userdel" | "deluser" => words.iter().for_each(|name| known.forget(Kind::User, name)),
        "groupdel" | "delgroup" => words.iter().for_each(|name| known.forget(Kind::Group, name)),
        _ => {}
    }
}

/// How a package manager is told to install and remove.
struct Manager {
    install: &'static [&'static str],
    remove: &'static [&'static str],
    /// Options that take the next word.
    valued: &'static [&'static str],
    /// Options with which nothing is installed for good.
    idle: &'static [&'static str],
}

const APT: Manager = Manager {
    install: &["install"],
    remove: &["remove", "purge", "autoremove"],
    valued: &["-t", "--target-release", "-o", "--option", "-c", "-a"],
    idle: &["-d", "--download-only", "-s", "--simulate", "--dry-run", "--print-uris"],
};
const DNF: Manager = Manager {
    install: &["install"],
    remove: &["remove", "erase", "autoremove"],
    valued: &["--enablerepo", "--disablerepo", "--repo", "-c", "-x", "--exclude"],
    idle: &["--downloadonly", "--assumeno", "--installroot"],
};
const APK: Manager = Manager {
    install: &["add"],
    remove: &["del"],
    valued: &["-X", "--repository"],
    idle: &["-t", "--virtual", "-s", "--simulate", "-p", "--root"],
};

fn by_verb(known: &mut Known, words: &[&str], manager: &Manager, because: &str) {
    let named = |word: &&str| word.split('=').next().unwrap_or_default().to_owned();
    if words.iter().any(|word| manager.idle.contains(&named(word).as_str())) {
        return;
    }
    let mut plain = without_options(words, manager.valued).into_iter();
    let verb = plain.next().unwrap_or_default();
    let names: Vec<String> = plain.map(str::to_owned).collect();
    if manager.install.contains(&verb) {
        packages(known, &names, because);
    } else if manager.remove.contains(&verb) {
        names.iter().filter_map(|name| package(name)).for_each(|name| known.forget(Kind::Package, name));
    }
}

/// The words that are neither options nor their values.
fn without_options<'a>(words: &[&'a str], valued: &[&str]) -> Vec<&'a str> {
    let mut plain = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if valued.contains(word) {
            words.next();
        } else if !word.starts_with('-') {
            plain.push(*word);
        }
    }
    plain
}

fn packages(known: &mut Known, names: &[String], because: &str) {
    for name in names.iter().filter_map(|name| package(name)) {
        known.set(Kind::Package, name, vec![("installed", true.into())], because);
    }
}

/// A package's name without version, suite and architecture; none for what is no name: files, groups, removals.
fn package(word: &str) -> Option<&str> {
    let is_file = word.contains("://")
        || word.starts_with(['.', '/'])
        || [".deb", ".rpm", ".apk"].iter().any(|end| word.ends_with(end));
    let name = word.split(['=', '<', '>', '~', '@', '/', ':']).next()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+._-".contains(&byte);
    let is_name = name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.bytes().all(plain);
    (is_name && !is_file && !name.ends_with('-')).then_some(name)
}

fn systemctl(known: &mut Known, words: &[&str], because: &str) {
    let foreign = ["--user", "--global", "--root", "--host", "-H", "--machine", "-M", "--runtime"];
    if words.iter().any(|word| foreign.contains(&word.split('=').next().unwrap_or_default())) {
        return;
    }
    let now = words.contains(&"--now");
    let mut plain = words.iter().copied().filter(|word| !word.starts_with('-'));
    let verb = plain.next().unwrap_or_default();
    for unit in plain {
        let name = unit.strip_suffix(".service").unwrap_or(unit);
        match verb {
            "enable" | "reenable" => enabled(known, name, true, now.then_some(true), because),
            "disable" => enabled(known, name, false, now.then_some(false), because),
            "mask" => enabled(known, name, false, Some(false), because),
            "unmask" => known.forget(Kind::Service, name),
            "start" | "restart" => started(known, name),
            _ => {}
        }
    }
}

fn enabled(known: &mut Known, name: &str, enabled: bool, running: Option<bool>, because: &str) {
    known.forget(Kind::Service, name);
    let mut attributes = vec![("enabled", Value::from(enabled))];
    attributes.extend(running.map(|running| ("running", running.into())));
    known.set(Kind::Service, name, attributes, because);
}

/// What runs while the image is built runs in it too if it is enabled.
fn started(known: &mut Known, name: &str) {
    if let Some(attributes) = known.get(Kind::Service, name.strip_suffix(".service").unwrap_or(name))
        && attributes.get("enabled") == Some(&Value::Bool(true))
    {
        attributes.insert("running", true.into());
    }
}

fn rc_update(known: &mut Known, words: &[&str], because: &str) {
    let plain: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with('-')).collect();
    match plain[..] {
        ["add", name, ..] => enabled(known, name, true, None, because),
        ["del" | "delete", name, ..] => enabled(known, name, false, None, because),
        _ => {}
    }
}

fn user(known: &mut Known, program: &str, words: &[&str], because: &str) {
    let short = "-c -d -g -G -s -u -e -f -k -K -p -b -h --comment --home-dir --gid --groups --shell --uid --home --gecos \
                 --ingroup --password --expiredate --inactive --skel --base-dir --conf --firstuid --lastuid";
    let valued: Vec<&str> = short.split_whitespace().collect();
    let [name] = without_options(words, &valued)[..] else { return };
    let is_busybox = program.ends_with("adduser");
    let mut attributes = vec![("exists", Value::Bool(true))];
    let options = [("shell", &["-s", "--shell"][..]), ("uid", &["-u", "--uid"])];
    let home = ("home", if is_busybox { &["-h", "--home"][..] } else { &["-d", "--home-dir"] });
    for (attribute, names) in options.into_iter().chain([home]) {
        let Some(given) = option(words, names) else { continue };
        match given.parse::<u32>() {
            Ok(id) if attribute == "uid" => attributes.push((attribute, id.into())),
            _ if attribute != "uid" => attributes.push((attribute, given.into())),
            _ => {}
        }
    }
    known.set(Kind::User, name, attributes, because);
}

fn group(known: &mut Known, words: &[&str], because: &str) {
    let [name] = without_options(words, &["-g", "--gid", "-K", "--key", "-p", "--password"])[..] else { return };
    let gid = option(words, &["-g", "--gid"]).and_then(|gid| gid.parse::<u32>().ok());
    let attributes = [("exists", Value::Bool(true))].into_iter().chain(gid.map(|gid| ("gid", gid.into())));
    known.set(Kind::Group, name, attributes.collect(), because);
}

/// The value of an option: the next word, or what is behind its `=`.
fn option<'a>(words: &[&'a str], names: &[&str]) -> Option<&'a str> {
    let at = words.iter().position(|word| names.contains(&word.split('=').next().unwrap_or_default()))?;
    words[at].split_once('=').map_or_else(|| words.get(at + 1).copied(), |(_, value)| Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derived(scripts: &[&str]) -> String {
        let mut known = Known::default();
        known.set(Kind::File, "/etc/motd", vec![("exists", true.into()), ("mode", "0644".into())], "x");
        for script in scripts {
            touch(&mut known, script);
            shell::plain_commands(script).iter().for_each(|plain| command(&mut known, plain, "x"));
        }
        let lines = known.0.iter().map(|((kind, name), (attributes, _))| {
            let attributes: Vec<String> = attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("{} {name} {}\n", kind.key(), attributes.join(" "))
        });
        lines.collect()
    }

    #[test]
    fn what_scripts_install_enable_and_add_is_suggested() {
        let script = "apt-get install -y -t bookworm-backports nginx=1.2 git/bookworm ./x.deb old- jq:amd64 'lib*'\n\
                      apt-get install -y curl=8.0 jq:amd64 git/bookworm ./x.deb old-\n\
                      dnf -y install httpd @core\napk add --no-cache 'bash>5' --repository http://x\napk add --virtual .d gcc\n\
                      systemctl enable --now nginx.service\nsystemctl enable a.timer\nsystemctl mask cups\nsystemctl start nothing\n\
                      rc-update add sshd default\n\
                      useradd -m -s /bin/zsh -u 1234 -G sudo,adm ann\nadduser -D -h /srv/bob bob\nadduser ann sudo\n\
                      groupadd -g 77 staff2\n";
        insta::assert_snapshot!(derived(&[script]), @r#"
        file /etc/motd exists=true mode="0644"
        group staff2 exists=true gid=77
        package bash installed=true
        package curl installed=true
        package git installed=true
        package httpd installed=true
        package jq installed=true
        package nginx installed=true
        service a.timer enabled=true
        service cups enabled=false running=false
        service nginx enabled=true running=true
        service sshd enabled=true
        user ann exists=true shell="/bin/zsh" uid=1234
        user bob exists=true home="/srv/bob"
        "#);
    }

    #[test]
    fn what_is_undone_later_is_not_suggested() {
        let scripts = [
            "apt-get install -y gcc make\nsystemctl enable x\nuseradd tmp\nuseradd -s /bin/sh ann",
            "apt-get purge -y gcc\nsystemctl disable x\nuserdel tmp\nusermod -s /bin/zsh ann",
        ];
        insta::assert_snapshot!(derived(&scripts), @r#"
        file /etc/motd exists=true mode="0644"
        package make installed=true
        service x enabled=false
        user ann exists=true
        "#);
    }

    #[test]
    fn a_file_that_scripts_touch_is_known_less_well() {
        assert_eq!(derived(&["sed -i s/a/b/ /etc/motd"]), "file /etc/motd exists=true\n");
        for script in
            ["rm -f /etc/motd", "rm -rf /etc/", "mv \"/etc/motd\" /x", "rm /etc/mo*", "if x; then rm /etc/motd; fi"]
        {
            assert_eq!(derived(&[script]), "", "{script}");
        }
        assert_eq!(derived(&["rm -rf /etc/m"]), "file /etc/motd exists=true mode=\"0644\"\n");
    }

    #[test]
    fn owners_are_names_or_numbers() {
        assert_eq!(owners("root:33"), [("owner", "root".into()), ("gid", 33.into())]);
        assert_eq!(owners(":adm"), [("group", "adm".into())]);
    }
}
