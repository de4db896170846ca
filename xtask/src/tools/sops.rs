//! sops' command line, its statuses, and a fix for each. Messages of sops may quote its input, so
//! they are inspected and not repeated. Measured with 3.11; the statuses:
//! <https://github.com/getsops/sops/blob/main/cmd/sops/codes/codes.go>

mod editor;
pub(crate) mod key;
pub(crate) mod recipients;

use std::{env, ffi::OsStr, ops::ControlFlow, path::Path, time::Duration};

use anyhow::{anyhow, bail};

use crate::{
    run::{
        failure::{self, Failure},
        printable::Shown as _,
        process::{self, Change, Cmd, Output, Patience, Permit, ProcessEnd, cmd, query},
        terminal,
    },
    tools::sops::{key::Key, recipients::Recipients},
};

pub(crate) use editor::{Editor, has_removed, still_runs};

/// The file of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// Path as people write it.
    pub(crate) file: &'a Path,
    pub(crate) recipients: &'a Recipients,
}

impl Subject<'_> {
    /// Returns the git command for the file's folder.
    fn git(&self) -> String {
        let dir = self.file.parent().unwrap_or(Path::new("."));
        format!("git -C {}", dir.shown())
    }
}

/// Result of a successful edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EditResult {
    Changed,
    Unchanged,
}

/// Adds the settings of every call: its temporary folder in memory, and no network check for
/// updates.
fn prepared<E>(cmd: Cmd<E>, tmp: &Path) -> Cmd<E> {
    let cmd = cmd.env("TMPDIR", &tmp.to_string_lossy()).env("SOPS_DISABLE_VERSION_CHECK", "1");
    cmd.patience(Patience::Change).asks().finding("secrets")
}

/// Adds the `.sops.yaml` of the clone, which may ask for a layout; the copy is elsewhere.
fn configured(cmd: Change, config: Option<&Path>) -> Change {
    match config {
        Some(it) => cmd.env("SOPS_CONFIG", &it.to_string_lossy()),
        None => cmd,
    }
}

/// Returns the command that opens `file` in the folder `tmp` with an [`Editor`].
pub(crate) fn edit_cmd(tmp: &Path, file: &Path, config: Option<&Path>, editor: &str) -> Change {
    let cmd = prepared(cmd!(tmp, "sops edit {file}"), tmp).env("SOPS_EDITOR", editor);
    configured(cmd, config)
}

/// Returns the command that sets `index` (see [`Key::index`]) in `file`, in the folder `tmp`, to
/// the JSON text `value`, which goes through a pipe. A list cannot be set, but its items can, each
/// at `<index>[n]`.
pub(crate) fn set_cmd(
    tmp: &Path,
    file: &Path,
    config: Option<&Path>,
    index: &str,
    value: String,
) -> Change {
    let cmd = cmd!(tmp, "sops set --idempotent --value-stdin {file} {index}");
    configured(prepared(cmd, tmp), config).stdin(value)
}

/// Returns the command that removes the value at `index`.
pub(crate) fn unset_cmd(tmp: &Path, file: &Path, config: Option<&Path>, index: &str) -> Change {
    configured(prepared(cmd!(tmp, "sops unset {file} {index}"), tmp), config)
}

/// Returns the command that encrypts `text` as the file `name` of the folder `dir`, for the
/// recipients in its `.sops.yaml`.
pub(crate) fn encrypt_cmd(dir: &Path, tmp: &Path, name: &Path, text: String) -> Cmd {
    let kind = kind(name);
    let cmd = query!(
        dir,
        "sops encrypt --filename-override {name} --input-type {kind} --output-type {kind}"
    );
    prepared(cmd, tmp).stdin(text)
}

/// Returns the command that decrypts `text`, the content of a file `name`: one value of it, or all.
fn decrypt_cmd(dir: &Path, name: &Path, key: Option<&Key>, as_json: bool, text: String) -> Cmd {
    let input = kind(name);
    let output = if as_json { "json" } else { input };
    let cmd = query!(dir, "sops decrypt --input-type {input} --output-type {output}");
    let cmd = cmd.env("SOPS_DISABLE_VERSION_CHECK", "1").stdin(text);
    let cmd = cmd.patience(Patience::Change).asks().finding("secrets");
    match key {
        Some(key) => cmd.args(["--extract".to_owned(), key.index()]),
        None => cmd,
    }
}

/// Returns sops' name for the format of a file name.
fn kind(name: &Path) -> &'static str {
    match name.extension().and_then(OsStr::to_str) {
        Some("yaml" | "yml") => "yaml",
        Some("json") => "json",
        Some("env") => "dotenv",
        Some("ini") => "ini",
        _ => "binary",
    }
}

/// Runs the editor on the file of `cmd`: for a person at the terminal, or unattended for at most
/// `limit`.
///
/// # Errors
/// sops is not installed, no key opens the file, the editor failed, or the saved text is not valid
/// YAML.
pub(crate) fn edit(
    permit: Permit,
    cmd: &Change,
    limit: Duration,
    about: Subject<'_>,
) -> anyhow::Result<EditResult> {
    let cmd = &cmd.permitted(permit);
    let mut said = String::new();
    let status = if terminal::has_person() {
        process::attached(cmd)?
    } else {
        let ended = process::unattended(cmd, limit, &mut |line| {
            said = format!("{}\n{line}", process::last_lines(&said, 50));
            // sops then asks for a key press, for ever.
            let is_loop = line.contains("Press a key to return to the editor");
            if is_loop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        match ended {
            ProcessEnd::Status(status) => status,
            ProcessEnd::Stopped => bail!(
                "the saved file is not valid {}{}; {} is unchanged\n    fix: correct what the editor writes",
                kind(about.file),
                yaml_line(&said),
                about.file.shown()
            ),
            ProcessEnd::TimedOut => bail!(
                "the editor did not end within {} s; {} is unchanged\n    fix: give it more by --time-limit, or an EDITOR that asks nobody",
                limit.as_secs(),
                about.file.shown()
            ),
        }
    };
    match status {
        0 => Ok(EditResult::Changed),
        200 => Ok(EditResult::Unchanged),
        status => Err(failure(status, &said, about)),
    }
}

/// Returns `, line 3` from sops' message about invalid YAML.
fn yaml_line(said: &str) -> String {
    let digits = |it: &str| it.chars().take_while(char::is_ascii_digit).collect::<String>();
    let line = said.rsplit_once("yaml: line ").map(|(_, rest)| digits(rest));
    line.map_or_else(String::new, |it| format!(" (line {it})"))
}

/// Runs `cmd` and returns its standard output.
pub(crate) fn answer(cmd: &Cmd, about: Subject<'_>) -> anyhow::Result<String> {
    let Output { status, stdout, stderr } = process::output(cmd)?;
    if status == 0 { Ok(stdout) } else { Err(failure(status, &stderr, about)) }
}

/// Decrypts `text`, the content of `about.file`, or one value of it.
pub(crate) fn decrypt(
    dir: &Path,
    about: Subject<'_>,
    key: Option<&Key>,
    as_json: bool,
    text: String,
) -> anyhow::Result<String> {
    answer(&decrypt_cmd(dir, about.file, key, as_json, text), about)
}

/// Returns the error for a status of sops, with a fix.
pub(crate) fn failure(status: u8, said: &str, about: Subject<'_>) -> anyhow::Error {
    let file = about.file.shown();
    let git = about.git();
    let name = about.file.file_name().unwrap_or_default().to_string_lossy();
    let says = |part: &str| said.contains(part);
    let wrong = |text: String| anyhow::Error::from(Failure::Request(text));
    match status {
        130 => Failure::Interrupted.into(),
        129..=159 => anyhow!(
            "sops was ended by signal {}; {file} is unchanged\n    fix: run it again",
            status - 128
        ),
        201 => editor_failure(said, about),
        128 => no_key(said, about),
        25 | 51 => wrong(format!(
            "{file} is damaged: {}\n    fix: take the last version that was whole: `{git} log -- {name}`, then `{git} restore --source=<commit> -- {name}`",
            if status == 51 {
                "its values do not fit its checksum (MAC)"
            } else {
                "a value was changed by hand"
            }
        )),
        203 => wrong(format!("{file} is encrypted already; edit it by `cargo xtask secrets-edit`")),
        100 => wrong(format!("missing {file}; `cargo xtask secrets-init` makes it")),
        1 if says("metadata not found") => wrong(format!(
            "{file} is not encrypted\n    fix: run `sops encrypt --in-place` on it, in its folder"
        )),
        1 if says("no matching creation rules") => wrong(format!(
            "no rule of .sops.yaml is about {file}\n    fix: correct its path_regex, as docs/secrets.md shows"
        )),
        _ if says("no space left") => anyhow!(
            "no space left for the temporary files of sops; {file} is unchanged\n    fix: make room in /dev/shm"
        ),
        2 | 92 => wrong(format!(
            "{file} is damaged: not as sops writes it\n    fix: take the last version that was whole: `{git} restore -- {name}`"
        )),
        _ => anyhow!(
            "sops failed with status {status}; {file} is unchanged\n    fix: run `sops decrypt` on it in its folder, which says why"
        ),
    }
}

fn editor_failure(said: &str, about: Subject<'_>) -> anyhow::Error {
    let missing = ["exit status 127", "exit status 126", "no such file", "not found"];
    let what = match missing.iter().any(|it| said.contains(it)) {
        true => "EDITOR names no program that can be run",
        false => "the editor failed",
    };
    anyhow!(
        "{what}; {} is unchanged\n    fix: run it again, with EDITOR naming an editor that works",
        about.file.shown()
    )
}

/// Returns the error that no key of this person opens the file. The message of a key service is
/// repeated: it contains no values.
fn no_key(said: &str, about: Subject<'_>) -> anyhow::Error {
    let Subject { file, recipients } = about;
    let mut text = format!("you have no key that opens {}", file.shown());
    let mut fixes = Vec::new();
    if !recipients.age.is_empty() {
        text += &format!("\n    recipients: {}", recipients.age.join(", "));
        let set = |name: &str| env::var_os(name).is_some_and(|it| !it.is_empty());
        fixes.push(if set("SOPS_AGE_KEY_FILE") && said.contains("no such file") {
            "correct SOPS_AGE_KEY_FILE, which names a file that is not there".to_owned()
        } else if said.contains("failed to parse") {
            "put a valid age key into SOPS_AGE_KEY or its file".to_owned()
        } else {
            "put your age key into ~/.config/sops/age/keys.txt or name its file in SOPS_AGE_KEY_FILE; if it is another one, ask somebody who can read the file to add your public key (docs/secrets.md)".to_owned()
        });
    }
    if !recipients.kms.is_empty() {
        text += &format!(
            "\n    recipients: {}\n    AWS says: {}",
            recipients.kms.join(", "),
            reason(said)
        );
        fixes.push("log in to AWS as someone who may use that key (`aws sts get-caller-identity` prints your identity)".to_owned());
    }
    if !recipients.others.is_empty() {
        text += &format!("\n    recipients: {}", recipients.others.join(", "));
    }
    if fixes.is_empty() {
        fixes.push("ask somebody who can read the file to add you (docs/secrets.md)".to_owned());
    }
    anyhow!("{text}\n    fix: {}", fixes.join(", or "))
}

/// Returns the text that sops prints after bars below the name of an AWS key, without line breaks.
fn reason(said: &str) -> String {
    let below = said.lines().skip_while(|it| !it.trim_start().starts_with("arn:aws"));
    let bars =
        below.skip(1).map_while(|it| it.trim_start().trim_start_matches("- ").strip_prefix("| "));
    let text = bars.map(str::trim).collect::<Vec<_>>().join(" ");
    if text.is_empty() { "nothing".to_owned() } else { text }
}

/// Checks that sops is installed.
pub(crate) fn require() -> anyhow::Result<()> {
    if process::on_path("sops") {
        return Ok(());
    }
    Err(failure::machine("secrets", "`sops` is not on PATH"))
}

#[cfg(test)]
mod tests;
