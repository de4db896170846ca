//! Receipts of all parts of an image's tests, which become one. They come from other machines.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail, ensure};
use fs_err as fs;

use super::{Outcome, Receipt, Test, form, path, untold};
use crate::{
    mission::checkout::{Checkout, Mission},
    testing::{
        selection::TestKey,
        shard::{Division, Part, Shard},
    },
};

/// A receipt of a part, and the file that it was read from.
#[derive(Debug, Clone)]
pub(crate) struct PartReceipt {
    pub(crate) file: String,
    pub(crate) receipt: Receipt,
}

impl PartReceipt {
    fn shard(&self) -> anyhow::Result<&Shard> {
        let shard = self.receipt.shard.as_ref();
        shard.with_context(|| format!("{}: not the receipt of a part of the tests", self.file))
    }
}

/// Merges the receipts of all parts of the tests of one image of `mission`.
///
/// # Errors
/// A part is missing, is there twice, is about something else than the first, or has other tests than
/// its own; or the tests are not those of this checkout.
pub(crate) fn merge(mission: &Mission, parts: &[PartReceipt]) -> anyhow::Result<Receipt> {
    let first = parts.first().context("no receipt of a part of the tests")?;
    let Shard { part: Part { of, .. }, tests, .. } = first.shard()?;
    let division = Division::new(mission, *of)?;
    ensure!(
        *tests == division.digest(),
        "{}: its list of tests is not that of missions/{} here; run the parts and the merge on one commit",
        first.file,
        mission.name
    );
    let mut by_index: BTreeMap<u16, &PartReceipt> = BTreeMap::new();
    for it in parts {
        agrees(it, first)?;
        let part = it.shard()?.part;
        if let Some(other) = by_index.insert(part.index, it) {
            bail!("{}: part {part} is also in {}", it.file, other.file);
        }
        has_its_tests(it, part, &division)?;
    }
    if let Some(index) = (1..=*of).find(|it| !by_index.contains_key(it)) {
        let part = Part { index, of: *of };
        bail!(
            "part {part} is missing; run `cargo xtask image-test {} --shard {part}`",
            mission.name
        );
    }
    let mut res = whole(by_index.values().map(|it| &it.receipt), &first.receipt);
    res.tests.extend(untold(mission, &res));
    form::check(&res)?;
    Ok(res)
}

/// Checks that `it` is about the same as `first`.
fn agrees(it: &PartReceipt, first: &PartReceipt) -> anyhow::Result<()> {
    let (shard, wanted) = (it.shard()?, first.shard()?);
    let (a, b) = (&it.receipt, &first.receipt);
    let fields = [
        ("mission", a.mission == b.mission),
        ("image", a.image == b.image),
        ("platform", a.platform == b.platform),
        ("inputs", a.inputs == b.inputs),
        ("commit", a.commit == b.commit),
        ("frozen specs", a.frozen_specs == b.frozen_specs),
        ("data", a.data == b.data),
        ("number of parts", shard.part.of == wanted.part.of),
        ("list of tests", shard.tests == wanted.tests),
        ("settings of tests", shard.settings == wanted.settings),
    ];
    match fields.iter().find(|(_, agree)| !agree) {
        Some((field, _)) => bail!("{}: another {field} than in {}", it.file, first.file),
        None => Ok(()),
    }
}

/// Checks that a receipt has all tests of its part, and no test of another one. Only the first part has
/// tests that the checkout does not know; in each, the tester itself can fail.
fn has_its_tests(it: &PartReceipt, part: Part, division: &Division) -> anyhow::Result<()> {
    let mut lacking: BTreeSet<&TestKey> = division.tests(part.index).collect();
    for test in &it.receipt.tests {
        let key = (test.environment.clone(), test.kind, test.name.clone());
        let is_foreign = match division.index(&key) {
            Some(index) => index != part.index,
            None => part.index != 1 && test.outcome == Outcome::Passed,
        };
        ensure!(!is_foreign, "{}: `{}` is not a test of part {part}", it.file, test.title());
        lacking.remove(&key);
    }
    match lacking.first() {
        Some((environment, kind, name)) => {
            bail!("{}: part {part} lacks the test `{environment} {kind} {name}`", it.file)
        }
        None => Ok(()),
    }
}

fn whole<'a>(parts: impl Iterator<Item = &'a Receipt> + Clone, first: &Receipt) -> Receipt {
    let started = parts.clone().map(|it| &it.started).min();
    // The part with the tests of the image as a whole is told what the image holds.
    let contents = parts.clone().map(|it| &it.contents).max_by_key(|it| it.environments.len());
    Receipt {
        started: started.unwrap_or(&first.started).clone(),
        seconds: parts.clone().map(|it| it.seconds).sum(),
        complete: true,
        contents: contents.unwrap_or(&first.contents).clone(),
        network: parts.clone().find_map(|it| it.network),
        tests: parts.flat_map(|it| &it.tests).cloned().collect::<Vec<Test>>(),
        dependencies: BTreeMap::new(),
        refrozen: BTreeMap::new(),
        published: Vec::new(),
        shard: None,
        ..first.clone()
    }
}

impl Receipt {
    /// Takes over from the receipt of the same image in `checkout`, if there is one, what tests do not tell.
    ///
    /// # Errors
    /// That receipt has failures, and is newer than the oldest part.
    pub(crate) fn replacing(mut self, checkout: &Checkout) -> anyhow::Result<Receipt> {
        let text = fs::read_to_string(path(checkout, &self.mission, &self.image));
        let old = text.ok().and_then(|it| Receipt::parse(&it).ok());
        if let Some(old) = old.filter(|it| it.image == self.image) {
            let is_newer_failure = old.complete && !old.passed() && old.started > self.started;
            ensure!(
                !is_newer_failure,
                "{}: all tests of this image ran here after these parts, at {}, and some failed; test the parts again",
                self.mission,
                old.started
            );
            self.refrozen = old.refrozen;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        mission::test_kind::TestKind,
        testing::{receipt::tests::receipt, shard::tests::mission},
    };

    /// Returns the receipts of `of` parts of the tests of a mission, all passed.
    fn parts(mission: &Mission, of: u16) -> Vec<PartReceipt> {
        let division = Division::new(mission, of).unwrap();
        let test = |(environment, kind, name): &TestKey| Test {
            environment: environment.clone(),
            kind: *kind,
            name: name.clone(),
            outcome: Outcome::Passed,
            ..Test::of_mission("", String::new())
        };
        let part = |index| PartReceipt {
            file: format!("{index}.json"),
            receipt: Receipt {
                complete: false,
                tests: division.tests(index).map(test).collect(),
                shard: Some(Shard {
                    part: Part { index, of },
                    tests: division.digest(),
                    settings: "0".repeat(64),
                }),
                ..receipt()
            },
        };
        (1..=of).map(part).collect()
    }

    /// Merges three parts after a change.
    #[track_caller]
    fn merged(change: impl FnOnce(&mut Vec<PartReceipt>)) -> Result<Receipt, String> {
        let dir = tempfile::tempdir().unwrap();
        let mission = mission(dir.path());
        let mut parts = parts(&mission, 3);
        change(&mut parts);
        merge(&mission, &parts).map_err(|err| format!("{err:#}"))
    }

    #[test]
    fn all_parts_are_one_receipt() {
        let merged = merged(|it| it.reverse()).unwrap();
        assert!(merged.complete && merged.shard.is_none());
        assert_eq!(merged.seconds, 3.0);
        // The image of this test tells of no environment.
        let failed: Vec<String> = merged.failures().map(|it| it.title()).collect();
        assert_eq!(failed, ["sea: mission contents", "sky: mission contents"]);
    }

    #[test]
    fn what_is_not_the_other_parts_is_refused() {
        let hex = |c: char| c.to_string().repeat(64);
        for (reason, change) in [
            (
                "another mission",
                (|it| it.mission = "roman".try_into().unwrap()) as fn(&mut Receipt),
            ),
            ("another image", |it| {
                it.image = format!("sha256:{}", "e".repeat(64)).parse().unwrap()
            }),
            ("another platform", |it| it.platform = "linux/arm64".to_owned()),
            ("another inputs", |it| it.inputs = "e".repeat(64)),
            ("another commit", |it| it.commit = "e".repeat(40)),
            ("another data", |it| it.data = vec!["/a:/b".to_owned()]),
        ] {
            let said = merged(|it| change(&mut it[1].receipt)).unwrap_err();
            assert_eq!(said, format!("2.json: {reason} than in 1.json"));
        }
        let shard = |change: fn(&mut Shard)| {
            merged(|it| change(it[1].receipt.shard.as_mut().unwrap())).unwrap_err()
        };
        assert!(shard(|it| it.settings = "e".repeat(64)).contains("another settings of tests"));
        assert!(shard(|it| it.tests = "e".repeat(64)).contains("another list of tests"));
        assert!(shard(|it| it.part.of = 4).contains("another number of parts"));
        let all = |it: &mut Vec<PartReceipt>| {
            it.iter_mut().for_each(|it| it.receipt.shard.as_mut().unwrap().tests = hex('e'));
        };
        assert!(merged(all).unwrap_err().contains("is not that of missions/hello here"));
        let said = merged(|it| it[1].receipt.shard = None).unwrap_err();
        assert_eq!(said, "2.json: not the receipt of a part of the tests");
    }

    #[test]
    fn a_part_that_is_missing_or_there_twice_is_named() {
        let said = merged(|it| drop(it.remove(1))).unwrap_err();
        assert_eq!(said, "part 2/3 is missing; run `cargo xtask image-test hello --shard 2/3`");
        let said = merged(|it| it.push(it[0].clone())).unwrap_err();
        assert_eq!(said, "1.json: part 1/3 is also in 1.json");
        assert_eq!(merged(Vec::clear).unwrap_err(), "no receipt of a part of the tests");
    }

    #[test]
    fn a_part_has_its_own_tests() {
        let said = merged(|it| drop(it[1].receipt.tests.remove(0))).unwrap_err();
        assert!(said.starts_with("2.json: part 2/3 lacks the test `sea "), "{said}");
        let taken = |it: &mut Vec<PartReceipt>| {
            let test = it[0].receipt.tests[0].clone();
            it[1].receipt.tests.push(test);
        };
        let said = merged(taken).unwrap_err();
        assert!(said.ends_with("` is not a test of part 2/3"), "{said}");
        let unknown = |outcome| Test {
            outcome,
            ..Test { kind: TestKind::Notebook, ..Test::of_mission("x.ipynb", String::new()) }
        };
        merged(|it| it[0].receipt.tests.push(unknown(Outcome::Passed))).unwrap();
        assert!(merged(|it| it[1].receipt.tests.push(unknown(Outcome::Passed))).is_err());
        let failed = merged(|it| it[1].receipt.tests.push(unknown(Outcome::Failed))).unwrap();
        assert!(!failed.passed());
    }
}
