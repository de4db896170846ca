//! `check`: what all rules find in this checkout.

use crate::{
    check::{self, Facts},
    failure, report,
    task::Desk,
};

pub(crate) fn run(desk: &Desk<'_>) -> anyhow::Result<u8> {
    let facts = Facts::read(&desk.repo).map_err(failure::request)?;
    let findings = check::findings(&facts);
    let status = u8::from(!findings.is_empty());
    if desk.cli.json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else if !findings.is_empty() {
        println!("{}", report::text(findings));
    }
    Ok(status)
}
