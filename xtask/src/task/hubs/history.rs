//! `hub-history`: the revisions of a hub, each with the record of the run that made it.

use crate::{
    hub::{
        history::{self, Entry},
        record::Record,
    },
    run::{terminal, ui},
    task::{Session, args::DeployedHub, shared::hub_target::Hub},
};

const HEADS: [&str; 8] = ["REVISION", "WHEN", "STATUS", "WHAT", "COMMIT", "TESTS", "SMOKE", "BY"];

pub(crate) fn run(session: &Session, args: &DeployedHub) -> anyhow::Result<u8> {
    let hub = Hub::read(session, args.mission.as_deref(), args.env.as_deref())?;
    hub.check_identity()?;
    let entries = history::joined(&hub.helm()?.history()?, hub.records()?.by_revision);
    if session.flags.json {
        terminal::json(&entries)?;
    } else if entries.is_empty() {
        let (release, namespace) = (&hub.target.release, &hub.target.namespace);
        session.ui.say(format!("{release} was never deployed to the namespace {namespace}"));
    } else {
        let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
        terminal::print(ui::table(&HEADS, &rows).trim_end());
    }
    for entry in entries.iter().filter(|_| !session.flags.json) {
        if let Some(why) = &entry.unreadable {
            session
                .ui
                .say(format!("revision {}: the record cannot be read: {why}", entry.revision));
        }
    }
    Ok(0)
}

fn row(entry: &Entry) -> Vec<String> {
    let of = |cell: fn(&Record) -> String| entry.record.as_ref().map(cell);
    let cell = |it: Option<String>| it.unwrap_or_default();
    vec![
        entry.revision.to_string(),
        entry.when(),
        entry.status.map_or_else(|| "-".to_owned(), |it| it.to_string()),
        entry.what(),
        cell(of(history::commit)),
        cell(of(history::tests)),
        cell(of(|it| history::smoke(it).to_owned())),
        cell(of(history::by)),
    ]
}
