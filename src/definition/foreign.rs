//! Words that people bring along from GitHub workflows, GitLab CI, Packer and Ansible, and what stands here for them.
//!
//! One table, so that a hint is a line. A word that names a key here in another way keeps that key from being called
//! missing as well.

/// A word of another tool.
pub(super) struct Word {
    /// The mapping that it is written in, as messages call it.
    of: &'static str,
    /// The word and its synonyms, with `_` for `-`.
    written: &'static [&'static str],
    /// The key that it stands for, if there is one in the same mapping.
    pub(super) meant: Option<&'static str>,
    /// What to do instead.
    pub(super) help: &'static str,
}

const DEFINITION: &str = "a definition";
const STRATEGY: &str = "`strategy`";
const VARIABLE: &str = "a variable";
const PLATFORM: &str = "a platform";
const SOURCE: &str = "a source";
const CONNECT: &str = "`connect`";
const STEP: &str = "a step";
const RETRY: &str = "`retry`";
const STEP_FILE: &str = "a step file";
const INPUT: &str = "an input";
const TESTS: &str = "`tests`";

const fn word(
    of: &'static str,
    written: &'static [&'static str],
    meant: Option<&'static str>,
    help: &'static str,
) -> Word {
    Word { of, written, meant, help }
}

#[rustfmt::skip]
const WORDS: &[Word] = &[
    // GitHub workflows
    word(DEFINITION, &["on", "permissions", "concurrency"], None, "that stays in the workflow, which calls `ovenbird build`"),
    word(DEFINITION, &["jobs"], Some("steps"), "`steps` are the same in every job, and `strategy.matrix` makes the jobs"),
    word(DEFINITION, &["runs_on"], Some("platforms"), "the machine is described under `platforms`"),
    word(DEFINITION, &["container", "services"], None, "the machine is described under `platforms`; steps run in it, not in containers"),
    word(DEFINITION, &["matrix"], Some("strategy"), "a matrix stands under `strategy`: `strategy: { matrix: … }`"),
    word(DEFINITION, &["timeout_minutes", "continue_on_error", "retry"], None, "each step has its own, under `steps`"),
    word(DEFINITION, &["shell", "working_directory"], None, "write it under `defaults.run`, or in the steps"),
    word(DEFINITION, &["run", "uses", "upload", "download", "local", "reboot"], Some("steps"), "that is a step: write `steps:`, and below it an item for each"),
    word(DEFINITION, &["builder", "source", "arch", "disk_size", "memory", "cpus", "firmware", "accelerator", "connect"], None, "that is said of each platform, under its name in `platforms`"),
    word(STRATEGY, &["include", "exclude", "platform", "suite", "arch", "os"], Some("matrix"), "that stands under `matrix`"),
    word(STRATEGY, &["parallel"], Some("matrix"), "as in GitHub: `matrix` says which jobs there are, `max-parallel` how many run at once"),
    word(STEP, &["needs", "depends_on"], None, "steps run in the order in which they are written"),
    word(STEP, &["container", "image", "services", "runs_on"], None, "a step runs in the machine of its platform: describe that under `platforms`"),
    word(STEP, &["timeout"], Some("timeout-minutes"), "write `timeout-minutes`, a number without a unit"),
    word(STEP, &["secrets"], None, "give a sensitive variable by `with` or `env`"),
    word(STEP_FILE, &["runs"], Some("steps"), "`steps` stand at the top of the file: write them without `runs` and `using`"),
    word(STEP_FILE, &["author", "branding", "on", "jobs"], None, "leave it out: a step file has `inputs`, `steps` and `outputs` alone"),
    word(STEP_FILE, &["variables", "vars", "parameters", "params"], Some("inputs"), "what a step gives by `with` are `inputs`, read as `${{ inputs.NAME }}`"),
    word(STEP_FILE, &["platforms", "strategy", "matrix", "env", "defaults"], None, "that is said in the definition, or at a step: a step file has `inputs`, `steps` and `outputs` alone"),
    word(TESTS, &["gossfile", "gossfiles", "goss_file", "include"], Some("goss"), "name goss files by `goss`: a path, or a list of paths"),
    word(TESTS, &["timeout"], Some("timeout-minutes"), "write `timeout-minutes`, a number without a unit"),
    word(TESTS, &["env", "variables"], Some("vars"), "what templates of goss files have as `.Vars` is `vars`"),
    word(INPUT, &["type", "options"], None, "every input is a text"),
    word(VARIABLE, &["description"], None, "write it as a comment: `# …`"),
    word(VARIABLE, &["type", "options"], None, "its type is that of its `default`"),
    word(VARIABLE, &["value"], Some("default"), "a value of the definition's own is the `default`"),
    word(VARIABLE, &["secret", "masked", "protected"], Some("sensitive"), "write `sensitive: true`"),

    // GitLab CI
    word(DEFINITION, &["stages", "workflow", "rules", "artifacts", "cache", "pages"], None, "that stays in `.gitlab-ci.yml`, which calls `ovenbird build`"),
    word(DEFINITION, &["image"], None, "what the machine's disk starts from is the `source` of a platform"),
    word(DEFINITION, &["script", "before_script"], Some("steps"), "commands are steps: `steps: [{ run: … }]`"),
    word(DEFINITION, &["after_script"], None, "write a last step with `if: always()`"),
    word(DEFINITION, &["default"], Some("defaults"), "what all scripts have is `defaults: { run: … }`"),
    word(DEFINITION, &["include", "extends"], None, "steps that are kept in a file of their own are a step with `uses: FILE`"),
    word(STEP, &["before_script", "after_script"], None, "write a step before or after this one"),
    word(STEP, &["extends", "include"], None, "steps that are kept in a file of their own are a step with `uses: FILE`"),
    word(STEP, &["rules", "only", "except", "when"], Some("if"), "write `if:` with an expression, such as `if: git.branch == 'main'`"),
    word(STEP, &["allow_failure", "ignore_errors"], Some("continue-on-error"), "write `continue-on-error: true`"),
    word(STEP, &["artifacts"], None, "a step `download: PATH` with `to: PATH` copies files out of the guest"),
    word(STEP, &["variables", "environment", "environment_vars"], Some("env"), "write `env`, a mapping: `env: { NAME: value }`"),

    // Packer and Ansible
    word(DEFINITION, &["builders", "machines"], Some("platforms"), "machines are `platforms`, by name, each with a `builder` and a `source`"),
    word(DEFINITION, &["sources"], Some("platforms"), "machines are `platforms`, by name, each with a `builder` and a `source`"),
    word(DEFINITION, &["provisioners", "provisioner", "build", "tasks"], Some("steps"), "what is done in the machine is `steps`: a list, in order"),
    word(DEFINITION, &["post_processors", "post_processor", "formats"], Some("outputs"), "what the disk becomes is `outputs`: `outputs: [qcow2, { format: raw, compress: zstd }]`"),
    word(DEFINITION, &["sensitive_variables"], None, "say it at the variable: `NAME: { env: NAME, sensitive: true }`"),
    word(DEFINITION, &["locals", "vars"], Some("variables"), "values with a name are `variables`, read as `${{ vars.NAME }}`"),
    word(DEFINITION, &["packer", "required_plugins", "communicator"], None, "leave it out: nothing has to be loaded or connected by hand"),
    word(PLATFORM, &["type"], Some("builder"), "write `builder`, such as `builder: qemu`"),
    word(PLATFORM, &["iso_url", "iso_urls", "iso_checksum", "disk_image", "source_image"], Some("source"), "a disk image is `source: { image: URL, checksum: … }`; installing from an ISO comes with a later version"),
    word(PLATFORM, &["debian", "image", "iso", "ami", "checksum", "packages", "mirror", "suite"], Some("source"), "that stands under `source`, as in `source: { debian: bookworm }`"),
    word(PLATFORM, &["boot_command", "boot_wait", "http_directory", "http_content"], None, "no installer is driven here: a `debian` source is bootstrapped, an `image` source is there already"),
    word(PLATFORM, &["ssh_username", "ssh_user", "user", "username"], None, "write `connect: { user: NAME }`"),
    word(PLATFORM, &["ssh_timeout", "timeout", "timeout_minutes"], None, "write `connect: { timeout-minutes: 10 }`"),
    word(PLATFORM, &["ssh_password", "ssh_private_key_file", "communicator", "shutdown_command", "headless", "output_directory", "vm_name"], None, "leave it out: Ovenbird does that by itself, with a key of its own for every build"),
    word(PLATFORM, &["format", "outputs"], None, "what the disk becomes is said once, beside `platforms`: `outputs: [qcow2]`"),
    word(PLATFORM, &["cpu", "vcpu", "vcpus"], Some("cpus"), "write `cpus`"),
    word(PLATFORM, &["ram", "mem"], Some("memory"), "write `memory`, with a unit: `memory: 2GiB`"),
    word(PLATFORM, &["disk", "size"], Some("disk-size"), "write `disk-size`, with a unit: `disk-size: 8GiB`"),
    word(PLATFORM, &["efi_boot", "uefi", "boot_mode"], Some("firmware"), "write `firmware: uefi`"),
    word(PLATFORM, &["steps"], None, "steps are the same on every platform: write them beside `platforms`, with `if: platform.name == '…'` where they differ"),
    word(SOURCE, &["ubuntu", "fedora", "alpine", "centos", "rocky", "almalinux", "opensuse", "arch"], None, "only Debian is bootstrapped: start from that distribution's cloud image, `image: URL` and `checksum: …`"),
    word(SOURCE, &["url", "iso_url", "path", "file", "qcow2"], Some("image"), "write `image`: a path or a URL"),
    word(SOURCE, &["iso_checksum", "sha256", "sha512", "digest"], Some("checksum"), "write `checksum: \"sha256:…\"`"),
    word(SOURCE, &["suite", "release", "distribution"], Some("debian"), "write `debian`, with the suite's code name: `debian: bookworm`"),
    word(CONNECT, &["username", "ssh_username"], Some("user"), "write `user`"),
    word(CONNECT, &["timeout", "ssh_timeout"], Some("timeout-minutes"), "write `timeout-minutes`, a number without a unit"),
    word(CONNECT, &["password", "private_key", "key"], None, "leave it out: every build makes a key of its own"),
    word(STEP, &["type"], None, "a step says what it does by one key, such as `run: …`, `script: FILE` or `upload: PATH`"),
    word(STEP, &["inline", "command", "commands", "cmd", "exec"], Some("run"), "write `run`: one text, with a line for each command after `run: |`"),
    word(STEP, &["scripts"], Some("script"), "write a step with `script: FILE` for each"),
    word(STEP, &["source", "sources", "src", "copy", "file", "template"], Some("upload"), "to copy into the guest, write `upload: PATH` and `to: PATH`"),
    word(STEP, &["destination", "dest"], Some("to"), "write `to`, beside `upload` or `download`"),
    word(STEP, &["execute_command", "executable"], Some("shell"), "write `shell`: a command line in which `{0}` stands for the script's file"),
    word(STEP, &["max_retries", "retries"], Some("retry"), "write `retry: { attempts: 3, delay: 10s }`"),
    word(STEP, &["user", "become", "become_user", "sudo"], None, "leave it out: steps run as root"),
    word(STEP, &["cwd", "dir", "chdir", "workdir"], Some("working-directory"), "write `working-directory`"),
    word(STEP, &["description", "title"], Some("name"), "write `name`"),
    word(RETRY, &["max", "max_attempts", "times", "count"], Some("attempts"), "write `attempts`: all tries counted"),
    word(RETRY, &["wait", "interval", "backoff", "pause"], Some("delay"), "write `delay`, with a unit: `delay: 10s`"),
];

/// What is known of a key of another tool in a mapping, which is named as in messages.
pub(super) fn find(of: &str, key: &str) -> Option<&'static Word> {
    let key = key.to_lowercase().replace('-', "_");
    WORDS.iter().find(|word| word.of == of && word.written.contains(&key.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::decode::Keys;
    use crate::definition::language;

    /// The mappings of the table.
    fn mappings() -> Vec<Keys> {
        let mut debian = Keys::of::<language::Debian>();
        debian.known.extend(Keys::of::<language::Image>().known);
        debian.of = SOURCE;
        vec![
            Keys::of::<language::Definition>(),
            Keys::of::<language::Strategy>(),
            Keys::of::<language::Variable>(),
            Keys::of::<language::Platform>(),
            debian,
            Keys::of::<language::Connect>(),
            Keys::of::<language::Step>(),
            Keys::of::<language::Retry>(),
            Keys::of::<language::StepFile>(),
            Keys::of::<language::Input>(),
            Keys::of::<language::Tests>(),
        ]
    }

    #[test]
    fn no_word_is_a_key_of_the_language_and_each_stands_for_one() {
        let mappings = mappings();
        for word in WORDS {
            let known = mappings.iter().find(|keys| keys.of == word.of).map(|keys| &keys.known);
            let is_known = |key: &str| known.is_some_and(|known| known.iter().any(|known| known == key));
            assert!(known.is_some(), "there is no mapping `{}`", word.of);
            for written in word.written {
                assert!(!is_known(&written.replace('_', "-")), "{} has `{written}`", word.of);
            }
            assert!(word.meant.is_none_or(is_known), "{} has no {:?}", word.of, word.meant);
        }
    }

    #[test]
    fn a_word_is_found_however_it_is_written() {
        for key in ["runs-on", "runs_on", "Runs-On"] {
            assert!(find(DEFINITION, key).is_some(), "{key}");
        }
        assert!(find(PLATFORM, "provisioners").is_none());
    }
}
