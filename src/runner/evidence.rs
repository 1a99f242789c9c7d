//! What is kept of a job that failed: the machine's own diagnosis, its console and screen, and the guest's journal. Nobody
//! can look at a machine that ran in CI afterwards.
//!
//! It helps, and never fails: what can't be had in time is left out.

use std::time::Duration;

use camino::Utf8Path;

use crate::context::{JobCtx, clean_line};
use crate::event::{Body, Kept, KeptKind};
use crate::guest::{Command, Guest};
use crate::platform::Machine;

/// Names in a job's folder.
pub(super) const CONSOLE: &str = "console.txt";
pub(super) const JOURNAL: &str = "journal.txt";
pub(super) const SCREENSHOT: &str = "screenshot.png";

/// How long a guest may take to tell its journal: an emulated one needs seconds to begin with it.
const JOURNAL_DEADLINE: Duration = Duration::from_secs(10);

/// Bytes of it that are kept, the last ones. The script below cuts too, so that they need not travel.
const JOURNAL_LIMIT: usize = 2 << 20;

/// Prints what the guest wrote down since it booted: systemd's journal, elsewhere the kernel's messages and syslog's files.
const TELL_JOURNAL: &str = r#"{
  if [ -d /run/systemd/system ] && command -v journalctl; then
    journalctl --quiet --no-pager --boot --lines=20000 --output=short-iso >&3
  else
    dmesg >&3
    for log in /var/log/messages /var/log/syslog; do [ -r "$log" ] && tail -n 10000 "$log" >&3; done
  fi
} 3>&1 >/dev/null 2>&1 | tail -c 2097152"#;

/// Keeps what tells of `error`. The machine's diagnosis is told too, unless it is the error itself.
pub(super) async fn keep(ctx: &JobCtx, machine: &mut dyn Machine, guest: Option<&dyn Guest>, error: &anyhow::Error) {
    let evidence = machine.evidence(ctx).await;
    if let Some(diagnosis) = evidence.diagnosis
        && !format!("{error:#}").contains(&diagnosis.message)
    {
        ctx.events.emit(Body::Failure(diagnosis)).await;
    }
    for kept in evidence.files {
        ctx.events.emit(Body::Kept(kept)).await;
    }
    if let Some(guest) = guest
        && keep_journal(ctx, guest).await.is_some()
    {
        tell(ctx, JOURNAL, KeptKind::Journal).await;
    }
}

/// Tells of what is there of a test's machine, in a folder of its own inside the job's.
pub(super) async fn tell_of_test(ctx: &JobCtx, folder: &str) {
    let files = [(CONSOLE, KeptKind::Console), (SCREENSHOT, KeptKind::Screenshot), (JOURNAL, KeptKind::Journal)];
    for (file, kind) in files {
        let file = format!("{folder}/{file}");
        if std::fs::metadata(ctx.out.join(&file)).is_ok_and(|kept| kept.len() > 0) {
            tell(ctx, &file, kind).await;
        }
    }
}

/// Tells of the console of a machine that is off already.
pub(super) async fn keep_console(ctx: &JobCtx) {
    if ctx.out.join(CONSOLE).exists() {
        tell(ctx, CONSOLE, KeptKind::Console).await;
    }
}

async fn tell(ctx: &JobCtx, file: &str, kind: KeptKind) {
    ctx.events.emit(Body::Kept(Kept { file: file.to_owned(), kind })).await;
}

/// Asks the guest for its journal and writes it down; none when it does not tell.
pub(super) async fn keep_journal(ctx: &JobCtx, guest: &dyn Guest) -> Option<()> {
    let command = Command::new(TELL_JOURNAL);
    let told = tokio::time::timeout(JOURNAL_DEADLINE, guest.capture(&command, &ctx.cancel)).await;
    let told = told.ok()?.ok()?.stdout;
    let last = &told[told.len().saturating_sub(JOURNAL_LIMIT)..];
    let text: Vec<String> = last.split(|byte| *byte == b'\n').map(clean_line).collect();
    // As a whole: a sensitive value may have several lines.
    let text = ctx.events.redactor().redact(text.join("\n").trim_end());
    if text.is_empty() {
        return None;
    }
    write(&ctx.out.join(JOURNAL), &text).ok()
}

fn write(path: &Utf8Path, text: &str) -> std::io::Result<()> {
    let lines: String = text.lines().map(|line| format!("{}\n", disarmed(line))).collect();
    std::fs::write(path, lines)
}

/// A line that a CI runner does not obey when someone prints the file. Reports do the same with what they write.
pub(super) fn disarmed(line: &str) -> String {
    let line = line.replace("##[", "## [");
    if line.trim_start().starts_with("::") { format!("| {line}") } else { line }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use camino::Utf8PathBuf;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::context::Events;
    use crate::event::JobId;
    use crate::guest::local::Local;
    use crate::journal::Journal;
    use crate::secret::Secrets;

    fn room() -> (tempfile::TempDir, JobCtx) {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        let mut secrets = Secrets::default();
        secrets.insert("key", "hunter22\nand more");
        let (events, mut bodies) = Events::channel();
        let events = events.hiding(secrets.redactor());
        tokio::spawn(async move { while bodies.recv().await.is_some() {} });
        let journal = Journal::create(&root.join("journal.jsonl"), "r1").unwrap();
        let (out, work, cache) = (root.join("out"), root.join("work"), root.join("cache"));
        for folder in [&out, &work, &cache] {
            std::fs::create_dir(folder).unwrap();
        }
        let cancel = CancellationToken::new();
        (folder, JobCtx { id: JobId("a".to_owned()), out, work, cache, events, journal, cancel })
    }

    /// A journal as a guest tells it that has this program in front of all others.
    async fn told_by(dmesg: &str) -> Option<String> {
        let (_folder, ctx) = room();
        let program = ctx.work.join("dmesg");
        std::fs::write(&program, format!("#!/bin/sh\n{dmesg}\n")).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", ctx.work, std::env::var("PATH").unwrap_or_default());
        let guest = Local::new(&ctx, &ctx.work, vec![("PATH".to_owned(), path)]);
        keep_journal(&ctx, &guest).await?;
        Some(std::fs::read_to_string(ctx.out.join(JOURNAL)).unwrap())
    }

    #[tokio::test]
    async fn a_guests_journal_is_kept_without_secrets_and_without_anything_that_is_obeyed() {
        let said = r"printf 'usb 1-1: new device\n  ::error::x\r::error::y\n##[group]z\n\033[31mred\nkey hunter22\nand more.\n'";
        let journal = told_by(said).await.unwrap();
        assert!(journal.starts_with("usb 1-1: new device\n| "), "{journal}");
        assert!(journal.contains("\nred\nkey ***\n***.\n") && !journal.contains("hunter22"), "{journal}");
        assert!(!journal.contains("##[") && !journal.contains(['\r', '\u{1b}']), "{journal}");
        assert!(journal.lines().all(|line| !line.trim_start().starts_with("::")), "{journal}");
    }

    #[tokio::test]
    async fn of_a_long_journal_the_end_is_kept() {
        let journal = told_by("yes line | head -c 9000000; echo; echo the last").await.unwrap();
        assert!(journal.len() <= JOURNAL_LIMIT + 1 && journal.contains("line\nline\n"), "{}", journal.len());
        assert!(journal.contains("\nthe last\n"));
    }

    #[tokio::test]
    async fn a_guest_that_does_not_answer_costs_seconds_and_nothing_else() {
        let begin = std::time::Instant::now();
        assert_eq!(told_by("sleep 60").await, None);
        assert!(begin.elapsed() < JOURNAL_DEADLINE * 2, "{:?}", begin.elapsed());
    }
}
