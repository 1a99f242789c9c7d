//! The text of a first definition.

use super::packer::{self, Packer};
use super::survey::{Ansible, Chef, Puppet, Survey};
use super::yaml::{block, comment, quoted, scalar};

const HEAD: &str = "\
# The machine image of this repository. Written by `ovenbird init`, and yours to change.
#   ovenbird validate    whether it is right
#   ovenbird plan        what would be built
#   ovenbird build       build it, into ovenbird-out/
";

const DEBIAN: &str = "
# Each cell of the matrix is an image of its own. With `suite: [bookworm, trixie]` there are two.
strategy:
  matrix:
    suite: [trixie]

platforms:
  qemu:
    builder: qemu
    # Bootstrapped from Debian's package mirror: no base image is needed.
    source: { debian: \"${{ matrix.suite }}\" }
";

const EXAMPLE: &str = "
  - name: Install nginx
    run: |
      apt-get update
      apt-get install -y --no-install-recommends nginx
    timeout-minutes: 20
    retry: { attempts: 3, delay: 10s }

  - name: Serve from the first boot on
    run: |
      nginx -t
      systemctl enable nginx
";

/// The definition of what was found; an example to change where nothing was.
#[must_use]
pub fn definition(survey: &Survey) -> String {
    let mut text = format!("{HEAD}name: {}\n", scalar(&survey.name));
    if let Some(packer) = &survey.packer {
        text.push_str(&variables(packer));
    }
    text.push_str(&platforms(survey.packer.as_ref()));
    text.push_str("\nenv:\n  DEBIAN_FRONTEND: noninteractive\n\n# Run in order, in the machine, as root.\nsteps:");
    let before = text.len();
    if let Some(packer) = &survey.packer {
        packer.steps.iter().for_each(|step| text.push_str(&packer_step(step)));
    }
    let found =
        [survey.ansible.as_ref().map(ansible), survey.puppet.as_ref().map(puppet), survey.chef.as_ref().map(chef)];
    found.into_iter().flatten().for_each(|steps| text.push_str(&steps));
    if text.len() == before {
        text.push_str(EXAMPLE);
    }
    text.push_str(&notes(survey));
    text.push_str("\noutputs:\n  - qcow2\n");
    text
}

fn variables(packer: &Packer) -> String {
    if packer.variables.is_empty() {
        return String::new();
    }
    let mut text =
        format!("\n# From {}. Read as ${{{{ vars.NAME }}}}, and set with --var NAME=VALUE.\nvariables:\n", packer.path);
    for packer::Variable { name, env, default, sensitive } in &packer.variables {
        // In quotes, because Packer's variables are texts.
        let default = quoted(default.as_deref().unwrap_or_default());
        let name = scalar(name);
        let env = env.as_ref().map(|env| format!("env: {env}, ")).unwrap_or_default();
        let sensitive = if *sensitive { ", sensitive: true" } else { "" };
        text.push_str(&if env.is_empty() && sensitive.is_empty() {
            format!("  {name}: {default}\n")
        } else {
            format!("  {name}: {{ {env}default: {default}{sensitive} }}\n")
        });
    }
    text
}

fn platforms(packer: Option<&Packer>) -> String {
    let mut text = match packer.and_then(|packer| packer.image.as_ref()) {
        Some((image, checksum)) => format!(
            "\nplatforms:\n  qemu:\n    builder: qemu\n    source:\n      image: {}\n      checksum: {}\n",
            scalar(image),
            scalar(checksum)
        ),
        None => DEBIAN.to_owned(),
    };
    for (key, value) in packer.map(|packer| packer.settings.as_slice()).unwrap_or_default() {
        text.push_str(&format!("    {key}: {value}\n"));
    }
    text
}

fn packer_step(step: &packer::Step) -> String {
    let env_of = |env: &[(String, String)]| {
        let lines: String = env.iter().map(|(name, value)| format!("      {name}: {}\n", scalar(value))).collect();
        if lines.is_empty() { lines } else { format!("    env:\n{lines}") }
    };
    match step {
        packer::Step::Run { script, env } => format!("\n  - run: {}\n{}", block(script, 4), env_of(env)),
        packer::Step::Script { path, env } => format!("\n  - script: {}\n{}", scalar(path), env_of(env)),
        packer::Step::Upload { from, to } => format!("\n  - upload: {}\n    to: {}\n", scalar(from), scalar(to)),
    }
}

/// Uploads each part into one folder of the machine.
fn uploads(parts: &[String], tool: &str, folder: &str) -> String {
    let step = |part: &String| {
        // One folder is the whole; of several parts each keeps its own name.
        let to = if parts.len() == 1 && part.ends_with('/') {
            folder.to_owned()
        } else {
            format!("{folder}/{}", part.trim_end_matches('/'))
        };
        format!(
            "\n  - name: Upload {} for {tool}\n    upload: {}\n    to: {to}\n",
            part.trim_end_matches('/'),
            scalar(part)
        )
    };
    parts.iter().map(step).collect()
}

fn native(tool: &str) -> String {
    format!(
        "\n  # {tool} runs inside the machine. A later version has a step of its own for it, which will take the place of these."
    )
}

fn run(name: &str, folder: &str, env: &str, lines: &[String]) -> String {
    let lines: String = lines.iter().map(|line| format!("      {line}\n")).collect();
    format!("\n  - name: {name}\n    working-directory: {folder}\n{env}    run: |\n{lines}    timeout-minutes: 60\n")
}

fn ansible(ansible: &Ansible) -> String {
    let (folder, inventory) = ("/var/tmp/ovenbird-ansible", "/var/tmp/ovenbird-inventory");
    let groups: String = ansible.groups.iter().map(|group| format!(" '[{group}]' localhost")).collect();
    let mut lines = vec![
        "apt-get update".to_owned(),
        "apt-get install -y --no-install-recommends ansible-core".to_owned(),
        format!("printf '%s\\n' 'localhost ansible_connection=local'{groups} > {inventory}"),
    ];
    lines.extend(ansible.requirements.iter().map(|path| format!("ansible-galaxy install -r {path}")));
    lines.push(format!("ansible-playbook --inventory {inventory} {}", ansible.playbook));
    lines.push(format!("rm -rf {folder} {inventory}"));
    // Ansible refuses to run where texts are not UTF-8.
    let steps = run("Run Ansible", folder, "    env: { LC_ALL: C.UTF-8 }\n", &lines);
    native("Ansible") + &uploads(&ansible.uploads, "Ansible", folder) + &steps
}

fn puppet(puppet: &Puppet) -> String {
    let folder = "/var/tmp/ovenbird-puppet";
    let more = if puppet.has_puppetfile { " r10k git" } else { "" };
    let mut lines =
        vec!["apt-get update".to_owned(), format!("apt-get install -y --no-install-recommends puppet-agent{more}")];
    let mut modules = Vec::new();
    if puppet.has_modules {
        modules.push("modules");
    }
    if puppet.has_puppetfile {
        // A folder of its own: r10k removes what its file does not name.
        lines.push("r10k puppetfile install --moduledir downloaded-modules".to_owned());
        modules.push("downloaded-modules");
    }
    let path = if modules.is_empty() { String::new() } else { format!(" --modulepath {}", modules.join(":")) };
    lines.push("# 0: nothing was to do; 2: changes were made; anything else: failures.".to_owned());
    lines.push(format!("puppet apply --detailed-exitcodes{path} {} || [ $? -eq 2 ]", puppet.manifest));
    lines.push(format!("rm -rf {folder}"));
    native("Puppet") + &uploads(&puppet.uploads, "Puppet", folder) + &run("Run Puppet", folder, "", &lines)
}

fn chef(chef: &Chef) -> String {
    let folder = "/var/tmp/ovenbird-chef";
    let lines = [
        "apt-get update".to_owned(),
        "apt-get install -y --no-install-recommends curl ca-certificates".to_owned(),
        "# Debian has no package of Chef; Cinc is its free distribution, installed as its makers say.".to_owned(),
        "curl -fsSL https://omnitruck.cinc.sh/install.sh | bash".to_owned(),
        format!("echo 'cookbook_path \"{folder}/cookbooks\"' > client.rb"),
        format!("cinc-client --local-mode --config client.rb --override-runlist '{}'", chef.run_list.join(",")),
        format!("rm -rf {folder}"),
    ];
    let upload = format!(
        "\n  - name: Upload the cookbooks\n    upload: {}/\n    to: {folder}/cookbooks\n",
        scalar(&chef.cookbooks)
    );
    native("Chef") + &upload + &run("Run Chef", folder, "", &lines)
}

/// What was found and is not done, as comments.
fn notes(survey: &Survey) -> String {
    let mut text = String::new();
    let mut note = |words: String| text.push_str(&format!("\n{}", comment(&words, 2)));
    let unused = |script: &&String| {
        let packer = survey.packer.iter().flat_map(|packer| &packer.steps);
        !packer.into_iter().any(|step| matches!(step, packer::Step::Script { path, .. } if path == *script))
    };
    let scripts: Vec<&String> = survey.scripts.iter().filter(unused).collect();
    if !scripts.is_empty() {
        let lines: String = scripts.iter().map(|script| format!("\n- script: {script}")).collect();
        note(format!(
            "Scripts of this repository that are not run yet, as the steps that would run them in the machine:{lines}"
        ));
    }
    if let Some(packer) = survey.packer.as_ref().filter(|packer| !packer.left_out.is_empty()) {
        note(format!("Not translated from {}: {}.", packer.path, packer.left_out.join("; ")));
    }
    for path in &survey.other_templates {
        note(format!("Not translated: the Packer template {path}."));
    }
    if let Some(goss) = &survey.goss {
        note(format!("Tests of the finished image come with a later version; {goss} will be used as it is."));
    }
    if let Some(dockerfile) = &survey.dockerfile {
        note(format!("{dockerfile} describes a container; what its RUN lines do can stand in a `run:` here."));
    }
    text
}
