//! How long the pods of a run may take, from the limits of their tests.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::{
    mission::{checkout::Mission, expected_tests, test_kind::TestKind},
    run::files,
    testing::{selection::TestKey, shard::Division},
};

/// Seconds that a pod may take besides its tests: for a node, the image, and what the checkout does not know.
const BESIDES: f64 = 3600.0;

/// Seconds for a notebook without a limit.
const DAY: f64 = 86_400.0;

/// Longest limit: a cluster counts the nanoseconds of a Job, which may take as long as all pods of a run, in 63 bits.
const LONGEST: f64 = 365.0 * DAY;

/// Largest notebook that is read.
const LARGEST: u64 = 50_000_000;

/// Returns the seconds that each pod may take: those of the part with the longest tests.
pub(crate) fn of_pod(
    mission: &Mission,
    division: &Division,
    timeout: Option<u32>,
    patience: f64,
) -> u64 {
    let seconds = |test: &TestKey| match test.1 {
        TestKind::Notebook => {
            own_limit(mission, test).unwrap_or_else(|| timeout.unwrap_or(600).into())
        }
        TestKind::Script | TestKind::Mission => 3600.0,
        _ => 300.0,
    };
    let of_part = |index| division.tests(index).map(seconds).sum::<f64>();
    let longest = division.parts().into_iter().map(of_part).fold(0.0, f64::max);
    Duration::from_secs_f64(((BESIDES + longest) * patience).min(LONGEST)).as_secs()
}

/// Returns the limit of a notebook that the checkout has and that sets one.
fn own_limit(mission: &Mission, (environment, _, name): &TestKey) -> Option<f64> {
    let path = expected_tests::in_checkout(mission, environment, name)?;
    limit_in(&files::read_foreign_text(&path, LARGEST).ok()?)
}

/// Returns the seconds of `execution.timeout` in a notebook's metadata, like the tester, in which -1 and null
/// mean no limit.
fn limit_in(notebook: &str) -> Option<f64> {
    #[derive(Deserialize)]
    struct Notebook {
        metadata: Value,
    }
    let Notebook { metadata } = serde_json::from_str(notebook).ok()?;
    let own = metadata.get("execution")?.get("timeout")?;
    let seconds = if own.is_null() { -1.0 } else { own.as_f64()? };
    let seconds = if seconds == -1.0 { DAY } else { seconds };
    Some(seconds).filter(|it| *it > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{run::process::Permit, testing::shard};

    #[test]
    fn limits_of_notebooks() {
        for (metadata, expected) in [
            (r#"{"execution": {"timeout": 1200}}"#, Some(1200.0)),
            (r#"{"execution": {"timeout": 0.5}}"#, Some(0.5)),
            (r#"{"execution": {"timeout": -1}}"#, Some(DAY)),
            (r#"{"execution": {"timeout": null}}"#, Some(DAY)),
            (r#"{"execution": {"timeout": -2}}"#, None),
            (r#"{"execution": {"timeout": "9"}}"#, None),
            (r#"{"execution": [9]}"#, None),
            ("{}", None),
            ("[", None),
        ] {
            let notebook = format!(r#"{{"cells": [], "metadata": {metadata}}}"#);
            assert_eq!(limit_in(&notebook), expected, "{metadata}");
        }
        assert_eq!(limit_in("[]"), None);
    }

    #[test]
    fn a_pod_may_take_what_its_tests_may_take() {
        let dir = tempfile::tempdir().unwrap();
        let mission = shard::tests::mission(dir.path());
        let limit = |parts, timeout, patience| {
            of_pod(&mission, &Division::new(&mission, parts).unwrap(), timeout, patience)
        };
        let before = limit(1, None, 1.0);
        let notebook = |name: &str, metadata: &str| {
            let path = dir.path().join("environments/sky/tests").join(name);
            let text = format!(r#"{{"metadata": {metadata}}}"#);
            files::write(Permit::of_test(), &path, text.as_bytes()).unwrap();
        };
        notebook("deep/long.ipynb", r#"{"execution": {"timeout": 50000}}"#);
        notebook("short.ipynb", "{}");
        assert_eq!(limit(1, None, 1.0), before + 50_000 + 600);
        assert_eq!(limit(1, Some(700), 1.0), before + 50_000 + 700);
        assert_eq!(limit(1, None, 2.0), 2 * (before + 50_000 + 600));
        assert!(limit(3, None, 1.0) > 50_000);
        // Whatever is asked for, the Job's time in nanoseconds fits, of the largest number of pods.
        for (timeout, patience) in [(Some(u32::MAX), 1.0), (None, 1e300)] {
            let longest = limit(1, timeout, patience);
            assert!(longest * 100 < i64::MAX as u64 / 1_000_000_000, "{longest}");
        }
    }
}
