//! `hub-chart update`: locks a version of the chart, and takes out of its archive what values are
//! checked against.

use crate::{
    hub::{
        chart::{DEFAULTS, SCHEMA},
        lock::{self, LOCK},
    },
    run::files,
    settings::config::Config,
    task::{Session, args, shared::hub_chart},
};

pub(crate) fn update(session: &Session, args: &args::HubChart) -> anyhow::Result<u8> {
    let old = hub_chart::read(session)?;
    let index_url = old.url("index.yaml");
    let Some(permit) = session.permit else {
        session.ui.say(format!("get {index_url} and the archive of {}", old.name));
        [LOCK, SCHEMA, DEFAULTS].iter().for_each(|it| session.ui.say(format!("write {it}")));
        return Ok(0);
    };
    let _lock = session.lock("chart")?;
    let config = Config::read(&session.sources, None)?.0;
    let index = hub_chart::text(hub_chart::get(session, &config, &index_url)?)?;
    let entry = lock::choose(&index, &old.name, args.version.as_deref())?;
    let archive = hub_chart::get(session, &config, &old.url(&entry.urls[0]))?;
    let new = lock::locked(&old, &entry, &archive)?;
    let parts = lock::parts(&new, &archive)?;
    files::write(permit, &hub_chart::path(session, &new)?, &archive)?;
    let root = &session.checkout.root;
    for (file, text) in [(SCHEMA, &parts.schema), (DEFAULTS, &parts.defaults)] {
        match text {
            Some(text) => _ = files::write(permit, &root.join(file), text.as_bytes())?,
            None => session.ui.say(format!("warning: the chart has no file for {file}")),
        }
    }
    files::write(permit, &root.join(LOCK), new.text()?.as_bytes())?;
    let kubernetes = new.kube_version.as_deref().unwrap_or("any version");
    session.ui.say(format!(
        "{} {} locked: JupyterHub {} (major {}), Kubernetes {kubernetes}",
        new.name,
        new.version,
        new.app_version,
        new.major()
    ));
    if old.major() != new.major() {
        session.ui.say(format!(
            "warning: the major version of JupyterHub changes from {} to {}: its database cannot go back",
            old.major(),
            new.major()
        ));
    }
    Ok(0)
}
