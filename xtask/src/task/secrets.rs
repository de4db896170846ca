//! The mission's secrets repository, cloned to `secrets/<mission>/`, as the start of all tasks
//! about it.

pub(crate) mod clone;
pub(crate) mod init;
pub(crate) mod edit;
pub(crate) mod set;
pub(crate) mod cat;
pub(crate) mod diff;
pub(crate) mod status;
pub(crate) mod push;

use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, bail};
use fs_err as fs;

use crate::{
    run::{printable::Shown as _, redact::redact, terminal},
    secrets::{encrypted::EncryptedFile, rules},
    settings::config::Config,
    task::{MissionConfig, Session, args::Missions},
    tools::{
        aws,
        git::{self, Access},
        sops::Subject,
    },
};

/// A mission's secrets repository, whether it is cloned or not.
pub(crate) struct Place {
    pub(crate) config: Config,
    /// Absolute path.
    pub(crate) dir: PathBuf,
    /// Path for people: `secrets/<mission>`.
    pub(crate) shown: PathBuf,
}

/// A file of the clone.
pub(crate) struct Target {
    /// Path relative to the clone.
    pub(crate) name: PathBuf,
    /// Path for people.
    pub(crate) shown: PathBuf,
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) encrypted: EncryptedFile,
}

impl Place {
    /// Returns the place of `mission` or, without one, of `DEPLOYMENT_NAME`.
    pub(crate) fn new(session: &Session, mission: Option<&str>) -> anyhow::Result<Place> {
        let missions = mission.iter().map(|&it| it.to_owned()).collect();
        let mut named = session.named(&Missions { missions, ..Missions::default() })?;
        let MissionConfig { mission, config } = named.pop().context("a task is about a mission")?;
        let shown = Path::new("secrets").join(&mission.name);
        Ok(Place { config, dir: session.checkout.root.join(&shown), shown })
    }

    /// Returns the place like [`Place::new`], for tasks that need the clone. Every later command
    /// runs in a folder that is known to be the top of a repository of its own.
    pub(crate) fn cloned(session: &Session, mission: Option<&str>) -> anyhow::Result<Place> {
        let place = Place::new(session, mission)?;
        let shown = place.shown.shown();
        if !place.dir.exists() {
            bail!("missing {shown}; `cargo xtask secrets-clone` makes it");
        }
        place.check_top()?;
        if let (Some(wanted), Some(origin)) = (&place.config.secrets_repo, git::origin(&place.dir)?)
            && !is_same_repository(&session.checkout.root, wanted, &origin)
        {
            bail!(
                "{shown} is a clone of {}, and SECRETS_REPO is {}; correct the setting, or move {shown} away and run `cargo xtask secrets-clone`",
                redact(&origin),
                redact(wanted)
            );
        }
        Ok(place)
    }

    fn check_top(&self) -> anyhow::Result<()> {
        let top = git::top(&self.dir)?.map(fs::canonicalize).transpose()?;
        if top != Some(fs::canonicalize(&self.dir)?) {
            bail!(
                "{} is not a git repository of its own; move it away and run `cargo xtask secrets-clone`",
                self.shown.shown()
            );
        }
        Ok(())
    }

    /// Returns `git -C secrets/<mission>`, for messages.
    pub(crate) fn git(&self) -> String {
        format!("git -C {}", self.shown.shown())
    }

    /// Returns the file's name in the clone: `given`, or that of the environment.
    pub(crate) fn name(&self, given: Option<&Path>) -> anyhow::Result<PathBuf> {
        let Some(given) = given else {
            return Ok(PathBuf::from(format!("{}.yaml", self.config.environment)));
        };
        let given = given.strip_prefix(&self.shown).unwrap_or(given);
        let is_inside = given.components().all(|it| matches!(it, Component::Normal(_)));
        if !is_inside || given.as_os_str().is_empty() {
            bail!("{}: give the file's name in {}", given.shown(), self.shown.shown());
        }
        Ok(given.to_owned())
    }

    /// Reads an encrypted file of the clone.
    pub(crate) fn target(&self, given: Option<&Path>) -> anyhow::Result<Target> {
        let name = self.name(given)?;
        let path = self.dir.join(&name);
        let shown = self.shown.join(&name);
        self.check_links(&name)?;
        if !path.is_file() {
            bail!("missing {}; {}", shown.shown(), self.what_there_is()?);
        }
        let text = fs::read_to_string(&path)?;
        let encrypted = self.parse(&shown, &text)?;
        Ok(Target { name, shown, path, text, encrypted })
    }

    /// Reads an encrypted file as it was in a commit of the clone.
    pub(crate) fn target_at(&self, name: &Path, commit: &str) -> anyhow::Result<Target> {
        let (path, shown) = (self.dir.join(name), self.shown.join(name));
        if git::revision(&self.dir, commit)?.is_none() {
            bail!("{} lacks commit {commit}; `{} fetch` gets it", self.shown.shown(), self.git());
        }
        let bytes = git::file(&self.dir, commit, name)?.with_context(|| {
            format!("commit {commit} of {} has no {}", self.shown.shown(), name.shown())
        })?;
        let text = String::from_utf8(bytes)
            .ok()
            .with_context(|| format!("{} is not UTF-8", shown.shown()))?;
        let encrypted = self.parse(&shown, &text)?;
        Ok(Target { name: name.to_owned(), shown, path, text, encrypted })
    }

    /// Refuses a file that is a link, or is below one: it would be another file, outside of the
    /// clone.
    ///
    /// # Errors
    /// A part of its path is a link.
    pub(crate) fn check_links(&self, name: &Path) -> anyhow::Result<()> {
        let mut parts: Vec<&Path> = name.ancestors().filter(|it| *it != Path::new("")).collect();
        parts.reverse();
        if let Some(link) = parts.into_iter().find(|it| self.dir.join(it).is_symlink()) {
            bail!(
                "{} is a link; give the file in {} itself, or replace the link by it",
                self.shown.join(link).shown(),
                self.shown.shown()
            );
        }
        Ok(())
    }

    fn parse(&self, shown: &Path, text: &str) -> anyhow::Result<EncryptedFile> {
        let name = shown.file_name().unwrap_or_default().to_string_lossy();
        let git = self.git();
        let restore = format!("`{git} restore -- {name}` takes back the last version");
        if text.trim().is_empty() {
            bail!("{} is empty; {restore}", shown.shown());
        }
        let encrypted = EncryptedFile::parse(text).with_context(|| {
            let encrypt = format!("`sops encrypt --in-place {name}` in its folder encrypts it");
            format!("{} is damaged or not encrypted; {restore}, {encrypt}", shown.shown())
        })?;
        if let [key, ..] = encrypted.plain.as_slice() {
            bail!("{} is damaged: {key} is in plain text; {restore}", shown.shown());
        }
        Ok(encrypted)
    }

    /// Returns the list of existing files for the error about a missing one.
    fn what_there_is(&self) -> anyhow::Result<String> {
        let mut names: Vec<String> = fs::read_dir(&self.dir)?
            .filter_map(|it| it.ok()?.file_name().into_string().ok())
            .filter(|it| !it.starts_with('.') && it.ends_with(".yaml"))
            .collect();
        names.sort();
        Ok(match names.as_slice() {
            [] => "`cargo xtask secrets-init` makes it".to_owned(),
            _ => format!(
                "there is {}; `cargo xtask secrets-init` makes it for another ENVIRONMENT",
                names.join(", ")
            ),
        })
    }

    /// Returns the clone's `.sops.yaml`, if it exists.
    pub(crate) fn rules_file(&self) -> Option<PathBuf> {
        Some(self.dir.join(rules::FILE)).filter(|it| it.is_file())
    }

    /// Returns the branch that is checked out.
    ///
    /// # Errors
    /// HEAD is detached, where a commit would be lost, or a merge is in progress.
    pub(crate) fn branch(&self) -> anyhow::Result<String> {
        let git = self.git();
        if git::revision(&self.dir, "MERGE_HEAD")?.is_some() {
            bail!("a merge is under way in {}; `{git} merge --abort` ends it", self.shown.shown());
        }
        git::branch(&self.dir)?.with_context(|| {
            format!(
                "no branch is checked out in {} (detached HEAD); `{git} switch <branch>` does it, and `{git} branch --all` lists them",
                self.shown.shown()
            )
        })
    }

    /// Returns how to authenticate at the remote; a dry run asks nobody.
    pub(crate) fn access(&self, session: &Session) -> anyhow::Result<Access> {
        let Some(role) = &self.config.secrets_role else { return Ok(Access::Own) };
        let Some(permit) = session.permit else {
            terminal::print(aws::assume_role(&session.checkout.root, role));
            return Ok(Access::Role(None));
        };
        Ok(Access::Role(Some(aws::credentials(permit, &session.checkout.root, role)?)))
    }
}

impl Target {
    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject { file: &self.shown, recipients: &self.encrypted.recipients }
    }
}

/// Compares two URLs; git makes a path absolute when it clones from it.
fn is_same_repository(root: &Path, wanted: &str, origin: &str) -> bool {
    let folder = |it: &str| fs::canonicalize(root.join(it)).ok();
    wanted == origin || folder(wanted).is_some_and(|it| Some(it) == folder(origin))
}

/// Returns a count like `1 commit`, `2 commits`.
pub(crate) fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
