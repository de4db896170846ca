//! Selection of environments and their missions.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    mission::{
        checkout::{Checkout, Environment, Mission},
        frozen_environments,
    },
    task::{
        MissionConfig, Session,
        args::{self, Missions},
    },
};

/// Names of environments by their mission's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selected(BTreeMap<String, BTreeSet<String>>);

impl Selected {
    pub(crate) fn new(session: &Session, args: &args::Freeze) -> anyhow::Result<Selected> {
        let checkout = &session.checkout;
        if !args.environments.is_empty() {
            return Selected::of_names(checkout, args.mission.as_deref(), &args.environments);
        }
        let missions = Missions { missions: args.mission.iter().cloned().collect(), all: args.all };
        let named = session.named(&missions)?;
        Ok(Selected(named.iter().map(|it| whole(&it.mission)).collect()))
    }

    /// Selects `names` of the form `ENV` or `MISSION/ENV`.
    pub(crate) fn of_names(
        checkout: &Checkout,
        mission: Option<&str>,
        names: &[String],
    ) -> anyhow::Result<Selected> {
        let mut res: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for name in names {
            let (mission, env) = frozen_environments::find(checkout, mission, name)?;
            res.entry(mission.name.clone()).or_default().insert(env.name.clone());
        }
        Ok(Selected(res))
    }

    /// Returns the missions, with their settings.
    pub(crate) fn named(&self, session: &Session) -> anyhow::Result<Vec<MissionConfig>> {
        let missions = self.0.keys().cloned().collect();
        session.named(&Missions { missions, ..Missions::default() })
    }

    /// Returns the selected environments of `mission`.
    pub(crate) fn of<'a>(&self, mission: &'a Mission) -> Vec<&'a Environment> {
        let names = self.0.get(&mission.name);
        let is_meant = |it: &&Environment| names.is_some_and(|names| names.contains(&it.name));
        frozen_environments::of(mission).into_iter().filter(is_meant).collect()
    }

    /// Returns whether all environments of `mission` are selected.
    pub(crate) fn is_whole(&self, mission: &Mission) -> bool {
        self.of(mission).len() == frozen_environments::of(mission).len()
    }
}

fn whole(mission: &Mission) -> (String, BTreeSet<String>) {
    let names = frozen_environments::of(mission).into_iter().map(|it| it.name.clone());
    (mission.name.clone(), names.collect())
}
