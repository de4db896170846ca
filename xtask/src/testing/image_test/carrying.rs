//! Results of earlier images in place of tests: decided here, from the digests of a container in
//! which nothing of the image has run. The tester is told which environments it leaves out, and the
//! results are those of the earlier receipt.

use std::{collections::BTreeMap, time::SystemTime};

use crate::{
    image::{build::BuiltImage, mission_images::MissionImages, runner::Runner},
    mission::expected_tests,
    testing::{
        carry::{self, Basis, Former},
        image_test::{Run, TestRequest, containers::ContainerRun},
        receipt::{Dependencies, Name, Receipt, Test},
    },
};

/// Dependencies of the tests of environments, and the results that carry over.
#[derive(Debug, Default)]
pub(super) struct Carrying {
    pub(super) dependencies: BTreeMap<Name, Dependencies>,
    tests: Vec<Test>,
}

impl Carrying {
    /// Returns whether results of an environment carry over.
    pub(super) fn has(&self, environment: &str) -> bool {
        self.dependencies.get(environment).is_some_and(|it| it.carried.is_some())
    }

    /// Returns `tests`, which ran, and the results that carry over. A result of a test that ran all
    /// the same counts.
    pub(super) fn beside(&self, mut tests: Vec<Test>) -> Vec<Test> {
        let is_same = |a: &Test, b: &Test| {
            a.environment == b.environment && a.kind == b.kind && a.name == b.name
        };
        let more = self.tests.iter().filter(|it| !tests.iter().any(|ran| is_same(ran, it)));
        let more: Vec<Test> = more.cloned().collect();
        tests.extend(more);
        tests
    }
}

/// What is known before a container starts.
pub(super) struct Ahead {
    /// What results depend on besides the image's files, if they may carry over to other images.
    pub(super) basis: Option<Basis>,
    /// Digests of the environments' own files.
    sources: BTreeMap<Name, String>,
    /// Earlier receipts from which results may carry over.
    pub(super) former: Former,
}

impl Ahead {
    pub(super) fn none() -> Ahead {
        Ahead { basis: None, sources: BTreeMap::new(), former: Former::none() }
    }

    /// Returns what is known of `built` beside the earlier receipts `known`.
    pub(super) fn new(
        runner: &Runner,
        chosen: &MissionImages,
        built: &BuiltImage,
        asked: &TestRequest,
        known: &[Receipt],
    ) -> anyhow::Result<Ahead> {
        if !asked.is_complete() {
            return Ok(Ahead::none());
        }
        let basis = Basis::new(&runner.checkout, chosen, &built.image, asked.timeout)?;
        if basis.is_none() {
            return Ok(Ahead::none());
        }
        let sources = carry::sources(chosen);
        let mut former = Former::none();
        if asked.takes_receipts() {
            let max_age = chosen.config.testing.max_age;
            former = Former::new(known, &sources, &built.image, SystemTime::now(), max_age);
        }
        Ok(Ahead { basis, sources, former })
    }
}

impl Run<'_> {
    /// Returns the dependencies that the container of [`Run::prepare`] found, and what carries over.
    pub(super) fn carrying(&self, prepared: &ContainerRun) -> anyhow::Result<Carrying> {
        let mut res = Carrying::default();
        let Ahead { basis, sources, former } = &self.ahead;
        let Some(basis) = basis else { return Ok(res) };
        let (mission, ui) = (&self.chosen.mission, &self.runner.ui);
        let found = carry::read(&prepared.results).unwrap_or_else(|err| {
            ui.say(format!("warning: {}: no result carries over: {err:#}", mission.name));
            BTreeMap::new()
        });
        let expected = expected_tests::expected(mission)?;
        for (name, files) in found {
            if !mission.environments.iter().any(|it| *it.name == *name) {
                continue;
            }
            let digest = basis.with(&files);
            let carried = former.carried(&name, &digest, &expected);
            if let Some(it) = &carried {
                res.tests.extend(it.tests.iter().cloned());
            }
            let carried = carried.map(|it| it.origin);
            let sources = sources.get(&name).cloned();
            res.dependencies.insert(name, Dependencies { digest, sources, carried });
        }
        Ok(res)
    }

    /// Writes the plan again, for a tester that leaves out what carries over.
    pub(super) fn leave_out(&self, carrying: &Carrying) -> anyhow::Result<()> {
        let names = carrying.dependencies.keys().filter(|it| carrying.has(it));
        let names: Vec<String> = names.map(ToString::to_string).collect();
        match names.is_empty() {
            true => Ok(()),
            false => self.write_plan(names),
        }
    }
}
