//! `hub-render`: the manifests of a hub without a cluster, and what changed since a git revision.

use std::path::Path;

use anyhow::Context as _;

use crate::{
    hub::{
        lock::{LOCK, Lock},
        render::{self, Manifests},
        values::Values,
    },
    run::{failure, process::Permit, terminal, unified},
    task::{
        MissionConfig, Session,
        args::{self, Missions},
        shared::{
            hub_chart,
            hub_values::{self, Secrets},
        },
    },
    tools::{git, helm},
};

pub(crate) fn run(session: &Session, args: &args::HubRender) -> anyhow::Result<u8> {
    let missions = args.of.mission.iter().cloned().collect();
    let of = session.named(&Missions { missions, all: false }).map_err(failure::request)?.remove(0);
    let environment = args.of.env.as_deref().unwrap_or(&of.config.environment);
    let secrets = if args.of.without_secrets { Secrets::LeftOut } else { Secrets::Merged };
    let values = hub_values::read(session, &of, environment, secrets)?;
    let values = hub_values::for_show(values, &of, environment);
    let lock = hub_chart::read(session)?;
    let Some(permit) = session.permit else {
        let (release, url) = (release(&of, environment), lock.url("index.yaml"));
        session.ui.say(format!(
            "get the archive of {} {} by {url}, unless it is cached",
            lock.name, lock.version
        ));
        session.ui.say(format!("helm template {release} <archive> --values -"));
        return Ok(0);
    };
    let new = manifests(session, permit, &of, environment, &lock, &values)?;
    let Some(since) = &args.since else {
        terminal::print(render::text(&new)?.trim_end());
        return Ok(0);
    };
    let root = &session.checkout.root;
    let revision = git::revision(root, since)?.with_context(|| format!("unknown commit `{since}`"));
    let revision = revision.map_err(failure::request)?;
    let lock_then = git::file(root, &revision, Path::new(LOCK))?;
    let lock_then = lock_then.map(|it| Lock::parse(&String::from_utf8_lossy(&it))).transpose()?;
    let then = hub_values::read_at(session, &of, environment, secrets, &revision)?;
    let then = hub_values::for_show(then, &of, environment);
    let old =
        manifests(session, permit, &of, environment, lock_then.as_ref().unwrap_or(&lock), &then)?;
    render::summary(&old, &new).iter().for_each(terminal::print);
    let name = format!("{}.yaml", release(&of, environment));
    let diff = unified::diff(Path::new(&name), Some(&render::text(&old)?), &render::text(&new)?);
    if !diff.is_empty() {
        terminal::print(format_args!("\n{}", diff.trim_end()));
    }
    Ok(0)
}

/// Returns the name of the release and of its namespace.
fn release(of: &MissionConfig, environment: &str) -> String {
    format!("{}-{environment}", of.mission.name)
}

fn manifests(
    session: &Session,
    permit: Permit,
    of: &MissionConfig,
    environment: &str,
    lock: &Lock,
    values: &Values,
) -> anyhow::Result<Manifests> {
    let archive = hub_chart::archive(session, permit, lock)?;
    let root = &session.checkout.root;
    let home = root.join("target/xtask/helm");
    let values = values.json().to_string();
    render::shown(helm::template(root, &home, &archive, &release(of, environment), values)?)
}
