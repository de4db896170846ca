//! Selection of an image's tests, and the plan that passes it to the scripts in its containers.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde::Serialize;

use crate::{
    mission::{expected_tests::ExpectedTest, test_kind::TestKind},
    testing::receipt::{Receipt, Test},
};

/// Environment, kind and name of a test.
pub(crate) type TestKey = (String, TestKind, String);

/// Tests by environment, name, kind, or one by one; an empty part selects all.
/// `platform_env/testing/plan.py` applies the same rules.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Selection {
    pub(crate) environments: Vec<String>,
    /// Patterns of test names.
    only: Vec<String>,
    kinds: Vec<TestKind>,
    tests: BTreeSet<TestKey>,
    /// Tests that are left out.
    without: BTreeSet<TestKey>,
}

/// Content of the file for a test container.
#[derive(Debug, Serialize)]
struct Plan<'a> {
    #[serde(flatten)]
    selection: &'a Selection,
    jobs: Option<u16>,
    timeout: Option<u32>,
    /// Tests that need not run if they cannot see what changed.
    passed: &'a BTreeSet<TestKey>,
    /// Seconds that notebooks took last time, by environment and name.
    times: BTreeMap<&'a str, BTreeMap<&'a str, f64>>,
    #[serde(flatten)]
    container: &'a ContainerInputs,
}

/// The tester's facts about the image's configuration and its container.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct ContainerInputs {
    pub(crate) entry_point: Vec<String>,
    pub(crate) command: Vec<String>,
    /// Health check of the image.
    pub(crate) health: Vec<String>,
    /// Network `none` or `egress`.
    pub(crate) network: &'static str,
    /// Bytes that tests may leave on the disk.
    pub(crate) disk: u64,
    /// Whether digests of what tests depend on are wanted.
    pub(crate) dependencies: bool,
    /// Environments whose results carry over.
    pub(crate) carried: Vec<String>,
}

impl Selection {
    pub(crate) fn new(
        environments: &[String],
        only: &[String],
        kinds: Vec<TestKind>,
    ) -> anyhow::Result<Selection> {
        for it in only {
            glob::Pattern::new(it).with_context(|| format!("--only '{it}' is not a pattern"))?;
        }
        let (environments, only) = (environments.to_vec(), only.to_vec());
        Ok(Selection { environments, only, kinds, ..Selection::default() })
    }

    /// Returns a selection of all tests but `others`.
    pub(crate) fn without(others: BTreeSet<TestKey>) -> Selection {
        Selection { without: others, ..Selection::default() }
    }

    /// Returns a selection of `tests`, which are not empty.
    pub(crate) fn of_tests(tests: BTreeSet<TestKey>) -> Selection {
        Selection { tests, ..Selection::default() }
    }

    /// Returns the same selection, limited to these tests.
    pub(crate) fn among<'a>(&self, tests: impl Iterator<Item = &'a Test>) -> Selection {
        let names = tests.map(|it| (it.environment.clone(), it.kind, it.name.clone()));
        Selection { tests: names.collect(), ..self.clone() }
    }

    /// Returns whether all tests are selected.
    pub(crate) fn is_all(&self) -> bool {
        let Selection { environments, only, kinds, tests, without } = self;
        environments.is_empty()
            && only.is_empty()
            && kinds.is_empty()
            && tests.is_empty()
            && without.is_empty()
    }

    pub(crate) fn wants(&self, environment: &str, kind: TestKind, name: &str) -> bool {
        let matches = |it: &String| glob::Pattern::new(it).is_ok_and(|it| it.matches(name));
        let test = (environment.to_owned(), kind, name.to_owned());
        (self.environments.is_empty() || self.environments.iter().any(|it| it == environment))
            && (self.only.is_empty() || self.only.iter().any(matches))
            && (self.kinds.is_empty() || self.kinds.contains(&kind))
            && (self.tests.is_empty() || self.tests.contains(&test))
            && !self.without.contains(&test)
    }

    /// Returns the selected tests of `expected`.
    pub(crate) fn of(&self, expected: BTreeSet<ExpectedTest>) -> BTreeSet<ExpectedTest> {
        let wants = |it: &ExpectedTest| self.wants(&it.environment, it.kind, &it.name);
        expected.into_iter().filter(wants).collect()
    }

    /// Returns the plan as JSON; `last` has the times.
    pub(crate) fn plan(
        &self,
        jobs: Option<u16>,
        timeout: Option<u32>,
        last: Option<&Receipt>,
        passed: &BTreeSet<TestKey>,
        container: &ContainerInputs,
    ) -> anyhow::Result<String> {
        let mut times: BTreeMap<&str, BTreeMap<&str, f64>> = BTreeMap::new();
        for it in last.iter().flat_map(|it| &it.tests).filter(|it| it.kind == TestKind::Notebook) {
            times.entry(&it.environment).or_default().insert(&it.name, it.seconds);
        }
        let plan = Plan { selection: self, jobs, timeout, passed, times, container };
        serde_json::to_string(&plan).context("a plan is plain data")
    }
}

#[cfg(test)]
mod tests {
    use super::{ContainerInputs, Receipt, Selection, Test, TestKind};

    fn selection(environments: &[&str], only: &[&str], kinds: &[TestKind]) -> Selection {
        let owned = |them: &[&str]| them.iter().map(|&it| it.to_owned()).collect();
        Selection {
            environments: owned(environments),
            only: owned(only),
            kinds: kinds.to_vec(),
            ..Selection::default()
        }
    }

    #[test]
    fn every_part_has_to_agree() {
        assert!(Selection::default().wants("", TestKind::Server, "own command"));
        let it = selection(&["sky"], &["*.ipynb"], &[TestKind::Notebook]);
        assert!(it.wants("sky", TestKind::Notebook, "deep/stars.ipynb"));
        assert!(!it.wants("sea", TestKind::Notebook, "stars.ipynb"));
        assert!(!it.wants("sky", TestKind::Notebook, "stars.py"));
        assert!(!it.wants("sky", TestKind::Import, "x.ipynb"));
        assert!(!it.is_all() && Selection::default().is_all());
    }

    /// `common/image/tests/test_testing_plan.py` reads the same file.
    #[test]
    fn a_plan_is_what_the_scripts_read() {
        let text = include_str!("../../tests/receipts.json");
        let corpus: serde_json::Value = serde_json::from_str(text).unwrap();
        let mut last = Receipt::parse(&corpus["receipt"].to_string()).unwrap();
        let notebook = Test {
            environment: "sky".to_owned(),
            kind: TestKind::Notebook,
            name: "a.ipynb".to_owned(),
            seconds: 2.5,
            ..last.tests[0].clone()
        };
        let selection =
            selection(&["sky"], &["*.ipynb"], &[TestKind::Notebook]).among([&notebook].into_iter());
        last.tests = vec![notebook.clone()];
        let without = [("sky".to_owned(), TestKind::Notebook, "b.ipynb".to_owned())].into();
        let selection = Selection { without, ..selection };
        let words = |it: &str| vec![it.to_owned()];
        let container = ContainerInputs {
            entry_point: words("start.sh"),
            command: words("lab"),
            health: words("check"),
            network: "none",
            disk: 1000,
            dependencies: true,
            carried: words("sea"),
        };
        let passed = [("sky".to_owned(), TestKind::Import, "json".to_owned())].into();
        let plan = selection.plan(Some(3), Some(60), Some(&last), &passed, &container).unwrap();
        assert_eq!(plan, include_str!("../../../common/image/tests/plan.json").trim_end());
    }
}
