//! `receipt merge FILE…`: the receipts of all parts of an image's tests become one.

use std::path::Path;

use anyhow::{Context as _, ensure};

use crate::{
    run::{failure, files, printable::Shown as _, terminal},
    settings::config::Mode,
    task::{Session, args::ReceiptMerge},
    testing::{
        image_test::{self, Rerun},
        receipt::{self, LARGEST_RESULTS, PartReceipt, Receipt, merge},
    },
};

pub(crate) fn run(session: &Session, args: &ReceiptMerge) -> anyhow::Result<u8> {
    let merged = merged(session, args).map_err(failure::request)?;
    let _locks = session.lock_missions([merged.mission.to_string()].iter())?;
    let merged = merged.replacing(&session.checkout).map_err(failure::request)?;
    let (count, failed) = (merged.tests.len(), merged.failures().count());
    if let Some(permit) = session.permit {
        let path = merged.write(permit, &session.checkout)?;
        session.ui.say(format!("receipt: {}", session.checkout.relative(&path).shown()));
    }
    if session.flags.json {
        terminal::json(&merged)?;
    } else {
        terminal::print(format_args!(
            "{} {}: {} passed, {failed} failed in {} parts",
            merged.mission,
            merged.image,
            count - failed,
            args.files.len()
        ));
    }
    if failed > 0 {
        let floating = merged.frozen_specs.is_empty();
        let mode = if floating { Mode::Floating } else { Mode::Frozen };
        session.ui.say(image_test::failures(&merged, Rerun::Image(mode)));
    }
    if merged.network.is_some() {
        session.ui.say(receipt::open_network(&merged.mission));
    }
    Ok(u8::from(!merged.passed()))
}

fn merged(session: &Session, args: &ReceiptMerge) -> anyhow::Result<Receipt> {
    let parts = args.files.iter().map(|it| read(it)).collect::<anyhow::Result<Vec<_>>>()?;
    let first = parts.first().context("no receipt is named")?;
    let mission = session.checkout.mission(&first.receipt.mission)?;
    merge(mission, &parts)
}

fn read(path: &Path) -> anyhow::Result<PartReceipt> {
    let file = path.shown().to_string();
    ensure!(
        path.exists(),
        "{file}: file not found\n    fix: pass the files that `image-test --shard` wrote to target/xtask/shards/<mission>/"
    );
    let text = files::read_foreign_text(path, LARGEST_RESULTS)?;
    let receipt = Receipt::parse(&text).with_context(|| {
        format!("{file}: not a valid receipt; expected a file that `image-test --shard` wrote")
    })?;
    Ok(PartReceipt { file, receipt })
}
