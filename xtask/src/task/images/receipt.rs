//! `receipt show IMAGE@DIGEST`: the tests of a published image, from the receipt beside it in the
//! registry.

use std::collections::BTreeMap;

use anyhow::Context as _;

use crate::{
    mission::test_kind::TestKind,
    registry::{self, Host, receipts},
    run::{failure, terminal, ui},
    task::{
        Session,
        args::{Missions, ReceiptShow},
    },
    testing::receipt::Receipt,
    tools::image_name::{Digest, ImageRef},
};

pub(crate) fn run(session: &Session, args: &ReceiptShow) -> anyhow::Result<u8> {
    let (name, digest) = parse(&args.image).map_err(failure::request)?;
    let named = session.named(&Missions::default()).map_err(failure::request)?.remove(0);
    let runner = session.runner(&named.config)?;
    let host = match name.rsplit_once('/') {
        Some((registry, _)) => Host::new(&runner.docker, registry)?,
        None => {
            let host = registry::running(&runner, &named.config)?;
            host.context(
                "the registry on this machine does not run; `cargo xtask image-push` starts it",
            )?
        }
    };
    let repository = host.repository(name.rsplit('/').next().unwrap_or_default());
    match receipts::certifying(&runner, &host, &repository, &digest)? {
        Some(receipt) => print(session, &receipt, &repository.at(&digest)),
        None => Ok(0),
    }
}

/// Returns the two parts of `quay.io/us/hello@sha256:…`.
fn parse(image: &str) -> anyhow::Result<(&str, Digest)> {
    let parts = image.split_once('@').filter(|(name, _)| !name.is_empty());
    let parts = parts.and_then(|(name, digest)| Some((name, digest.parse().ok()?)));
    parts.with_context(|| {
        format!("expected IMAGE@sha256:<64 hex digits>, found `{image}`; a tag can move")
    })
}

fn print(session: &Session, receipt: &Receipt, image: &ImageRef) -> anyhow::Result<u8> {
    if session.flags.json {
        terminal::json(&receipt)?;
        return Ok(0);
    }
    let mut counts: BTreeMap<(&str, TestKind), usize> = BTreeMap::new();
    for it in &receipt.tests {
        *counts.entry((&it.environment, it.kind)).or_default() += 1;
    }
    let rows: Vec<Vec<String>> = counts
        .iter()
        .map(|((environment, kind), count)| {
            let environment = if environment.is_empty() { "-" } else { environment };
            vec![environment.to_owned(), kind.to_string(), count.to_string()]
        })
        .collect();
    terminal::print(image);
    terminal::print(format_args!("image {}, {}", receipt.image, receipt.platform));
    terminal::print(format_args!("made from inputs {}", receipt.inputs));
    if !receipt.commit.is_empty() {
        terminal::print(format_args!("built at commit {}", receipt.commit));
    }
    terminal::print(format_args!(
        "tested {}, all {} tests passed",
        receipt.started,
        receipt.tests.len()
    ));
    for (environment, origin) in receipt.carried_over() {
        terminal::print(format_args!("{environment}: {}", origin.note()));
    }
    terminal::print(ui::table(&["ENVIRONMENT", "KIND", "PASSED"], &rows));
    Ok(0)
}

#[test]
fn images_by_digest() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let image = format!("127.0.0.1:5000/hello@{digest}");
    assert_eq!(parse(&image).unwrap(), ("127.0.0.1:5000/hello", digest.parse().unwrap()));
    for it in ["hello", "hello:v1", "hello@sha256:0", &format!("@{digest}"), &digest] {
        parse(it).unwrap_err();
    }
}
