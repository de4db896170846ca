//! `receipt show IMAGE@DIGEST`: what was tested on a published image, from the receipt that the
//! registry has beside it.

use std::collections::BTreeMap;

use anyhow::Context as _;

use crate::{
    failure,
    receipt::{Receipt, is_digest},
    registry::{self, Host},
    stored_receipt,
    task::{
        Desk,
        args::{Missions, ReceiptShow},
    },
    terminal, ui,
};

pub(crate) fn run(desk: &Desk, args: &ReceiptShow) -> anyhow::Result<u8> {
    let (name, digest) = parse(&args.image).map_err(failure::request)?;
    let named = desk.named(&Missions::default()).map_err(failure::request)?.remove(0);
    let engine = desk.engine(&named.config)?;
    let (host, repository) = match name.contains('/') {
        true => (Host::new(&engine.docker, name)?, name.to_owned()),
        false => {
            let host = registry::running(&engine, &named.config)?;
            let host = host.context("the registry on this machine does not run")?;
            let repository = format!("{}/{name}", host.name);
            (host, repository)
        }
    };
    match stored_receipt::certifying(&engine, &host, &repository, digest)? {
        Some(receipt) => print(desk, &receipt, &format!("{repository}@{digest}")),
        None => Ok(0),
    }
}

/// `quay.io/us/hello@sha256:…` in its two parts.
fn parse(image: &str) -> anyhow::Result<(&str, &str)> {
    let parts =
        image.split_once('@').filter(|(name, digest)| !name.is_empty() && is_digest(digest));
    parts.with_context(|| format!("`{image}` is not IMAGE@sha256:<64 hex digits>; a tag can move"))
}

fn print(desk: &Desk, receipt: &Receipt, image: &str) -> anyhow::Result<u8> {
    if desk.flags.json {
        terminal::json(&receipt)?;
        return Ok(0);
    }
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for it in &receipt.tests {
        *counts.entry((&it.environment, &it.kind)).or_default() += 1;
    }
    let rows: Vec<Vec<String>> = counts
        .iter()
        .map(|((environment, kind), count)| {
            let environment = if environment.is_empty() { "-" } else { environment };
            vec![environment.to_owned(), (*kind).to_owned(), count.to_string()]
        })
        .collect();
    terminal::print(image);
    terminal::print(format_args!("image {}, {}", receipt.image, receipt.platform));
    terminal::print(format_args!("made from inputs {}", receipt.inputs));
    terminal::print(format_args!(
        "tested {}, all {} tests passed",
        receipt.started,
        receipt.tests.len()
    ));
    terminal::print(ui::table(&["ENVIRONMENT", "KIND", "PASSED"], &rows));
    Ok(0)
}

#[test]
fn images_by_digest() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let image = format!("127.0.0.1:5000/hello@{digest}");
    assert_eq!(parse(&image).unwrap(), ("127.0.0.1:5000/hello", digest.as_str()));
    for it in ["hello", "hello:v1", "hello@sha256:0", &format!("@{digest}"), &digest] {
        parse(it).unwrap_err();
    }
}
