//! `secrets-status`: the clone, the remote, the recipients of the files, and whether this user can
//! read them.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use fs_err as fs;
use serde::Serialize;

use crate::{
    run::{failure, printable::Shown as _, redact::redact, terminal},
    secrets::{encrypted, rules::Rules},
    task::{Session, args, secrets::Place},
    tools::{
        git,
        sops::{self, recipients::Recipients},
    },
};

/// Output of the task.
#[derive(Debug, Serialize)]
struct Status {
    clone: PathBuf,
    cloned: bool,
    /// `None` when no branch is checked out.
    branch: Option<String>,
    /// Commits to push; `None` without a commit.
    ahead: Option<usize>,
    /// Commits to pull; `None` when the remote could not be reached.
    behind: Option<usize>,
    /// Reason why the remote could not be reached.
    unreachable: Option<String>,
    files: Vec<FileStatus>,
}

#[derive(Debug, Serialize)]
struct FileStatus {
    file: PathBuf,
    encrypted: bool,
    recipients: Recipients,
    /// Whether the recipients match `.sops.yaml`.
    as_in_rules: bool,
    /// Whether this user has a key for the file.
    readable: bool,
    /// Reason why the file cannot be read.
    unreadable: Option<String>,
}

pub(crate) fn run(session: &Session, of: &args::SecretsOf) -> anyhow::Result<u8> {
    let mission = of.mission.as_deref();
    let place = Place::new(session, mission).map_err(failure::request)?;
    let status = if place.dir.exists() {
        let place = Place::cloned(session, mission).map_err(failure::request)?;
        sops::require()?;
        read(session, &place)?
    } else {
        Status::absent(&place)
    };
    if session.flags.json {
        terminal::json(&status)?;
    } else {
        terminal::print(text(&status));
    }
    Ok(0)
}

impl Status {
    fn absent(place: &Place) -> Status {
        Status {
            clone: place.shown.clone(),
            cloned: false,
            branch: None,
            ahead: None,
            behind: None,
            unreachable: None,
            files: Vec::new(),
        }
    }
}

fn read(session: &Session, place: &Place) -> anyhow::Result<Status> {
    let unreachable = unless_ended(fetch(session, place))?;
    let branch = git::branch(&place.dir)?;
    let upstream = branch.as_ref().map(|it| format!("refs/remotes/origin/{it}"));
    let upstream = upstream.map(|it| git::revision(&place.dir, &it)).transpose()?.flatten();
    let head = git::revision(&place.dir, "HEAD")?;
    Ok(Status {
        clone: place.shown.clone(),
        cloned: true,
        ahead: head
            .as_ref()
            .map(|it| git::outgoing(&place.dir, it).map(|it| it.len()))
            .transpose()?,
        behind: match (&unreachable, &head, &upstream) {
            (Some(_), ..) => None,
            (None, _, None) => Some(0),
            (None, head, Some(upstream)) => {
                Some(git::commits_since(&place.dir, head.as_deref(), upstream)?.len())
            }
        },
        unreachable: unreachable.map(|err| format!("{err:#}")),
        files: files(place)?,
        branch,
    })
}

fn fetch(session: &Session, place: &Place) -> anyhow::Result<()> {
    let url = git::origin(&place.dir)?.context("missing remote `origin`")?;
    let fetch = git::fetch(&place.dir, &url, &place.access(session)?);
    match session.permit {
        Some(permit) => git::remote(permit, &fetch),
        None => bail!("skipped in a dry run: `{}`", redact(&fetch.to_string())),
    }
}

/// Returns the failure as a part of the output, unless it is a missing tool or an interruption.
fn unless_ended<T>(res: anyhow::Result<T>) -> anyhow::Result<Option<anyhow::Error>> {
    match res {
        Err(err) if [3, 130].contains(&failure::status(&err)) => Err(err),
        res => Ok(res.err()),
    }
}

/// Returns the files that a rule covers, and those that are encrypted.
fn files(place: &Place) -> anyhow::Result<Vec<FileStatus>> {
    let rules = match place.rules_file() {
        Some(path) => Rules::parse(&fs::read_to_string(path)?)?,
        None => Rules::default(),
    };
    let mut res = Vec::new();
    let names = git::files(&place.dir)?;
    for name in names {
        let bytes =
            place.check_links(&name).ok().and_then(|()| fs::read(place.dir.join(&name)).ok());
        let text = bytes.and_then(|it| String::from_utf8(it).ok());
        let text = text.unwrap_or_default();
        let is_encrypted = encrypted::is_encrypted(&name, &text);
        let wanted = rules.recipients(&name);
        if is_encrypted || wanted.is_some() {
            res.push(file(place, &name, text, is_encrypted, wanted)?);
        }
    }
    Ok(res)
}

fn file(
    place: &Place,
    name: &Path,
    text: String,
    is_encrypted: bool,
    wanted: Option<&Recipients>,
) -> anyhow::Result<FileStatus> {
    let recipients = encrypted::recipients(&text);
    let shown = place.shown.join(name);
    let about = sops::Subject { file: &shown, recipients: &recipients };
    let unreadable = match is_encrypted {
        true => unless_ended(sops::decrypt(&place.dir, about, None, false, text))?,
        false => Some(anyhow!("not encrypted")),
    };
    Ok(FileStatus {
        file: name.to_owned(),
        encrypted: is_encrypted,
        as_in_rules: wanted == Some(&recipients),
        readable: unreadable.is_none(),
        unreadable: unreadable.map(|err| format!("{err:#}")),
        recipients,
    })
}

fn text(status: &Status) -> String {
    let clone = status.clone.shown();
    if !status.cloned {
        return format!("{clone}: not cloned; `cargo xtask secrets-clone` does it\n");
    }
    let branch = status.branch.as_deref().unwrap_or("no branch (detached HEAD)");
    let mut res = format!("{clone}: {branch}");
    res += &match (status.ahead, status.behind) {
        (None, _) => ", no commit yet".to_owned(),
        (Some(0), Some(0)) => ", as the remote".to_owned(),
        (Some(ahead), Some(behind)) => format!(", {ahead} ahead, {behind} behind"),
        (Some(ahead), None) => format!(", {ahead} ahead; the remote cannot be reached"),
    };
    res += "\n";
    if status.behind.is_some_and(|it| it > 0) && status.ahead == Some(0) {
        res += &format!("    `git -C {clone} pull --ff-only` takes what is new\n");
    }
    for it in &status.files {
        res += &format!(
            "{}: {}\n",
            it.file.shown(),
            if it.readable { "you can read it" } else { "you cannot read it" }
        );
        res += &it.recipients.all().map(|it| format!("    for {it}\n")).collect::<String>();
        if !it.encrypted {
            res += "    NOT encrypted\n";
        } else if !it.as_in_rules {
            res += "    .sops.yaml names others; `sops updatekeys` on it in its folder takes them over\n";
        }
    }
    if status.files.is_empty() {
        res += "no secrets file yet; `cargo xtask secrets-init` makes one\n";
    }
    res
}
