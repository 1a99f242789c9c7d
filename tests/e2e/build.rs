//! What a build that goes well does and leaves.

use std::process::Command;

use crate::support::{Project, tool, tree};

const EVERYTHING: &str = r#"
variables:
  greeting: hello
  token: { env: TOKEN, required: true, sensitive: true }
strategy:
  fail-fast: false
  matrix:
    flavour: [plain, sweet]
env: { FLAVOUR: "${{ matrix.flavour }}" }
steps:
  - name: First
    run: |
      echo "run $FLAVOUR ${{ vars.greeting }}" >> /etc/order
      printf '%s' "$TOKEN" | sha256sum > /etc/token.sha256
      echo "the token is $TOKEN"
      echo "the console hears $TOKEN" > /dev/console
    env: { TOKEN: "${{ vars.token }}" }
  - script: scripts/second.sh
    args: [a b, "c'd"]
  - upload: site/
    to: /srv/site
    mode: "0640"
  - if: matrix.flavour == 'sweet'
    run: echo "only sweet" >> /etc/order
  - name: Fails, and may
    run: exit 3
    continue-on-error: true
  - run: cat /proc/sys/kernel/random/boot_id > /etc/boot-before
  - reboot: {}
  - run: |
      ! cmp -s /etc/boot-before /proc/sys/kernel/random/boot_id
      rm /etc/boot-before
      echo "rebooted" >> /etc/order
  - download: /etc/order
    to: kept/${{ matrix.flavour }}
  - local: cat "kept/$FLAVOUR" > "local-$FLAVOUR.txt"
    env: { FLAVOUR: "${{ matrix.flavour }}" }
outputs:
  - qcow2
  - { format: raw, compress: zstd }
  - vmdk
"#;

fn everything() -> Project {
    Project::tiny(EVERYTHING)
        .file("scripts/second.sh", "#!/bin/sh\nset -e\necho \"script $# $1 $2\" >> /etc/order\n")
        .file("site/index.html", "<h1>baked</h1>\n")
        .file("site/deep/page.html", "deep\n")
}

#[test]
fn a_build_runs_its_steps_in_order_and_leaves_images_that_hold_what_they_did() {
    let project = everything();
    let mut command = project.command(&["build", "--events", "events.jsonl"]);
    let ran = project.start(command.env("TOKEN", "correct horse battery")).wait().expect_status(0);
    project.assert_nothing_left();
    assert_eq!(project.read("local-sweet.txt").lines().next(), Some("run sweet hello"));

    for (job, order) in [
        ("plain", "run plain hello\nscript 2 a b c'd\nrebooted\n"),
        ("sweet", "run sweet hello\nscript 2 a b c'd\nonly sweet\nrebooted\n"),
    ] {
        let out = project.path("ovenbird-out").join(job);
        tool(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(&out));
        assert_eq!(in_image(&project, job, "/etc/order"), order);
        assert_eq!(in_image(&project, job, "/srv/site/deep/page.html"), "deep\n");
        let manifest = project.json(&format!("ovenbird-out/{job}/manifest.json"));
        let outcomes: Vec<_> = manifest["steps"].as_array().unwrap().iter().map(|step| &step["outcome"]).collect();
        let sweet = if job == "sweet" { "success" } else { "skipped" };
        assert_eq!(
            outcomes,
            ["success", "success", "success", sweet, "failure", "success", "success", "success", "success", "success"]
        );
        assert_eq!(manifest["accelerator"]["name"], "tcg");
        assert_eq!(manifest["artifacts"].as_array().unwrap().len(), 3);
        assert_eq!(manifest["inspection"]["inspected"], true);
    }
    let images = project.json("ovenbird-out/images.json");
    assert_eq!(images["jobs"].as_array().unwrap().len(), 2);

    // The secret reached the guest, and nothing else.
    let expected = tool(Command::new("sh").args(["-c", "printf '%s' 'correct horse battery' | sha256sum"]));
    assert_eq!(in_image(&project, "plain", "/etc/token.sha256"), expected);
    for file in tree(&project.root()) {
        let bytes = std::fs::read(&file).unwrap();
        let found = bytes.windows(21).any(|window| window == b"correct horse battery");
        assert!(!found, "`{file}` shows the secret");
    }
    assert!(!ran.stdout.contains("correct horse") && !ran.stderr.contains("correct horse"));
    ran.expect_told("the token is ***").expect_told("tiny.qcow2").expect_told("sha256");
}

#[test]
fn steps_of_a_file_get_inputs_and_hand_outputs_to_the_steps_after() {
    let project = Project::tiny(
        r#"
steps:
  - { id: find, run: 'echo "port=80$((40 + 40))" >> "$OVENBIRD_OUTPUT"' }
  - id: part
    name: Part
    if: steps.find.outputs.port == 8080
    uses: ./steps/part.yml
    with: { port: "${{ steps.find.outputs.port }}" }
  - run: echo "$ADDRESS $OS" > /etc/address
    env: { ADDRESS: "${{ steps.part.outputs.address }}", OS: "${{ runner.os }}" }
"#,
    )
    .file(
        "steps/part.yml",
        r#"
inputs: { port: { required: true }, host: { default: localhost } }
steps:
  - id: address
    name: Make it
    run: |
      { echo 'address<<END'; echo "http://${{ inputs.host }}:$PORT/"; echo END; } >> "$OVENBIRD_OUTPUT"
    env: { PORT: "${{ inputs.port }}" }
  - { if: failure(), run: exit 1 }
outputs:
  address: { value: "${{ steps.address.outputs.address }}" }
"#,
    );
    let ran = project.start(&mut project.command(&["build"])).wait().expect_status(0);
    ran.expect_told("step 3: Part / Make it").expect_told("3. Part / Make it");
    assert_eq!(in_image(&project, "qemu", "/etc/address"), "http://localhost:8080/ Linux\n");
}

/// A file of a job's finished image, read offline from the qcow2.
fn in_image(project: &Project, job: &str, path: &str) -> String {
    let qcow2 = project.path("ovenbird-out").join(job).join("tiny.qcow2");
    let raw = project.path(&format!("{job}.raw"));
    if !raw.exists() {
        tool(Command::new("qemu-img").args(["convert", "-O", "raw", qcow2.as_str(), raw.as_str()]));
    }
    let table: serde_json::Value =
        serde_json::from_str(&tool(Command::new("sfdisk").args(["-J", raw.as_str()]))).unwrap();
    let partitions = table["partitiontable"]["partitions"].as_array().unwrap();
    let offset = partitions.last().unwrap()["start"].as_u64().unwrap() * 512;
    tool(Command::new("debugfs").args(["-R", &format!("cat {path}"), &format!("{raw}?offset={offset}")]))
}

#[test]
fn two_builds_of_one_definition_have_the_same_manifest_but_for_times_and_digests() {
    let project = Project::tiny("steps:\n  - run: date > /etc/built\noutputs: [raw, qcow2]\n");
    let manifests = ["one", "two"].map(|out| {
        project.run(&["build", "--out", out]).expect_status(0);
        let mut manifest = project.json(&format!("{out}/qemu/manifest.json"));
        without_times_and_digests(&mut manifest);
        manifest
    });
    assert_eq!(manifests[0], manifests[1]);
    assert_eq!(manifests[0]["artifacts"][0]["file"], "tiny.raw");
}

/// A compressed file's size goes with its digest.
fn without_times_and_digests(value: &mut serde_json::Value) {
    if let Some(map) = value.as_object_mut() {
        for key in ["started", "finished", "seconds", "sha256", "size"] {
            map.remove(key);
        }
        map.values_mut().for_each(without_times_and_digests);
    } else if let Some(items) = value.as_array_mut() {
        items.iter_mut().for_each(without_times_and_digests);
    }
}
