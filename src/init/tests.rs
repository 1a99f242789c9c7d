//! What `ovenbird init` writes for repositories of many shapes: each definition is loaded and planned, and most are shown.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use camino::Utf8Path;
use insta::assert_snapshot;

use super::ci::PACKAGES;
use super::*;
use crate::definition::{self, Unreadable};
use crate::plan;

/// A survey of a repository with these files.
fn survey_of(name: &str, folder: &str, files: &[(&str, &str)]) -> Survey {
    let read = |path: &Utf8Path| {
        files.iter().find(|(other, _)| path == Utf8Path::new(other)).map(|(_, text)| (*text).to_owned())
    };
    let paths = files.iter().map(|(path, _)| (*path).into()).collect();
    Survey::of(&Repository { name, paths, folder: folder.into(), branch: None, read: &read })
}

/// The definition of a repository, which must be valid, plan to at least one job, and name only files that are there.
#[track_caller]
fn definition_of(name: &str, files: &[(&str, &str)]) -> String {
    let text = definition(&survey_of(name, "", files));
    let nothing = |_: &definition::Wanted<'_>| Err(Unreadable { message: String::new(), help: None });
    let (definition, sources) = match definition::load("ovenbird.yml", &text, &nothing) {
        Ok(loaded) => loaded,
        Err(report) => panic!("{}\n{text}", report.render(false)),
    };
    let (inputs, _) = plan::resolve_variables(&definition, &plan::Given::default()).unwrap();
    let plan = match plan::plan(&sources, &definition, &inputs, Utf8Path::new("/repository")) {
        Ok(plan) => plan,
        Err(diagnostics) => panic!("{}\n{text}", crate::diagnostic::render(&diagnostics, &sources, false)),
    };
    assert!(!plan.jobs.is_empty());
    for needed in &plan.files {
        let path = needed.path.strip_prefix("/repository").unwrap();
        assert!(files.iter().any(|(other, _)| Utf8Path::new(other).starts_with(path)), "`{path}` is not there\n{text}");
    }
    text
}

/// What is below the words that every definition begins with.
#[track_caller]
fn steps_of(files: &[(&str, &str)]) -> String {
    let text = definition_of("x", files);
    text.split_once("\nsteps:\n").unwrap().1.to_owned()
}

#[test]
fn an_empty_repository_gets_an_example_that_bakes_a_web_server() {
    assert_snapshot!(definition_of("My Web_Server.2", &[]), @r#"
    # The machine image of this repository. Written by `ovenbird init`, and yours to change.
    #   ovenbird validate    whether it is right
    #   ovenbird plan        what would be built
    #   ovenbird build       build it, into ovenbird-out/
    name: my-web-server-2

    # Each cell of the matrix is an image of its own. With `suite: [bookworm, trixie]` there are two.
    strategy:
      matrix:
        suite: [trixie]

    platforms:
      qemu:
        builder: qemu
        # Bootstrapped from Debian's package mirror: no base image is needed.
        source: { debian: "${{ matrix.suite }}" }

    env:
      DEBIAN_FRONTEND: noninteractive

    # Run in order, in the machine, as root.
    steps:
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

    outputs:
      - qcow2
    "#);
}

#[test]
fn a_packer_template_becomes_variables_a_source_and_steps() {
    let template = r#"{
        "sensitive-variables": ["token"],
        "variables": { "port": "8080", "token": "{{env `APP_TOKEN`}}", "user": null, "made": "{{timestamp}}" },
        "builders": [{
            "type": "qemu", "disk_image": true, "disk_size": "10G", "memory": 2048, "cpus": "4",
            "iso_url": "https://images.example.org/base.qcow2",
            "iso_checksum": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        }, { "type": "amazon-ebs" }],
        "provisioners": [
            { "type": "shell", "inline": ["apt-get update", "echo \"port {{user `port`}}\" > /etc/port"] },
            { "type": "shell", "scripts": ["scripts/a.sh", "./b.sh"], "environment_vars": ["PORT={{ user `port` }}", "LEVEL=3"],
              "execute_command": "sudo {{.Path}}" },
            { "type": "file", "source": "../site/", "destination": "/srv/www" },
            { "type": "file", "source": "files/app.conf", "destination": "/etc/app.conf" },
            { "type": "shell", "inline": ["echo {{build `ID`}}"] },
            { "type": "shell", "script": "missing.sh" },
            { "type": "shell", "only": ["amazon-ebs"], "inline": ["true"] },
            { "type": "breakpoint" }
        ],
        "post-processors": ["manifest"]
    }"#;
    let files = [
        ("packer/web.json", template),
        ("packer/scripts/a.sh", ""),
        ("packer/b.sh", ""),
        ("site/index.html", ""),
        ("files/app.conf", ""),
        ("package.json", "{}"),
        ("scripts/other.sh", ""),
        ("old.pkr.hcl", "source {}"),
    ];
    assert_snapshot!(definition_of("web", &files), @r#"
    # The machine image of this repository. Written by `ovenbird init`, and yours to change.
    #   ovenbird validate    whether it is right
    #   ovenbird plan        what would be built
    #   ovenbird build       build it, into ovenbird-out/
    name: web

    # From packer/web.json. Read as ${{ vars.NAME }}, and set with --var NAME=VALUE.
    variables:
      port: "8080"
      token: { env: APP_TOKEN, default: "", sensitive: true }
      user: ""

    platforms:
      qemu:
        builder: qemu
        source:
          image: "https://images.example.org/base.qcow2"
          checksum: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        disk-size: 10240MiB
        memory: 2048MiB
        cpus: 4

    env:
      DEBIAN_FRONTEND: noninteractive

    # Run in order, in the machine, as root.
    steps:
      - run: |
          apt-get update
          echo "port ${{ vars.port }}" > /etc/port

      - script: packer/scripts/a.sh
        env:
          PORT: "${{ vars.port }}"
          LEVEL: "3"

      - script: packer/b.sh
        env:
          PORT: "${{ vars.port }}"
          LEVEL: "3"

      - upload: files/app.conf
        to: /etc/app.conf

      # Scripts of this repository that are not run yet, as the steps that would run them in the machine:
      # - script: scripts/other.sh

      # Not translated from packer/web.json: the variable `made`; the builder `amazon-ebs`; provisioner 3, `file`; provisioner 5, `shell`; provisioner 6, `shell`; provisioner 7, `shell`; provisioner 8, `breakpoint`; the post-processors.

      # Not translated: the Packer template old.pkr.hcl.

    outputs:
      - qcow2
    "#);
}

#[test]
fn a_packer_template_that_installs_from_an_iso_starts_from_debian_instead() {
    let template = r#"{
        "builders": [{ "type": "qemu", "iso_url": "https://example.org/debian.iso", "iso_checksum": "none", "disk_size": "20480" }],
        "provisioners": [{ "type": "shell", "inline": ["  indented", "${{ oops }}"] }, { "type": "shell", "inline": [" a\tb"] }]
    }"#;
    assert_snapshot!(definition_of("web", &[("packer.json", template)]), @r#"
    # The machine image of this repository. Written by `ovenbird init`, and yours to change.
    #   ovenbird validate    whether it is right
    #   ovenbird plan        what would be built
    #   ovenbird build       build it, into ovenbird-out/
    name: web

    # Each cell of the matrix is an image of its own. With `suite: [bookworm, trixie]` there are two.
    strategy:
      matrix:
        suite: [trixie]

    platforms:
      qemu:
        builder: qemu
        # Bootstrapped from Debian's package mirror: no base image is needed.
        source: { debian: "${{ matrix.suite }}" }
        disk-size: 20480MiB

    env:
      DEBIAN_FRONTEND: noninteractive

    # Run in order, in the machine, as root.
    steps:
      - run: " a\tb"

      # Not translated from packer.json: the builder's source, https://example.org/debian.iso; provisioner 1, `shell`.

    outputs:
      - qcow2
    "#);
}

#[test]
fn an_hcl_template_is_named_and_not_translated() {
    assert_snapshot!(steps_of(&[("image.pkr.hcl", "source \"qemu\" \"x\" {}")]), @"
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

      # Not translated: the Packer template image.pkr.hcl.

    outputs:
      - qcow2
    ");
}

#[test]
fn a_playbook_in_its_folder_is_run_inside_the_machine_as_the_hosts_that_it_names() {
    let files = [
        ("ansible/site.yml", "- hosts: web,db\n  roles: [web]\n- hosts: all\n"),
        ("ansible/roles/web/tasks/main.yml", "- debug:\n"),
        ("ansible/requirements.yml", "[]\n"),
        ("ansible/main.yml", "- debug:\n"),
    ];
    assert_snapshot!(steps_of(&files), @r"
      # Ansible runs inside the machine. A later version has a step of its own for it, which will take the place of these.
      - name: Upload ansible for Ansible
        upload: ansible/
        to: /var/tmp/ovenbird-ansible

      - name: Run Ansible
        working-directory: /var/tmp/ovenbird-ansible
        env: { LC_ALL: C.UTF-8 }
        run: |
          apt-get update
          apt-get install -y --no-install-recommends ansible-core
          printf '%s\n' 'localhost ansible_connection=local' '[db]' localhost '[web]' localhost > /var/tmp/ovenbird-inventory
          ansible-galaxy install -r requirements.yml
          ansible-playbook --inventory /var/tmp/ovenbird-inventory site.yml
          rm -rf /var/tmp/ovenbird-ansible /var/tmp/ovenbird-inventory
        timeout-minutes: 60

    outputs:
      - qcow2
    ");
}

#[test]
fn a_playbook_at_the_root_takes_only_its_own_folders_along() {
    let files =
        [("site.yml", "- hosts: localhost\n"), ("roles/a/tasks/main.yml", ""), ("ansible.cfg", ""), ("src/main.c", "")];
    assert_snapshot!(steps_of(&files), @r"
      # Ansible runs inside the machine. A later version has a step of its own for it, which will take the place of these.
      - name: Upload site.yml for Ansible
        upload: site.yml
        to: /var/tmp/ovenbird-ansible/site.yml

      - name: Upload ansible.cfg for Ansible
        upload: ansible.cfg
        to: /var/tmp/ovenbird-ansible/ansible.cfg

      - name: Upload roles for Ansible
        upload: roles/
        to: /var/tmp/ovenbird-ansible/roles

      - name: Run Ansible
        working-directory: /var/tmp/ovenbird-ansible
        env: { LC_ALL: C.UTF-8 }
        run: |
          apt-get update
          apt-get install -y --no-install-recommends ansible-core
          printf '%s\n' 'localhost ansible_connection=local' > /var/tmp/ovenbird-inventory
          ansible-playbook --inventory /var/tmp/ovenbird-inventory site.yml
          rm -rf /var/tmp/ovenbird-ansible /var/tmp/ovenbird-inventory
        timeout-minutes: 60

    outputs:
      - qcow2
    ");
}

#[test]
fn a_manifest_is_applied_with_the_modules_of_its_folder_and_of_its_puppetfile() {
    let files =
        [("puppet/manifests/site.pp", ""), ("puppet/modules/a/manifests/init.pp", ""), ("puppet/Puppetfile", "")];
    assert_snapshot!(steps_of(&files), @"
      # Puppet runs inside the machine. A later version has a step of its own for it, which will take the place of these.
      - name: Upload puppet for Puppet
        upload: puppet/
        to: /var/tmp/ovenbird-puppet

      - name: Run Puppet
        working-directory: /var/tmp/ovenbird-puppet
        run: |
          apt-get update
          apt-get install -y --no-install-recommends puppet-agent r10k git
          r10k puppetfile install --moduledir downloaded-modules
          # 0: nothing was to do; 2: changes were made; anything else: failures.
          puppet apply --detailed-exitcodes --modulepath modules:downloaded-modules manifests/site.pp || [ $? -eq 2 ]
          rm -rf /var/tmp/ovenbird-puppet
        timeout-minutes: 60

    outputs:
      - qcow2
    ");
    let module = [("manifests/init.pp", ""), ("metadata.json", "{}")];
    assert!(steps_of(&module).contains("Install nginx"));
    assert!(steps_of(&[("manifests/site.pp", "")]).contains("puppet apply --detailed-exitcodes manifests/site.pp"));
}

#[test]
fn cookbooks_are_run_by_their_default_recipes() {
    let files = [
        ("cookbooks/web/recipes/default.rb", ""),
        ("cookbooks/base/recipes/default.rb", ""),
        ("cookbooks/lib/libraries/x.rb", ""),
    ];
    assert_snapshot!(steps_of(&files), @r#"
      # Chef runs inside the machine. A later version has a step of its own for it, which will take the place of these.
      - name: Upload the cookbooks
        upload: cookbooks/
        to: /var/tmp/ovenbird-chef/cookbooks

      - name: Run Chef
        working-directory: /var/tmp/ovenbird-chef
        run: |
          apt-get update
          apt-get install -y --no-install-recommends curl ca-certificates
          # Debian has no package of Chef; Cinc is its free distribution, installed as its makers say.
          curl -fsSL https://omnitruck.cinc.sh/install.sh | bash
          echo 'cookbook_path "/var/tmp/ovenbird-chef/cookbooks"' > client.rb
          cinc-client --local-mode --config client.rb --override-runlist 'recipe[base],recipe[web]'
          rm -rf /var/tmp/ovenbird-chef
        timeout-minutes: 60

    outputs:
      - qcow2
    "#);
}

#[test]
fn what_is_found_and_not_used_is_told_in_comments() {
    let files = [
        ("scripts/harden.sh", ""),
        ("scripts/odd name.sh", ""),
        ("goss.yaml", ""),
        ("Dockerfile", ""),
        ("src/x.sh", ""),
    ];
    assert_snapshot!(steps_of(&files), @"
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

      # Scripts of this repository that are not run yet, as the steps that would run them in the machine:
      # - script: scripts/harden.sh

      # Tests of the finished image come with a later version; goss.yaml will be used as it is.

      # Dockerfile describes a container; what its RUN lines do can stand in a `run:` here.

    outputs:
      - qcow2
    ");
}

#[test]
fn names_that_no_definition_can_hold_are_left_alone() {
    let nasty = "x\n- run: evil # ${{ vars.a }}";
    let path = format!("scripts/{nasty}.sh");
    let template = serde_json::json!({
        "variables": { nasty: "a", "good": nasty },
        "builders": [{ "type": nasty, "iso_url": nasty }],
        "provisioners": [{ "type": nasty }, { "type": "shell", "script": path }, { "type": "shell", "inline": ["a\u{85}# b\r\nc"] }],
    });
    let template = template.to_string();
    let files = [
        (path.as_str(), ""),
        ("t.json", template.as_str()),
        ("a\nb.pkr.hcl", ""),
        ("cookbooks/a'b/recipes/default.rb", ""),
    ];
    let text = definition_of(nasty, &files);
    assert!(text.starts_with("# The machine image") && text.contains("name: x-run-evil-vars-a\n"), "{text}");
    assert!(!text.lines().any(|line| line.trim_start().starts_with("- run: evil")), "{text}");
}

#[test]
fn the_github_file_says_where_the_program_comes_from_in_one_place() {
    let files = ci_files(&survey_of("web", "", &[]), Ci::Github, None);
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].path, ".github/workflows/images.yml");
    assert_snapshot!(files[0].text, @r#"
    # Validates ovenbird.yml and bakes its images. Written by `ovenbird init`, and yours to change. Needs no secret.
    name: images

    on:
      pull_request:
      push:
        branches: [main]
      workflow_dispatch:

    permissions:
      contents: read

    concurrency:
      group: images-${{ github.ref }}
      cancel-in-progress: true

    env:
      # Where the program comes from: the address of the git repository of Ovenbird.
      # Set the variable in the settings of this repository: Secrets and variables, Actions, Variables.
      OVENBIRD_REPOSITORY: ${{ vars.OVENBIRD_REPOSITORY }}

    jobs:
      images:
        runs-on: ubuntu-24.04
        timeout-minutes: 180
        steps:
          - uses: actions/checkout@v4
            with:
              persist-credentials: false
          - name: Install what Ovenbird drives
            run: |
              sudo apt-get update
              sudo apt-get install -y --no-install-recommends \
                ca-certificates curl debian-archive-keyring dosfstools e2fsprogs fdisk \
                gcc libc6-dev make mmdebstrap mtools ovmf \
                qemu-system-x86 qemu-utils uidmap
          - name: Let this user open /dev/kvm
            # Without it the machines are emulated, only slower.
            run: |
              if [ -e /dev/kvm ]; then sudo chmod 0666 /dev/kvm; fi
          - name: Install Ovenbird
            run: |
              if ! command -v ovenbird; then
                if [ -z "$OVENBIRD_REPOSITORY" ]; then
                  echo 'error: set the variable OVENBIRD_REPOSITORY to the address of the git repository of Ovenbird' >&2
                  exit 1
                fi
                rustup toolchain install stable --profile minimal
                rustup default stable
                cargo install --locked --git "$OVENBIRD_REPOSITORY" ovenbird
              fi
          - name: Validate the definition
            run: ovenbird validate
          - name: Bake the images
            run: ovenbird build
          - name: Keep the images and logs
            if: ${{ !cancelled() }}
            uses: actions/upload-artifact@v4
            with:
              name: images
              path: ovenbird-out/
              if-no-files-found: ignore
    "#);
    let known =
        ci_files(&survey_of("web", "images/web", &[]), Ci::Github, Some("https://git.example.org/ovenbird.git"));
    let text = &known[0].text;
    assert!(text.contains("  OVENBIRD_REPOSITORY: \"https://git.example.org/ovenbird.git\"\n"), "{text}");
    assert!(
        text.contains("    working-directory: images/web\n") && text.contains("path: images/web/ovenbird-out/\n"),
        "{text}"
    );
}

#[test]
fn the_gitlab_job_joins_a_file_that_is_there_and_brings_one_where_there_is_none() {
    let alone = ci_files(&survey_of("web", "", &[]), Ci::Gitlab, None);
    assert_eq!(
        alone.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(),
        [".gitlab/images.yml", ".gitlab-ci.yml"]
    );
    assert_snapshot!(alone[0].text, @r#"
    # Validates ovenbird.yml and bakes its images. Written by `ovenbird init`, and yours to change. Needs no secret.
    images:
      image: rust:1-trixie
      timeout: 3 hours
      # Where the program comes from: the address of the git repository of Ovenbird.
      # Set the CI/CD variable OVENBIRD_REPOSITORY in the settings of this project, or here under `variables:`.
      before_script:
        - apt-get update
        - |
          apt-get install -y --no-install-recommends \
            ca-certificates curl debian-archive-keyring dosfstools e2fsprogs fdisk \
            gcc libc6-dev make mmdebstrap mtools ovmf \
            qemu-system-x86 qemu-utils uidmap
        - |
          if ! command -v ovenbird; then
            if [ -z "$OVENBIRD_REPOSITORY" ]; then
              echo 'error: set the variable OVENBIRD_REPOSITORY to the address of the git repository of Ovenbird' >&2
              exit 1
            fi
            cargo install --locked --git "$OVENBIRD_REPOSITORY" ovenbird
          fi
      script:
        # Without /dev/kvm in the container the machines are emulated, only slower.
        - ovenbird validate
        - ovenbird build
      artifacts:
        when: always
        paths:
          - ovenbird-out/
    "#);
    assert_snapshot!(alone[1].text, @"
    include:
      - local: .gitlab/images.yml
    ");
    let survey = survey_of("web", "sub", &[(".gitlab-ci.yml", "stages: [build, deploy]\njob: { script: [make] }\n")]);
    let joined = ci_files(&survey, Ci::Gitlab, Some("https://git.example.org/ovenbird.git"));
    assert_eq!(joined.len(), 1);
    let text = &joined[0].text;
    assert!(text.contains("  stage: deploy\n") && text.contains("    - \"cd 'sub'\"\n"), "{text}");
    assert_eq!(include_hint(&survey).as_deref(), Some("include:\n  - local: .gitlab/images.yml"));
    assert!(survey.is_gitlab() && !survey_of("x", "", &[(".gitlab-ci.yml", ""), (".github/x", "")]).is_gitlab());
}

#[test]
fn every_ci_file_is_yaml_with_the_values_that_were_meant() {
    let survey = survey_of("web", "it's/a sub: #folder", &[(".gitlab-ci.yml", "stages: ['a: b']\n")]);
    for ci in [Ci::Github, Ci::Gitlab] {
        for file in ci_files(&survey, ci, Some("git: #odd")) {
            let (_, diagnostics) = crate::source::Sources::parse(file.path.as_str(), &file.text);
            assert_eq!(diagnostics, [], "{}", file.text);
        }
    }
}

#[test]
fn ci_installs_what_the_projects_own_setup_installs() {
    let setup = include_str!("../../scripts/setup.sh");
    let rows = setup
        .lines()
        .filter_map(|line| line.split_once('|'))
        .filter(|(group, _)| ["build", "run"].contains(&group.trim()));
    let mut packages: Vec<&str> =
        rows.filter_map(|(_, row)| row.rsplit_once('|')).map(|(_, package)| package.trim()).collect();
    packages.sort_unstable();
    packages.dedup();
    assert_eq!(PACKAGES, packages);
}
