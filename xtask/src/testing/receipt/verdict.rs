//! Whether a receipt certifies its image: one decision for testing, pushing and explaining.

use super::{Receipt, lacking::lacking};
use crate::mission::checkout::Mission;

/// Reason why an image is not certified. Tests are named by their titles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shortcoming {
    /// The receipt is missing, or has no tests or only a part of them.
    NotTested,
    Failed(Vec<String>),
    /// Tests that must run without a network had one.
    OpenNetwork,
    /// Tests that the mission has and the receipt lacks.
    Lacks(Vec<String>),
}

/// Returns what is wrong with tests of a mission that had a network, and the fix.
pub(crate) fn open_network(mission: &str) -> String {
    format!(
        "{mission}: its tests ran in a cluster with an open network, and must run without one; run `cargo xtask image-test {mission}`, or `--on kubernetes` where network policies are enforced"
    )
}

/// Returns the reason why `receipt` does not certify the image of `mission`, `None` if it does.
pub(crate) fn shortcoming(
    mission: &Mission,
    receipt: Option<&Receipt>,
) -> anyhow::Result<Option<Shortcoming>> {
    let Some(receipt) = receipt else { return Ok(Some(Shortcoming::NotTested)) };
    let failed: Vec<String> = receipt.failures().map(|it| it.title()).collect();
    if !failed.is_empty() {
        return Ok(Some(Shortcoming::Failed(failed)));
    }
    if receipt.complete && receipt.network.is_some() {
        return Ok(Some(Shortcoming::OpenNetwork));
    }
    if !receipt.passed() {
        return Ok(Some(Shortcoming::NotTested));
    }
    let lacks: Vec<String> = lacking(mission, receipt)?.iter().map(|it| it.title()).collect();
    Ok((!lacks.is_empty()).then_some(Shortcoming::Lacks(lacks)))
}
