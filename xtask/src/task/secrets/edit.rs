//! `secrets-edit`: opens a file in sops, and commits it when its content changed.

use std::{env, time::Duration};

use anyhow::{anyhow, bail};
use fs_err as fs;

use crate::{
    run::{failure, printable::Shown as _, process, terminal},
    task::{
        Session, args,
        secrets::{Place, Target},
        shared::{
            secret_change::{self, Copy},
            stored_secret::Given,
        },
    },
    tools::sops::{self, EditResult, Editor},
};

pub(crate) fn run(session: &Session, args: &args::SecretsEdit) -> anyhow::Result<u8> {
    let place = Place::cloned(session, args.of.mission.as_deref()).map_err(failure::request)?;
    let editor = editor().map_err(failure::request)?;
    secret_change::require_tools(session)?;
    let _lock = session.lock_secrets()?;
    let target = secret_change::prepare(&place, args.file.as_deref()).map_err(failure::request)?;
    let config = place.rules_file();
    let Some(permit) = session.permit else {
        let (folder, file) = secret_change::imagined(&target);
        let editor = editor.command(&secret_change::saved(&folder));
        secret_change::print(
            &place,
            &target,
            &sops::edit_cmd(&folder, &file, config.as_deref(), &editor),
        );
        return Ok(0);
    };
    let copy = Copy::new(&target)?;
    let editor = editor.command(&copy.saved());
    let cmd = sops::edit_cmd(copy.folder.path(), &copy.path, config.as_deref(), &editor);
    let edited = sops::edit(permit, &cmd, Duration::from_secs(args.time_limit), target.subject());
    if sops::has_removed(&copy.saved()) {
        let shown = target.shown.shown();
        bail!(
            "the editor removed the file that it was given; {shown} is unchanged\n    fix: run it again, with EDITOR naming an editor that saves the file"
        );
    }
    match edited? {
        EditResult::Changed => {
            let saved = fs::read(copy.saved())?;
            let saved = String::from_utf8(saved).map_err(|_| not_text(&target))?;
            copy.keep(permit, session, &place, &target, &Given::File(saved))?
        }
        EditResult::Unchanged if sops::still_runs(&copy.saved()) => {
            let shown = target.shown.shown();
            bail!(
                "the editor returned, but a program that it started still runs; {shown} is unchanged, and what is saved from now on is lost\n    fix: {WAIT}"
            );
        }
        EditResult::Unchanged => {
            let unchanged = secret_change::unchanged(session, &target);
            session.ui.say(format!("if its window is still open: {WAIT}"));
            unchanged
        }
    };
    Ok(0)
}

/// Fix for an editor that does not wait.
const WAIT: &str = "set EDITOR to a command that waits until the file is closed, as `code --wait` or `gvim --nofork`";

fn not_text(target: &Target) -> anyhow::Error {
    let shown = target.shown.shown();
    anyhow!("the saved file is not UTF-8 text; {shown} is unchanged\n    fix: save it as UTF-8")
}

fn editor() -> anyhow::Result<Editor> {
    let set = |name| env::var(name).ok().filter(|it| !it.trim().is_empty());
    let configured = set("SOPS_EDITOR").or_else(|| set("EDITOR"));
    Editor::new(configured.as_deref(), terminal::has_person(), process::on_path)
}
