//! Format of a receipt's texts and numbers beyond their types.

use std::{collections::BTreeMap, str::FromStr as _};

use anyhow::bail;

use super::{Name, Receipt, Test};
use crate::{
    mission::checkout::is_name,
    run::printable,
    testing::shard::Shard,
    tools::{git, image_name::is_hex_digest, platform::Platform},
};

/// Version of the format that is read and written here.
const VERSION: u32 = 1;

/// Checks the requirements of `docs/receipt.schema.json` beyond types.
pub(super) fn check(receipt: &Receipt) -> anyhow::Result<()> {
    let Receipt { platform, inputs, commit, started, seconds, .. } = receipt;
    if receipt.receipt != VERSION {
        bail!("receipt: its format is {}, and not {VERSION}", receipt.receipt);
    }
    field("platform", platform, "a platform", |it| Platform::from_str(it).is_ok())?;
    field("inputs", inputs, "64 hex digits", is_hex_digest)?;
    field("commit", commit, "a commit", |it| it.is_empty() || git::is_state(it))?;
    hex_of_each("frozen_specs", &receipt.frozen_specs)?;
    field("started", started, "<date>T<time>Z", is_time)?;
    time("seconds", *seconds)?;
    receipt.tests.iter().try_for_each(test)?;
    for it in receipt.dependencies.values() {
        field("dependencies: digest", &it.digest, "64 hex digits", is_hex_digest)?;
        if let Some(sources) = &it.sources {
            field("dependencies: sources", sources, "64 hex digits", is_hex_digest)?;
        }
        if let Some(it) = &it.carried {
            field("dependencies: carried: started", &it.started, "<date>T<time>Z", is_time)?;
        }
    }
    for it in &receipt.published {
        field("published: repository", &it.repository, "a repository", is_repository)?;
    }
    if let Some(Shard { tests, settings, .. }) = &receipt.shard {
        field("shard: tests", tests, "64 hex digits", is_hex_digest)?;
        field("shard: settings", settings, "64 hex digits", is_hex_digest)?;
        if receipt.complete {
            bail!("complete: a part of the tests is not all of them");
        }
    }
    Ok(())
}

/// Checks the schema's requirements on one test. Names of missions and environments become parts of
/// paths.
pub(super) fn test(test: &Test) -> anyhow::Result<()> {
    let is_environment = |it: &str| it.is_empty() || is_name(it);
    field("tests: environment", &test.environment, "the name of an environment", is_environment)?;
    field("tests: name", &test.name, "a name", |it| !it.is_empty())?;
    time("tests: seconds", test.seconds)
}

fn hex_of_each(name: &str, values: &BTreeMap<Name, String>) -> anyhow::Result<()> {
    values.values().try_for_each(|it| field(name, it, "64 hex digits", is_hex_digest))
}

fn field(name: &str, value: &str, form: &str, is_ok: impl Fn(&str) -> bool) -> anyhow::Result<()> {
    if !is_ok(value) {
        bail!("{name}: `{}` is not {form}", printable::excerpt(value));
    }
    Ok(())
}

/// Longest time of a run in seconds: some years.
const LONGEST: f64 = 1e8;

fn time(name: &str, seconds: f64) -> anyhow::Result<()> {
    if !(0.0..=LONGEST).contains(&seconds) {
        bail!("{name}: expected seconds from 0 to {LONGEST}, found {seconds}");
    }
    Ok(())
}

/// Returns whether `text` has the characters of `host[:port]/path`: it is shown, and never
/// contacted.
fn is_repository(text: &str) -> bool {
    let is_plain = |it: u8| it.is_ascii_alphanumeric() || b"._:/-".contains(&it);
    !text.is_empty() && text.bytes().all(is_plain)
}

/// Returns whether `text` is a time like `2026-11-22T10:00:00Z`: RFC 3339 with whole seconds in
/// UTC.
fn is_time(text: &str) -> bool {
    let form = "dddd-dd-ddTdd:dd:ddZ";
    let fits = |(it, form): (u8, u8)| match form {
        b'd' => it.is_ascii_digit(),
        _ => it == form,
    };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
}
