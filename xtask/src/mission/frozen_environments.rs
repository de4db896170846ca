//! Environments with frozen specs, and their names.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::bail;

use crate::{
    mission::{
        checkout::{Checkout, Environment, Mission},
        dockerfile,
        file_content::Content,
    },
    run::suggest::nearest,
    specs,
};

/// Returns the frozen environments of `mission`; `base`, if lists add to it what must be solved.
pub(crate) fn of(mission: &Mission) -> Vec<&Environment> {
    let mut res: Vec<&Environment> = mission.environments.iter().collect();
    res.retain(|it| it.name != specs::BASE || specs::is_frozen(specs::BASE, &lists(mission)));
    res
}

/// Returns the texts of all files that may be lists of `mission`, relative to `environments/`. One
/// that cannot be read is empty: rules of `check` report it.
fn lists(mission: &Mission) -> BTreeMap<PathBuf, String> {
    let (root, dir) = (mission.dir.ancestors().nth(2), mission.dir.join("environments"));
    let text = |path: PathBuf| {
        let name = path.strip_prefix(&dir).ok().filter(|it| !specs::is_test(it))?;
        let content = Content::follow(root?, path.strip_prefix(root?).ok()?).ok()?;
        Some((name.to_owned(), content.text))
    };
    dockerfile::files(&dir).unwrap_or_default().into_iter().filter_map(text).collect()
}

/// Returns `mission/environment`, the name in arguments and messages.
pub(crate) fn title(mission: &Mission, environment: &Environment) -> String {
    format!("{}/{}", mission.name, environment.name)
}

/// Returns the environment that `name` means, and its mission.
pub(crate) fn find<'a>(
    checkout: &'a Checkout,
    mission: Option<&str>,
    name: &str,
) -> anyhow::Result<(&'a Mission, &'a Environment)> {
    let (mission, env) = match name.split_once('/') {
        Some((mission, env)) => (Some(mission), env),
        None => (mission, name),
    };
    let missions: Vec<&Mission> = match mission {
        Some(name) => vec![checkout.mission(name)?],
        None => checkout.missions.iter().collect(),
    };
    let all = missions.iter().flat_map(|it| of(it).into_iter().map(move |env| (*it, env)));
    let found: Vec<_> = all.clone().filter(|(_, it)| it.name == env).collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] if env == specs::BASE => {
            bail!(
                "there is nothing to freeze: no list adds packages to `{name}` that must be solved"
            )
        }
        [] => {
            let hint = match nearest(env, all.clone().map(|(_, it)| it.name.as_str())) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => {
                    let names = all.map(|(mission, it)| title(mission, it));
                    format!("there are: {}", names.collect::<Vec<_>>().join(", "))
                }
            };
            bail!("no environment `{name}`; {hint}")
        }
        several => {
            let names: Vec<String> =
                several.iter().map(|(mission, it)| title(mission, it)).collect();
            bail!("more than one mission has an environment `{env}`; say {}", names.join(" or "))
        }
    }
}
