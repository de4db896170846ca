//! `secrets-push`: publishes the secrets repository, only fast-forward, and never plain text.

mod outgoing;
mod way_out;

use anyhow::{Context as _, bail};

use crate::{
    run::{
        failure::{self, Failure},
        printable::Shown as _,
        redact::redact,
        terminal,
    },
    task::{
        Session, args,
        secrets::{Place, counted},
    },
    tools::git,
};

pub(crate) fn run(session: &Session, of: &args::SecretsOf) -> anyhow::Result<u8> {
    let place = Place::cloned(session, of.mission.as_deref()).map_err(failure::request)?;
    let _lock = session.lock_secrets()?;
    let url = origin(&place).map_err(failure::request)?;
    // From here on the branch may be switched or moved: this one commit is checked and pushed.
    let branch = place.branch().map_err(failure::request)?;
    let commit = commit(&place, &branch)?;
    outgoing::check(&place, &commit)?;
    let access = place.access(session)?;
    let fetch = git::fetch(&place.dir, &url, &access);
    let push = git::push(&place.dir, &url, (&commit, &branch), &access);
    let Some(permit) = session.permit else {
        terminal::print(redact(&format!("{fetch}\n{push}")));
        return Ok(0);
    };
    git::remote(permit, &fetch)?;
    // Again, since the remote may have lost commits, which this push then publishes, too.
    outgoing::check(&place, &commit)?;
    let Some(ahead) = ahead(&place, &branch, &commit)? else {
        session.ui.say(format!("{} has nothing to push", place.shown.shown()));
        return Ok(0);
    };
    git::remote(permit, &push)?;
    if !git::is_at(&place.dir, &url, (&commit, &branch), &access)? {
        let url = redact(&url);
        bail!(
            "`git push` succeeded, but {url} does not have {commit} as {branch}\n    fix: run it again"
        );
    }
    let commits = counted(ahead, "commit");
    session.ui.say(format!("pushed {commits} of {} to {}", place.shown.shown(), redact(&url)));
    Ok(0)
}

/// Returns the last commit of `branch`.
fn commit(place: &Place, branch: &str) -> anyhow::Result<String> {
    let shown = place.shown.shown();
    git::revision(&place.dir, &format!("refs/heads/{branch}"))?.with_context(|| {
        let text = format!("{shown} has no commit; `cargo xtask secrets-init` makes the first");
        Failure::Request(text)
    })
}

/// Returns the URL of both fetch and push.
fn origin(place: &Place) -> anyhow::Result<String> {
    if let Some(other) = git::push_url(&place.dir)? {
        bail!(
            "{} would be pushed to {}; `{} config --unset-all remote.origin.pushurl` makes it go where it comes from",
            place.shown.shown(),
            redact(&other),
            place.git()
        );
    }
    git::origin(&place.dir)?.with_context(|| {
        format!(
            "{} has no remote `origin`; run `{} remote add origin <git URL>`",
            place.shown.shown(),
            place.git()
        )
    })
}

/// Returns the number of commits to push; `None` without any.
///
/// # Errors
/// The remote has commits that the clone lacks; the message has commands to resolve that.
fn ahead(place: &Place, branch: &str, commit: &str) -> anyhow::Result<Option<usize>> {
    let upstream = format!("refs/remotes/origin/{branch}");
    if git::revision(&place.dir, &upstream)?.is_none() {
        return Ok(Some(git::outgoing(&place.dir, commit)?.len()));
    }
    let ours = git::commits_since(&place.dir, Some(&upstream), commit)?;
    let theirs = git::commits_since(&place.dir, Some(commit), &upstream)?;
    if !ours.is_empty() && !theirs.is_empty() {
        bail!("{}", way_out::text(place, branch, commit, theirs.len())?);
    }
    Ok(Some(ours.len()).filter(|it| *it > 0))
}
