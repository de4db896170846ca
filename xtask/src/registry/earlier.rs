//! The receipt of a mission's published image on a machine that has none: results carry over from it
//! to the next image.

use super::{receipts, seen};
use crate::{
    image::runner::Runner,
    registry,
    run::failure,
    settings::config::{Config, Reuse},
    testing::receipt::Receipt,
    tools::image_name::Tag,
};

/// Keeps the receipt of the image that the mission's human tag names here, unless there is any
/// receipt of the mission here. A dry run asks no registry.
///
/// # Errors
/// The run is interrupted. A registry that does not answer, and a receipt that does not certify, are
/// reported and are not errors.
pub(crate) fn keep_receipt(runner: &Runner, config: &Config) -> anyhow::Result<()> {
    let is_known = || Receipt::all(&runner.checkout, &config.mission).next().is_some();
    let may_ask = config.reuse == Reuse::Registry && !config.testing.max_age.is_zero();
    let Some(permit) = runner.permit.filter(|_| may_ask && !is_known()) else { return Ok(()) };
    match published(runner, config) {
        Ok(None) => Ok(()),
        Ok(Some(receipt)) => receipt.write(permit, &runner.checkout).map(drop),
        Err(err) if failure::status(&err) == 1 => {
            runner.ui.say(format!("{}: no result carries over: {err:#}", config.mission));
            Ok(())
        }
        Err(err) => Err(err),
    }
}

/// Returns `None` when the registry does not run, or lacks the image or its receipt.
fn published(runner: &Runner, config: &Config) -> anyhow::Result<Option<Receipt>> {
    let Some(host) = registry::running(runner, config)? else { return Ok(None) };
    let repository = host.repository(&config.mission);
    let human = repository.tagged(&config.image_tag);
    let Some(remote) = seen::under(&host, config, &human)? else { return Ok(None) };
    let stored = repository.tagged(&Tag::of_receipt(&remote.digest));
    if host.remote(&stored)?.is_none() {
        return Ok(None);
    }
    receipts::certifying(runner, &host, &repository, &remote.digest)
}
