//! `list`: the missions and their environments.

use std::collections::BTreeMap;

use crate::{
    run::{terminal, ui},
    task::Session,
};

pub(crate) fn run(session: &Session) -> anyhow::Result<u8> {
    session.checkout.check_names()?;
    let names = |mission: &crate::mission::checkout::Mission| -> Vec<String> {
        mission.environments.iter().map(|it| it.name.clone()).collect()
    };
    let missions = session.checkout.missions.iter().map(|it| (it.name.clone(), names(it)));
    if session.flags.json {
        let missions: BTreeMap<_, _> = missions.collect();
        terminal::json(&missions)?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = missions.map(|(name, it)| vec![name, it.join(" ")]).collect();
    terminal::print(ui::table(&["MISSION", "ENVIRONMENTS"], &rows));
    Ok(0)
}
