//! Each environment is made by exactly one env-create or env-clone; `base` exists already.

use crate::{
    check::{Facts, Refuses, Rule},
    mission::dockerfile::{Model, Sources},
    run::{finding::Finding, printable::Shown as _},
    specs,
};

pub(crate) const RULE: Rule = Rule {
    name: "environment-steps",
    about: "each environment is made by exactly one env-create or env-clone",
    refuses: Refuses::Always,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    facts.models().flat_map(|(sources, model)| check_mission(sources, model)).collect()
}

fn check_mission(sources: &Sources, model: &Model) -> Vec<Finding> {
    let mut res = Vec::new();
    let envs = sources.environments.iter().map(String::as_str).filter(|it| *it != specs::BASE);
    for env in envs.chain([specs::BASE]) {
        let allowed = usize::from(env != specs::BASE);
        let makers: Vec<_> = model
            .stages
            .steps()
            .flat_map(|run| run.calls.iter().map(move |call| (run.place, call)))
            .filter(|(_, call)| call.creates() && call.env == env)
            .collect();
        for (place, _) in makers.iter().skip(allowed) {
            let file = &model.files[place.file];
            let what = match allowed {
                0 => "`base` is there already".to_owned(),
                _ => format!("environment `{env}` is made more than once"),
            };
            let fix = "remove this call; env-update installs more into an environment";
            let at = (&file.instructions[place.instruction], env);
            res.push(file.finding(RULE.name, at, what, fix));
        }
        if makers.len() < allowed {
            res.push(Finding {
                file: sources.path_of(env.as_ref()),
                line: None,
                rule: RULE.name,
                what: "no step makes this environment".to_owned(),
                fix: format!(
                    "write `RUN /opt/common-scripts/env-create {env} {env}.yml` in {}",
                    model.files[0].path.shown()
                ),
            });
        }
    }
    res
}
