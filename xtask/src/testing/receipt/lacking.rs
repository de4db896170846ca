//! Missing parts of a receipt: required tests, and environments that the image did not report.

use super::{Receipt, Test, missing};
use crate::mission::{checkout::Mission, expected_tests};

/// Returns a failure for each test that a receipt of `mission` must contain and lacks. A receipt of
/// another version of this tool may lack tests.
pub(crate) fn lacking(mission: &Mission, receipt: &Receipt) -> anyhow::Result<Vec<Test>> {
    let mut all = expected_tests::expected(mission)?;
    all.extend(expected_tests::of_the_image(mission));
    let mut res = missing(&all, &receipt.tests, "the receipt does not know it");
    res.extend(untold(mission, receipt));
    Ok(res)
}

/// Returns a failure for each environment of the mission that the image did not report: it may be
/// missing.
pub(crate) fn untold(mission: &Mission, receipt: &Receipt) -> Vec<Test> {
    let told = &receipt.contents.environments;
    let names = mission.environments.iter().map(|it| &it.name);
    let untold = names
        .filter(|it| *it != "base" && told.get(it.as_str()).is_none_or(|it| it.python.is_empty()));
    let failure = |name: &String| Test {
        environment: name.clone(),
        ..Test::of_mission("contents", "the image does not tell what it holds".to_owned())
    };
    untold.map(failure).collect()
}
