//! What a receipt lacks: tests that had to be in it, and environments that the image did not tell of.

use super::{Receipt, Test, missing};
use crate::mission::{checkout::Mission, expected_tests};

/// What a receipt of `mission` lacks to certify its image: a failure for each test that has to be
/// in it. A receipt that another version of this tool made may know fewer tests.
///
/// # Errors
/// A folder or list cannot be read.
pub(crate) fn lacking(mission: &Mission, receipt: &Receipt) -> anyhow::Result<Vec<Test>> {
    let mut all = expected_tests::expected(mission)?;
    all.extend(expected_tests::of_the_image(mission));
    let mut res = missing(&all, &receipt.tests, "the receipt does not know it");
    res.extend(untold(mission, receipt));
    Ok(res)
}

/// A failure for each environment of the mission of which the image said nothing: it may not be there.
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
