//! `list`: the missions and their environments.

use std::collections::BTreeMap;

use crate::{task::Desk, terminal, ui};

pub(crate) fn run(desk: &Desk) -> anyhow::Result<u8> {
    desk.repo.check_names()?;
    let names = |mission: &crate::repo::Mission| -> Vec<String> {
        mission.environments.iter().map(|it| it.name.clone()).collect()
    };
    let missions = desk.repo.missions.iter().map(|it| (it.name.clone(), names(it)));
    if desk.flags.json {
        let missions: BTreeMap<_, _> = missions.collect();
        terminal::json(&missions)?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = missions.map(|(name, it)| vec![name, it.join(" ")]).collect();
    terminal::print(ui::table(&["MISSION", "ENVIRONMENTS"], &rows));
    Ok(0)
}
