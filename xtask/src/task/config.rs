//! `config`: each setting, its value and where it came from.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;

use crate::{
    cli::Missions,
    docker::Docker,
    failure, pinning,
    settings::{NAMES, Setting},
    task::Desk,
    ui,
};

pub(crate) fn run(desk: &Desk<'_>, missions: &Missions) -> anyhow::Result<u8> {
    let (mut by_mission, mut unpinned) = (BTreeMap::new(), BTreeSet::new());
    for it in desk.named(missions).map_err(failure::request)? {
        let (mut settings, _) = desk.sources.evaluate(Some(&it.mission.name))?;
        unpinned.extend(it.config.unpinned.map(|found| (found, it.config.docker)));
        settings.values_mut().for_each(|it| it.value = without_password(&it.value));
        by_mission.insert(it.mission.name, settings);
    }
    for (it, docker) in &unpinned {
        let docker = Docker::find(docker.as_deref(), &desk.repo.root).ok();
        let what =
            format!("{}={} is not by digest, which frozen builds need", it.setting, it.reference);
        desk.ui.say(format!("{what}\n{}", pinning::hint(docker.as_ref(), it)));
    }
    if desk.cli.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&by_mission).context("settings are plain data")?
        );
        return Ok(0);
    }
    for settings in by_mission.values() {
        let row = |name: &&str| {
            let Setting { value, origin } = &settings[name];
            vec![(*name).to_owned(), value.clone(), origin.clone()]
        };
        let rows: Vec<Vec<String>> = NAMES.iter().map(row).collect();
        print!("{}", ui::table(&["SETTING", "VALUE", "FROM"], &rows));
    }
    Ok(0)
}

/// Hides what stands between `://` and `@`.
fn without_password(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    let host_end = rest.find('/').unwrap_or(rest.len());
    match rest[..host_end].rfind('@') {
        Some(at) => format!("{scheme}://…{}", &rest[at..]),
        None => value.to_owned(),
    }
}

#[test]
fn passwords_are_hidden() {
    assert_eq!(without_password("https://me:secret@host/x@y"), "https://…@host/x@y");
    assert_eq!(without_password("https://host/x@y"), "https://host/x@y");
    assert_eq!(without_password("plain"), "plain");
}
