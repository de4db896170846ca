//! `ci-matrix`: missions whose inputs digests changed since a git revision.

use std::collections::BTreeMap;

use anyhow::Context as _;

use crate::{
    image::{build_context::BuildContext, recipe, shared_chains::SharedChains},
    mission::checkout::{Checkout, Mission},
    run::{
        failure, files,
        process::{self, Permit},
        terminal,
    },
    settings::{config::Config, layers::Sources},
    task::{self, Session, args},
    tools::{git, platform::Platform},
};

pub(crate) fn run(session: &Session, args: &args::CiMatrix) -> anyhow::Result<u8> {
    let changed = changed(session, &args.since).map_err(failure::request)?;
    if session.flags.json {
        // One line: it goes to GITHUB_OUTPUT.
        terminal::print(serde_json::json!({ "mission": changed }));
    } else if !changed.is_empty() {
        terminal::print(changed.join("\n"));
    }
    Ok(0)
}

/// Returns the missions of the working tree that the commit `since` lacks or has with other inputs.
fn changed(session: &Session, since: &str) -> anyhow::Result<Vec<String>> {
    session.checkout.check_names()?;
    let root = &session.checkout.root;
    let commit = git::revision(root, since)?.with_context(|| {
        format!("--since {since}: commit not found\n    fix: fetch it; CI clones only the newest commit unless `fetch-depth: 0` (GitHub) or `GIT_DEPTH: \"0\"` (GitLab) is set")
    })?;
    let permit = session.permit.context("`ci-matrix` has no dry run")?;
    let now = inputs(&session.checkout, &session.sources)?;
    let then = inputs_then(session, permit, &commit)?;
    let mut res = Vec::new();
    for (name, digest) in now {
        match digest {
            Ok(digest) if then.get(&name) == Some(&digest) => (),
            Ok(_) => res.push(name),
            Err(err) => {
                session.ui.say(format!("warning: {name} counts as changed: {err:#}"));
                res.push(name);
            }
        }
    }
    Ok(res)
}

/// Returns the inputs digests of `commit`, by mission; empty where these sources cannot be read.
fn inputs_then(
    session: &Session,
    permit: Permit,
    commit: &str,
) -> anyhow::Result<BTreeMap<String, String>> {
    let dir = files::temporary(permit, None, "ci-matrix-", 0o700)?;
    git::unpack(permit, &session.checkout.root, commit, dir.path())?;
    let root = dir.path().join("tree");
    let then = || inputs(&Checkout::read(&root)?, &session.sources.with_template_of(&root)?);
    match then() {
        Ok(all) => Ok(all.into_iter().filter_map(|(name, it)| Some((name, it.ok()?))).collect()),
        Err(err) => {
            process::check_interrupted()?;
            session.ui.say(format!("warning: all missions count as changed: {err:#}"));
            Ok(BTreeMap::new())
        }
    }
}

/// Inputs digests by mission.
type Inputs = BTreeMap<String, anyhow::Result<String>>;

fn inputs(checkout: &Checkout, sources: &Sources) -> anyhow::Result<Inputs> {
    let parts = task::read_parts(checkout)?;
    let mut shared = SharedChains::new(&parts);
    let mut digest = |mission: &Mission| -> anyhow::Result<String> {
        let config = Config::read(sources, Some(&mission.name))?.0;
        let context = BuildContext::read(&mission.dir, &mission.dir.join(".dockerignore"))?;
        let own = task::sources(checkout, mission, context)?;
        // Both trees have the same one.
        let platform = config.platform.unwrap_or(Platform::Amd64);
        let below = &shared.of(&config, platform).common;
        let chain = recipe::mission(below, config.mode, platform, &own);
        recipe::inputs_by_name(&chain).context("a chain has an image")
    };
    Ok(checkout.missions.iter().map(|it| (it.name.clone(), digest(it))).collect())
}
