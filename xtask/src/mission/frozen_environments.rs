//! Environments with frozen specs, and their names.

use anyhow::bail;

use crate::{
    mission::checkout::{Checkout, Environment, Mission},
    run::suggest::nearest,
    specs,
};

/// Returns the frozen environments of `mission`: not `base`, which the base image's digest pins.
pub(crate) fn of(mission: &Mission) -> Vec<&Environment> {
    mission.environments.iter().filter(|it| it.name != specs::BASE).collect()
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
    if env == specs::BASE {
        bail!("`base` belongs to the base image, whose digest pins it: there is nothing to freeze");
    }
    let missions: Vec<&Mission> = match mission {
        Some(name) => vec![checkout.mission(name)?],
        None => checkout.missions.iter().collect(),
    };
    let all = missions.iter().flat_map(|it| of(it).into_iter().map(move |env| (*it, env)));
    let found: Vec<_> = all.clone().filter(|(_, it)| it.name == env).collect();
    match found.as_slice() {
        [one] => Ok(*one),
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
