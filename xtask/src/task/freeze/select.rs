//! Which environments of which missions a run is about.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;

use crate::{
    cli::{self, Missions},
    freeze,
    repo::{Environment, Mission, Repo},
    specs,
    suggest::nearest,
    task::{Desk, Named},
};

/// Names of environments by their mission's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selected(BTreeMap<String, BTreeSet<String>>);

impl Selected {
    /// # Errors
    /// A name that means nothing, or more than one environment.
    pub(crate) fn new(desk: &Desk<'_>, args: &cli::Freeze) -> anyhow::Result<Selected> {
        let repo = &desk.repo;
        if !args.environments.is_empty() {
            return Selected::of_names(repo, args.mission.as_deref(), &args.environments);
        }
        let missions = Missions { missions: args.mission.iter().cloned().collect(), all: args.all };
        let named = desk.named(&missions)?;
        Ok(Selected(named.iter().map(|it| whole(&it.mission)).collect()))
    }

    /// `names` are `ENV` or `MISSION/ENV`.
    ///
    /// # Errors
    /// As for [`Selected::new`].
    pub(crate) fn of_names(
        repo: &Repo,
        mission: Option<&str>,
        names: &[String],
    ) -> anyhow::Result<Selected> {
        let mut res: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for name in names {
            let (mission, env) = find(repo, mission, name)?;
            res.entry(mission.name.clone()).or_default().insert(env.name.clone());
        }
        Ok(Selected(res))
    }

    /// The missions, with their settings.
    ///
    /// # Errors
    /// A setting that is wrong.
    pub(crate) fn named(&self, desk: &Desk<'_>) -> anyhow::Result<Vec<Named>> {
        let missions = self.0.keys().cloned().collect();
        desk.named(&Missions { missions, ..Missions::default() })
    }

    /// The environments of `mission` that are meant.
    pub(crate) fn of<'a>(&self, mission: &'a Mission) -> Vec<&'a Environment> {
        let names = self.0.get(&mission.name);
        let is_meant = |it: &&Environment| names.is_some_and(|names| names.contains(&it.name));
        freeze::environments(mission).into_iter().filter(is_meant).collect()
    }

    /// Whether all environments of `mission` are meant.
    pub(crate) fn is_whole(&self, mission: &Mission) -> bool {
        self.of(mission).len() == freeze::environments(mission).len()
    }
}

fn whole(mission: &Mission) -> (String, BTreeSet<String>) {
    let names = freeze::environments(mission).into_iter().map(|it| it.name.clone());
    (mission.name.clone(), names.collect())
}

/// The environment that `name` means, and its mission.
///
/// # Errors
/// It means none, or more than one.
pub(crate) fn find<'a>(
    repo: &'a Repo,
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
        Some(name) => vec![repo.mission(name)?],
        None => repo.missions.iter().collect(),
    };
    let all = missions
        .iter()
        .flat_map(|it| freeze::environments(it).into_iter().map(move |env| (*it, env)));
    let found: Vec<_> = all.clone().filter(|(_, it)| it.name == env).collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => {
            let hint = match nearest(env, all.clone().map(|(_, it)| it.name.as_str())) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => {
                    let names = all.map(|(mission, it)| super::title(mission, it));
                    format!("there are: {}", names.collect::<Vec<_>>().join(", "))
                }
            };
            bail!("no environment `{name}`; {hint}")
        }
        several => {
            let names: Vec<String> =
                several.iter().map(|(mission, it)| super::title(mission, it)).collect();
            bail!("more than one mission has an environment `{env}`; say {}", names.join(" or "))
        }
    }
}
