//! Duration of the tests on a cluster, and what they time themselves.

use std::path::Path;

use anyhow::Context as _;
use fs_err as fs;
use serde::Deserialize;

use super::{Figure, seconds, time};
use crate::{
    run::process::{Permit, cmd},
    task::Session,
};

/// What the tests measured, in seconds.
#[derive(Debug, Deserialize)]
struct Figures {
    missing_image: f64,
}

pub(super) fn figures(
    permit: Permit,
    session: &Session,
    exe: &Path,
) -> anyhow::Result<Vec<Figure>> {
    let root = &session.checkout.root;
    session.ui.say("running ci --cluster");
    let whole = time(permit, &cmd!(root, "{exe} ci --cluster"))?;
    let text = fs::read_to_string(root.join("target/xtask/cluster/figures.json"))?;
    let figures: Figures = serde_json::from_str(&text).context("the tests write their figures")?;
    Ok(vec![
        seconds("ci --cluster", whole, 2700.0),
        Figure {
            what: "from the event about a missing image to the end of hub-deploy",
            measured: figures.missing_image,
            budget: 15.0,
            unit: "s",
        },
    ])
}
