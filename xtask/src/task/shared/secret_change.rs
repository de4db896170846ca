//! Changes one encrypted file: on a copy in memory, then whole into the clone, then in a commit of
//! that file alone.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use fs_err as fs;

use crate::{
    run::{
        failure, files,
        memory_folder::MemoryFolder,
        printable::Shown as _,
        process::{self, Change, Permit},
        terminal,
    },
    secrets::changes,
    task::{
        Session,
        secrets::{Place, Target},
        shared::stored_secret::{self, Given},
    },
    tools::{
        git,
        sops::{self, EditResult},
    },
};

/// A copy of a file, for sops to work on.
pub(crate) struct Copy {
    pub(crate) folder: MemoryFolder,
    pub(crate) path: PathBuf,
}

/// Checks that a change could be committed, and reads the file.
///
/// # Errors
/// A change could not be committed; nothing was started.
pub(crate) fn prepare(place: &Place, file: Option<&Path>) -> anyhow::Result<Target> {
    let target = place.target(file)?;
    can_commit(place)?;
    if git::is_changed(&place.dir, &target.name)? {
        let (git, name) = (place.git(), target.name.shown());
        bail!(
            "{} has changes that are not committed; `{git} commit -- {name}` commits them, `{git} restore --staged --worktree -- {name}` drops them",
            target.shown.shown()
        );
    }
    Ok(target)
}

pub(crate) fn can_commit(place: &Place) -> anyhow::Result<()> {
    place.branch()?;
    if !git::has_identity(&place.dir)? {
        let git = place.git();
        bail!(
            "git does not know who you are; `{git} config user.name <name>` and `{git} config user.email <address>` tell it"
        );
    }
    Ok(())
}

impl Copy {
    pub(crate) fn new(target: &Target) -> anyhow::Result<Copy> {
        let folder = MemoryFolder::new()?;
        let name = target.name.file_name().context("a file has a name")?;
        let path = folder.file(&name.to_string_lossy(), &target.text)?;
        Ok(Copy { folder, path })
    }

    /// Returns the file with the editor's text as it was saved.
    pub(crate) fn saved(&self) -> PathBuf {
        saved(self.folder.path())
    }

    /// Checks the copy that sops changed against its input, moves it into the clone and commits it.
    /// Reports the result.
    ///
    /// # Errors
    /// sops stored something else, or the file was changed by another program meanwhile, or cannot
    /// be written or committed.
    pub(crate) fn keep(
        self,
        permit: Permit,
        session: &Session,
        place: &Place,
        target: &Target,
        given: &Given,
    ) -> anyhow::Result<EditResult> {
        let shown = target.shown.shown();
        let text = fs::read_to_string(&self.path)?;
        let new = stored_secret::check(place, target, given, &text)?;
        if text == target.text {
            return Ok(unchanged(session, target));
        }
        if fs::read_to_string(&target.path)? != target.text {
            bail!(
                "{shown} was changed by another program meanwhile, and keeps that change\n    fix: run it again"
            );
        }
        files::write(permit, &target.path, text.as_bytes())
            .with_context(|| format!("{shown} is unchanged"))?;
        let message = changes::message(&target.name, &target.encrypted, &new);
        commit(permit, place, &[&target.name], &message)?;
        session.ui.say(format!("committed: {}", message.trim_end()));
        Ok(EditResult::Changed)
    }
}

/// Reports that nothing was changed.
pub(crate) fn unchanged(session: &Session, target: &Target) -> EditResult {
    session.ui.say(format!("{} has not changed; there is nothing to commit", target.shown.shown()));
    EditResult::Unchanged
}

/// Commits `files`, which are encrypted, and nothing else.
///
/// # Errors
/// git refuses; the written files stay, to be committed or dropped.
pub(crate) fn commit(
    permit: Permit,
    place: &Place,
    files: &[&Path],
    message: &str,
) -> anyhow::Result<()> {
    let names = files.iter().map(|it| it.shown()).collect::<Vec<_>>().join(" ");
    let git = place.git();
    let not_committed = |err: anyhow::Error| {
        match failure::status(&err) {
        130 => err,
        _ => err.context(format!(
            "{names} in {} is changed and not committed; `{git} commit -- {names}` commits it once this is fixed, `{git} restore --staged --worktree -- {names}` drops it",
            place.shown.shown()
        )),
    }
    };
    for cmd in git::commit(&place.dir, files, message) {
        process::read(&cmd.permitted(permit)).map_err(not_committed)?;
    }
    for file in files {
        if git::is_changed(&place.dir, file).map_err(not_committed)? {
            return Err(not_committed(anyhow!("`git commit` committed nothing")));
        }
    }
    Ok(())
}

/// Prints the commands that a dry run would run after `cmd`, sops' command on a copy.
pub(crate) fn print(place: &Place, target: &Target, cmd: &Change) {
    terminal::print(cmd);
    let names: [&Path; 1] = [&target.name];
    git::commit(&place.dir, &names, "<changed keys>").iter().for_each(terminal::print);
}

/// Returns the file of the saved text in a private folder.
pub(crate) fn saved(folder: &Path) -> PathBuf {
    folder.join(".saved")
}

/// Returns the folder and the file of the copy that a dry run names.
pub(crate) fn imagined(target: &Target) -> (PathBuf, PathBuf) {
    let folder = PathBuf::from("<private folder>");
    let file = folder.join(target.name.file_name().unwrap_or_default());
    (folder, file)
}

/// Checks that sops is installed, with memory for its temporary files.
pub(crate) fn require_tools(session: &Session) -> anyhow::Result<()> {
    session.permit.map_or(Ok(()), |_| sops::require())
}
