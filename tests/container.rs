//! The container image, in a Docker engine of the tests' own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::docker::{Docker, Target};

#[test]
fn the_image_has_the_entry_point_and_the_gitlab_tag_has_none() {
    let docker = Docker::start();
    let inspect = |image: &str| -> serde_json::Value {
        serde_json::from_str(&docker.run(&["image", "inspect", "--format", "{{json .Config}}", image])).unwrap()
    };
    let action = inspect(&docker.image(Target::Action));
    assert_eq!(action["Entrypoint"], serde_json::json!(["/usr/local/bin/ovenbird"]));
    let ci = inspect(&docker.image(Target::Ci));
    assert_eq!(ci["Entrypoint"], serde_json::Value::Null);
}
