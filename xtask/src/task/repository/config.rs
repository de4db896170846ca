//! `config`: each setting, its value and its origin.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    image::pinning,
    run::{failure, redact::redact, terminal, ui},
    settings::layers::{NAMES, Setting},
    task::{Session, args::Missions},
    tools::docker::Docker,
};

pub(crate) fn run(session: &Session, missions: &Missions) -> anyhow::Result<u8> {
    let (mut by_mission, mut unpinned) = (BTreeMap::new(), BTreeSet::new());
    for it in session.named(missions).map_err(failure::request)? {
        let (mut settings, _) = session.sources.evaluate(Some(&it.mission.name))?;
        unpinned.extend(it.config.unpinned.map(|found| (found, it.config.docker)));
        settings.values_mut().for_each(|it| it.value = redact(&it.value));
        by_mission.insert(it.mission.name, settings);
    }
    for (it, docker) in &unpinned {
        let docker = Docker::find(docker.as_deref(), &session.checkout.root).ok();
        let what =
            format!("{}={} is not by digest, which frozen builds need", it.setting, it.reference);
        session.ui.say(format!("{what}\n{}", pinning::hint(docker.as_ref(), it)));
    }
    if session.flags.json {
        terminal::json(&by_mission)?;
        return Ok(0);
    }
    for settings in by_mission.values() {
        let row = |name: &&str| {
            let Setting { value, origin } = &settings[name];
            vec![(*name).to_owned(), value.clone(), origin.clone()]
        };
        let rows: Vec<Vec<String>> = NAMES.iter().map(row).collect();
        terminal::print(ui::table(&["SETTING", "VALUE", "FROM"], &rows));
    }
    Ok(0)
}
