//! Locks on parts of a checkout, which tell a run that waits who has them, since when and for what.

use std::{
    env,
    ffi::OsString,
    fs::File,
    io::Write as _,
    path::Path,
    thread,
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use fs_err as fs;

use crate::run::{
    files,
    printable::{self, Shown as _},
    process::{self, Permit, quoted},
    redact,
    ui::Ui,
};

/// A lock, released when this is dropped.
pub(crate) struct Lock(#[expect(dead_code, reason = "closing the file releases the lock")] File);

/// Waits until no other run has the lock on `part` of the checkout with this `target` folder, like
/// `missions/roman`.
pub(crate) fn take(permit: Permit, target: &Path, part: &str, ui: Ui) -> anyhow::Result<Lock> {
    let path = target.join("locks").join(part);
    let mut file = files::open(permit, &path)?;
    let mut waited = false;
    // Not `lock()`, which a signal would not end.
    while file.try_lock().is_err() {
        if !waited {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            ui.say(format!(
                "waiting for another `cargo xtask`{} to release {part}",
                shown(&holder)
            ));
        }
        waited = true;
        process::check_interrupted()?;
        thread::sleep(Duration::from_millis(50));
    }
    file.set_len(0)
        .and_then(|()| file.write_all(this_run().as_bytes()))
        .with_context(|| format!("cannot write {}", path.shown()))?;
    Ok(Lock(file))
}

/// Returns the text of a lock about its holder: process, time, command.
fn this_run() -> String {
    let since = humantime::format_rfc3339_seconds(SystemTime::now());
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    let command = words.iter().map(|it| quoted(it)).collect::<Vec<_>>().join(" ");
    redact::text(&format!("process {}, since {since}: {command}", std::process::id()))
}

/// Returns the holder's line for a message; '' while it is not written yet.
fn shown(holder: &str) -> String {
    let line = printable::line(holder.lines().next().unwrap_or_default());
    if line.is_empty() { String::new() } else { format!(" ({line})") }
}
