//! LESSONS of earlier systems: a tracked generated Dockerfile differed from its sources for months.

use crate::{
    check::{MissionFacts, Refuses, Rule},
    mission::dockerfile::generate::generate,
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "generated-dockerfile",
    about: "generated Dockerfiles are up to date",
    refuses: Refuses::Never,
    check: |facts| facts.missions.iter().filter_map(check_mission).collect(),
};

fn check_mission(mission: &MissionFacts) -> Option<Finding> {
    let wanted = generate(&mission.sources).ok()?;
    let text = mission.dockerfile.as_deref().unwrap_or_default();
    let same = text.lines().zip(wanted.lines()).take_while(|(a, b)| a == b).count();
    let name = mission.sources.mission.file_name()?.to_string_lossy();
    (text != wanted).then(|| Finding {
        file: mission.sources.mission.join("Dockerfile"),
        line: Some(same + 1),
        rule: RULE.name,
        what: "differs from what its sources generate".to_owned(),
        fix: format!("run `cargo xtask image-update {name}`; with --check it shows the difference"),
    })
}
