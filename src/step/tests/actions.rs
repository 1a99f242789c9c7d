//! Files in both directions, and reboots: what the guest is asked for, and what people are told.

use super::machine::{Bench, Told, step};
use crate::event::{Body, Outcome, Unit};
use crate::plan::job::{Action, Download, Reboot, Upload};

fn upload(from: &str, to: &str) -> Bench {
    let (from, to) = (from.into(), to.to_owned());
    let action = Upload { from, to, owner: Some("www-data".to_owned()), mode: Some(0o640) };
    let bench = Bench::new(vec![step(Action::Upload(action))]);
    std::fs::create_dir(bench.job.root.join("site")).unwrap();
    std::fs::write(bench.job.root.join("site/index.html"), "hello").unwrap();
    bench
}

fn message(told: Told) -> String {
    told.summary.failure.unwrap().message
}

#[tokio::test]
async fn final_slashes_of_an_upload_mean_what_they_mean_to_rsync() {
    for (from, to, path, contents) in [
        ("site/", "/srv/www", "/srv/www", true),
        ("site/", "/srv/www/", "/srv/www", true),
        ("site", "/srv/www", "/srv/www", false),
        ("site", "/srv/www/", "/srv/www/site", false),
        ("site/index.html", "/srv/a.html", "/srv/a.html", false),
        ("site/index.html", "/", "/index.html", false),
        (".", "/srv/", "/srv", true),
    ] {
        let mut bench = upload(from, to);
        let told = bench.run().await;
        assert_eq!(told.summary.outcome, Outcome::Success, "{from} {to}");
        let put = bench.guest.puts.lock().unwrap().remove(0);
        assert_eq!((put.to.as_str(), put.contents), (path, contents), "{from} {to}");
        assert_eq!((put.owner.as_deref(), put.mode), (Some("www-data"), Some(0o640)));
        assert_eq!(put.from.as_str().trim_end_matches('/'), bench.job.root.join(from).canonicalize_utf8().unwrap());
        assert_eq!(told.lines(), [format!("uploaded 2 files, 1.5 KiB, to {path}")]);
        let progress =
            Body::Progress { what: format!("upload {from}"), done: 1536, total: Some(1536), unit: Unit::Bytes };
        assert!(told.events.contains(&progress));
    }
}

#[tokio::test]
async fn an_upload_that_is_not_there_is_named() {
    let failure = upload("nope", "/srv").run().await.summary.failure.unwrap();
    assert_eq!(failure.message, "the file or folder `nope` does not exist");
    // There is no script in which a line could be looked for.
    assert!(failure.place.unwrap().exact);
    assert_eq!(
        message(upload("site/index.html/", "/srv").run().await),
        "failed to read the file or folder `site/index.html/`: Not a directory (os error 20)"
    );
}

#[tokio::test]
async fn an_upload_never_leaves_the_folder_of_the_definition() {
    let mut bench = upload("out", "/srv");
    std::os::unix::fs::symlink("/etc", bench.job.root.join("out")).unwrap();
    assert_eq!(message(bench.run().await), "`out` leads out of the folder of the definition, to `/etc`");
    assert!(bench.guest.puts.lock().unwrap().is_empty());
}

fn download(from: &str, to: &str) -> Bench {
    Bench::new(vec![step(Action::Download(Download { from: from.to_owned(), to: to.into() }))])
}

#[tokio::test]
async fn a_download_goes_where_its_slashes_say_and_makes_the_folders_on_the_way() {
    for (from, to, guest, here) in [
        ("/var/log/x", "logs/x.txt", "/var/log/x", "logs/x.txt"),
        ("/var/log/x", "logs/deep/", "/var/log/x", "logs/deep/x"),
        ("/var/log/installer/", "logs/", "/var/log/installer", "logs"),
        ("/var/log/installer", "logs", "/var/log/installer", "logs"),
    ] {
        let mut bench = download(from, to);
        let told = bench.run().await;
        let get = bench.guest.gets.lock().unwrap().remove(0);
        assert_eq!((get.from.as_str(), &get.to), (guest, &bench.job.root.join(here)), "{from} {to}");
        assert!(get.to.parent().unwrap().is_dir());
        assert_eq!(told.lines(), [format!("downloaded 1 file, 7 B, to {to}")]);
    }
}

#[tokio::test]
async fn a_download_never_leaves_the_folder_of_the_definition() {
    for to in ["../x", "/tmp/x", "link/x", "link", "dangling", "dangling/x"] {
        let mut bench = download("/x", to);
        std::os::unix::fs::symlink("/tmp", bench.job.root.join("link")).unwrap();
        std::os::unix::fs::symlink("/nowhere/x", bench.job.root.join("dangling")).unwrap();
        assert_eq!(message(bench.run().await), format!("`{to}` leads out of the folder of the definition"));
        assert!(bench.guest.gets.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_guest_that_does_not_come_back_fails_the_step() {
    let told = Bench::new(vec![step(Action::Reboot(Reboot { timeout: 60 }))]).run().await;
    assert!(told.lines()[0].starts_with("the guest is back after 0."));
    let told = Bench::new(vec![step(Action::Reboot(Reboot { timeout: 0 }))]).run().await;
    assert_eq!(message(told), "failed to reboot the guest: the guest did not come back within 0 s");
}
