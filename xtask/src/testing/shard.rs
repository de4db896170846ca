//! Parts of an image's tests, which run on different machines: which tests each part has. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use crate::{
    mission::{
        checkout::Mission,
        expected_tests::{self, ExpectedTest},
        test_kind::TestKind,
    },
    settings::config::Testing,
    testing::selection::{Selection, TestKey},
};

/// Largest number of parts.
const MOST: u16 = 99;

/// A part of the tests, like `2/3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Part {
    /// From 1 to `of`.
    pub(crate) index: u16,
    pub(crate) of: u16,
}

/// The part of the tests that a receipt is about, and what all parts must agree in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shard {
    pub(crate) part: Part,
    /// Digest of the list of all tests.
    pub(crate) tests: String,
    /// Digest of the settings of the tests.
    pub(crate) settings: String,
}

/// All tests of a mission's image, each with the index of its part.
#[derive(Debug)]
pub(crate) struct Division(BTreeMap<TestKey, u16>);

impl FromStr for Part {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Part> {
        let number = |it: &str| it.parse().ok().filter(|_| !it.starts_with(['+', '0']));
        let numbers = text.split_once('/').and_then(|(a, b)| Some((number(a)?, number(b)?)));
        let part = numbers.map(|(index, of)| Part { index, of });
        let is_valid = part.is_some_and(|it| it.index <= it.of && it.of <= MOST);
        ensure!(is_valid, "expected I/N with 1 <= I <= N <= {MOST}, as in 2/3, found `{text}`");
        Ok(part.unwrap_or(Part { index: 1, of: 1 }))
    }
}

impl Part {
    /// Returns the part as a name of a file: `2-of-3`.
    pub(crate) fn in_names(self) -> String {
        format!("{}-of-{}", self.index, self.of)
    }
}

impl TryFrom<String> for Part {
    type Error = anyhow::Error;

    fn try_from(text: String) -> anyhow::Result<Part> {
        text.parse()
    }
}

impl From<Part> for String {
    fn from(it: Part) -> String {
        it.to_string()
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl Division {
    /// Divides the tests of `mission` into `parts`. Those of the image as a whole run in the last part, for
    /// they share a container. A mission's own `test` decides what its tests find, so that all tests of
    /// such a mission run in the first part.
    pub(crate) fn new(mission: &Mission, parts: u16) -> anyhow::Result<Division> {
        let own = expected_tests::expected(mission)?;
        let is_whole = own.iter().any(|it| it.kind == TestKind::Mission);
        let indices = (1..=parts.max(1)).cycle();
        let index = |index| if is_whole { 1 } else { index };
        let mut res: BTreeMap<TestKey, u16> =
            own.into_iter().map(key).zip(indices.map(index)).collect();
        let of_the_image = expected_tests::of_the_image(mission);
        res.extend(of_the_image.into_iter().map(|it| (key(it), parts)));
        Ok(Division(res))
    }

    /// Returns the index of the part that has a test; `None` for a test that only the image knows.
    pub(crate) fn index(&self, test: &TestKey) -> Option<u16> {
        self.0.get(test).copied()
    }

    /// Returns the indices of the parts that have tests.
    pub(crate) fn parts(&self) -> BTreeSet<u16> {
        self.0.values().copied().collect()
    }

    /// Returns the tests of the part with this index.
    pub(crate) fn tests(&self, index: u16) -> impl Iterator<Item = &TestKey> {
        self.0.iter().filter(move |it| *it.1 == index).map(|it| it.0)
    }

    /// Returns the tests that a part runs, `None` without any. The first part also has tests that only the
    /// image knows.
    pub(crate) fn selection(&self, index: u16) -> Option<Selection> {
        if index == 1 {
            let others = self.0.iter().filter(|it| *it.1 != 1).map(|it| it.0.clone());
            return Some(Selection::without(others.collect()));
        }
        let own: Vec<TestKey> = self.tests(index).cloned().collect();
        (!own.is_empty()).then(|| Selection::of_tests(own.into_iter().collect()))
    }

    /// Returns the digest of the list of tests.
    pub(crate) fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (environment, kind, name) in self.0.keys() {
            for it in [environment, &kind.to_string(), name] {
                hasher.update(&(it.len() as u64).to_le_bytes()).update(it.as_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// Returns the digest of the settings that results depend on; the receipt names data itself.
pub(crate) fn settings(testing: &Testing, timeout: Option<u32>) -> String {
    let Testing { memory, total_memory: _, disk, network, data: _, max_age: _, patience } = testing;
    let text = format!("{memory} {disk} {} {patience} {timeout:?}", network.name());
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

fn key(it: ExpectedTest) -> TestKey {
    (it.environment, it.kind, it.name)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        mission::checkout::Environment,
        run::{files, process::Permit},
    };

    /// Returns a mission with the environments `sea` and `sky`, each with three imports.
    pub(crate) fn mission(dir: &Path) -> Mission {
        let environment = |name: &str| {
            let dir = dir.join("environments").join(name);
            files::write(Permit::of_test(), &dir.join("tests/imports"), b"a\nb\nc\n").unwrap();
            Environment { name: name.to_owned(), dir }
        };
        let environments = ["sea", "sky"].map(environment).to_vec();
        Mission { name: "hello".to_owned(), dir: dir.to_owned(), environments }
    }

    #[test]
    fn parts() {
        for good in ["1/1", "2/3", "99/99"] {
            assert_eq!(good.parse::<Part>().unwrap().to_string(), good);
        }
        for bad in ["", "1", "0/1", "2/1", "1/100", "1/0", "+1/2", "01/2", "1/2/3", "a/b", "-1/2"] {
            assert!(bad.parse::<Part>().is_err(), "{bad}");
        }
    }

    #[test]
    fn each_test_is_in_one_part() {
        let dir = tempfile::tempdir().unwrap();
        let division = Division::new(&mission(dir.path()), 3).unwrap();
        let counts = [1, 2, 3].map(|it| division.tests(it).count());
        // The last part has those of the image as a whole, too.
        assert_eq!(counts[..2], [3, 3]);
        assert_eq!(counts.iter().sum::<usize>(), division.0.len());
        let [first, second, third] = [1, 2, 3].map(|it| division.selection(it).unwrap());
        for (environment, kind, name) in division.0.keys() {
            let wanted = [&first, &second, &third].map(|it| it.wants(environment, *kind, name));
            assert_eq!(wanted.iter().filter(|it| **it).count(), 1, "{environment} {name}");
        }
        let unknown = ("sky", TestKind::Notebook, "/opt/x.ipynb");
        let wanted = [&first, &second].map(|it| it.wants(unknown.0, unknown.1, unknown.2));
        assert_eq!(wanted, [true, false]);
        assert!(Division::new(&mission(dir.path()), 1).unwrap().selection(1).unwrap().is_all());
        assert!(Division::new(&mission(dir.path()), 20).unwrap().selection(19).is_none());
    }

    #[test]
    fn a_mission_with_a_test_of_its_own_stays_whole() {
        let dir = tempfile::tempdir().unwrap();
        let mission = mission(dir.path());
        let before = Division::new(&mission, 3).unwrap().digest();
        files::write(Permit::of_test(), &dir.path().join("environments/test"), b"#!/bin/sh\n")
            .unwrap();
        let division = Division::new(&mission, 3).unwrap();
        assert!(division.tests(1).count() == 9 && division.tests(2).count() == 0);
        assert_ne!(division.digest(), before);
        assert!(division.selection(2).is_none());
    }
}
