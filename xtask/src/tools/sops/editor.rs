//! The editor that sops opens: without this person's keys in its environment, and without leaving
//! copies behind.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

use anyhow::bail;

/// The editor's command line, as a shell would split it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Editor(String);

/// Editors that need a person.
const INTERACTIVE: &[&str] = &[
    "ed",
    "emacs",
    "emacsclient",
    "helix",
    "hx",
    "joe",
    "kak",
    "mcedit",
    "micro",
    "nano",
    "ne",
    "neovim",
    "nvim",
    "pico",
    "vi",
    "view",
    "vim",
];

/// Editors that sops tries by itself, in its order.
const DEFAULTS: &[&str] = &["vim", "nano", "vi"];

/// Variables that only sops needs; the editor is its child.
const NOT_FOR_EDITORS: &[&str] =
    &["SOPS_AGE_KEY", "SOPS_AGE_KEY_CMD", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// Flags for vim, which keeps edited and deleted text in several files of the home directory.
const VIM: &str = "-n -i NONE -c 'set noundofile nobackup nowritebackup'";

/// Editors with a window, which return before the window is closed, and the flags that make them
/// wait.
const WINDOWS: &[(&[&str], &[&str])] = &[
    (
        &["atom", "code", "code-insiders", "codium", "cursor", "gedit", "mate", "subl", "zed"],
        &["--wait", "-w"],
    ),
    (&["gvim", "mvim"], &["--nofork", "-f"]),
    (&["kate"], &["--block", "-b"]),
];

/// Runs the editor, and copies the edited file, or marks that it was removed. An interruption is
/// left to the editor. Programs that the editor started and that still run are recognised by an
/// inherited variable.
const KEEP: &str = r#"trap : INT; XTASK_SAVED=$0 "$@" || exit; for last; do :; done; [ -e "$last" ] || : > "$0.removed"; cp -- "$last" "$0" || exit; if grep -qsF "XTASK_SAVED=$0" /proc/[0-9]*/environ; then : > "$0.running"; fi"#;

impl Editor {
    /// Chooses the editor; `configured` is the value of `SOPS_EDITOR` or `EDITOR`.
    pub(crate) fn new(
        configured: Option<&str>,
        attended: bool,
        on_path: impl Fn(&str) -> bool,
    ) -> anyhow::Result<Editor> {
        let default = || DEFAULTS.iter().copied().find(|it| attended && on_path(it));
        let Some(text) = configured.or_else(default) else {
            bail!(
                "no editor found: set EDITOR to one{}",
                if attended {
                    ""
                } else {
                    " that is not interactive, since stdin is not a terminal; or use `cargo xtask secrets-set KEY`"
                }
            );
        };
        let Ok(words) = shell_words::split(text) else {
            bail!("EDITOR={text}: a quote is not closed");
        };
        let name = words.first().and_then(|it| it.rsplit('/').next()).unwrap_or_default();
        if !attended && INTERACTIVE.contains(&name) {
            bail!(
                "EDITOR={text} is interactive, and stdin is not a terminal: set EDITOR to a program that edits the file it is given, or use `cargo xtask secrets-set KEY`"
            );
        }
        check_waits(text, name, &words)?;
        let text = match (name, words.first()) {
            ("vim" | "nvim", Some(first)) => {
                format!("{} {VIM} {}", shell_words::quote(first), shell_words::join(&words[1..]))
            }
            _ => text.to_owned(),
        };
        Ok(Editor(text.trim().to_owned()))
    }

    /// Returns the command for `SOPS_EDITOR`, which leaves the saved text in the file `saved`.
    pub(crate) fn command(&self, saved: &Path) -> String {
        let unset = NOT_FOR_EDITORS.iter().map(|it| format!("-u {it} ")).collect::<String>();
        let saved = saved.to_string_lossy();
        format!("env {unset}sh -c '{KEEP}' {} {}", shell_words::quote(&saved), self.0)
    }
}

/// Returns whether a program that the editor started was still running when the editor had ended,
/// for an edit whose text was left in `saved`.
pub(crate) fn still_runs(saved: &Path) -> bool {
    is_marked(saved, ".running")
}

/// Returns whether the editor removed the file, for an edit whose text would be in `saved`.
pub(crate) fn has_removed(saved: &Path) -> bool {
    is_marked(saved, ".removed")
}

fn is_marked(saved: &Path, mark: &str) -> bool {
    let mark = [saved.as_os_str(), OsStr::new(mark)];
    Path::new(&mark.into_iter().collect::<OsString>()).exists()
}

/// Refuses an editor that is known to return before its window is closed.
fn check_waits(text: &str, name: &str, words: &[String]) -> anyhow::Result<()> {
    let known = WINDOWS.iter().find(|(names, _)| names.contains(&name));
    let Some((_, flags)) = known else { return Ok(()) };
    if words.iter().any(|it| flags.contains(&it.as_str())) {
        return Ok(());
    }
    bail!(
        "EDITOR={text} does not wait until the file is closed: set EDITOR to `{text} {}`",
        flags[0]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(configured: Option<&str>, attended: bool) -> String {
        match Editor::new(configured, attended, |it| it != "vim") {
            Ok(it) => it.0,
            Err(err) => format!("error: {err:#}"),
        }
    }

    #[test]
    fn nobody_waits_for_a_person_who_is_not_there() {
        assert!(text(None, false).starts_with("error: no editor found"));
        assert!(text(Some("/usr/bin/vim -u x"), false).contains("is interactive"));
        assert!(text(Some("'"), false).contains("quote"));
        assert_eq!(text(Some("sed -i s/a/b/"), false), "sed -i s/a/b/");
        assert_eq!(text(None, true), "nano");
    }

    #[test]
    fn an_editor_with_a_window_waits() {
        for (names, flags) in WINDOWS {
            for name in *names {
                let refused = text(Some(&format!("/usr/bin/{name} -n")), true);
                let fix = format!("set EDITOR to `/usr/bin/{name} -n {}`", flags[0]);
                assert!(
                    refused.starts_with("error: EDITOR=") && refused.contains(&fix),
                    "{refused}"
                );
                for flag in *flags {
                    let waits = format!("{name} {flag}");
                    assert_eq!(text(Some(&waits), true), waits);
                }
            }
        }
    }

    #[test]
    fn vim_leaves_nothing_behind() {
        assert_eq!(text(Some("nvim"), true), format!("nvim {VIM}"));
        assert_eq!(text(Some("vim -c 'set nu'"), true), format!("vim {VIM} -c 'set nu'"));
    }
}
