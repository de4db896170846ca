//! `list`: the missions and their environments.

use std::collections::BTreeMap;

use anyhow::Context as _;

use crate::{task::Desk, ui};

pub(crate) fn run(desk: &Desk<'_>) -> anyhow::Result<u8> {
    desk.repo.check_names()?;
    let names = |mission: &crate::repo::Mission| -> Vec<String> {
        mission.environments.iter().map(|it| it.name.clone()).collect()
    };
    let missions = desk.repo.missions.iter().map(|it| (it.name.clone(), names(it)));
    if desk.cli.json {
        let missions: BTreeMap<_, _> = missions.collect();
        println!("{}", serde_json::to_string_pretty(&missions).context("names are plain data")?);
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = missions.map(|(name, it)| vec![name, it.join(" ")]).collect();
    print!("{}", ui::table(&["MISSION", "ENVIRONMENTS"], &rows));
    Ok(0)
}
