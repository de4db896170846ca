//! `secrets-diff`: keys that differ between two commits, without decrypting anything.

use anyhow::Context as _;

use crate::{
    run::{failure, printable::Shown as _, terminal, ui},
    secrets::commits::{self, Row},
    task::{Session, args, secrets::Place},
    tools::{git, sops::key::Key},
};

pub(crate) fn run(session: &Session, args: &args::SecretsDiff) -> anyhow::Result<u8> {
    let place = Place::cloned(session, args.of.mission.as_deref()).map_err(failure::request)?;
    let (from, to) = revisions(&place, args).map_err(failure::request)?;
    let rows = commits::between(&place.dir, from.as_deref(), &to)?;
    if session.flags.json {
        terminal::json(&rows)?;
    } else if rows.is_empty() {
        session.ui.say("no key differs");
    } else {
        let key = |it: &Row| it.key.as_ref().map_or("(recipients)".to_owned(), Key::to_string);
        let change = |it: &Row| format!("{:?}", it.change).to_lowercase();
        let row = |it: &Row| vec![it.file.shown(), change(it), key(it)];
        terminal::print(ui::table(
            &["FILE", "CHANGE", "KEY"],
            &rows.iter().map(row).collect::<Vec<_>>(),
        ));
    }
    Ok(0)
}

/// Returns the commits before and after a push, unless commits are named; `None` for a remote
/// without commits.
fn revisions(place: &Place, args: &args::SecretsDiff) -> anyhow::Result<(Option<String>, String)> {
    let git = place.git();
    let find = |name: &str| {
        git::revision(&place.dir, name)?.with_context(|| {
            format!("unknown commit `{name}`; `{git} log --oneline --all` lists them")
        })
    };
    let to = find(args.to.as_deref().unwrap_or("HEAD"))?;
    let from = match &args.from {
        Some(name) => Some(find(name)?),
        None => git::revision(&place.dir, &format!("refs/remotes/origin/{}", place.branch()?))?,
    };
    Ok((from, to))
}
