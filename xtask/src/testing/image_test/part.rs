//! A part of an image's tests, whose receipt is merged with those of the other parts.

use std::time::{Instant, SystemTime};

use super::{Ran, Run, TestRequest, carrying::Ahead, pods::Pods, untested};
use crate::{
    image::{build::BuiltImage, mission_images::MissionImages, runner::Runner},
    run::{files, printable::Shown as _, process},
    testing::{
        receipt::{Contents, Receipt},
        results::{self, Runs},
        shard::{self, Division, Part, Shard},
    },
};

/// Runs a part of the tests of `built`, in a cluster if there are `pods`, and writes the receipt of that part unless it was interrupted.
/// `None` in a dry run.
pub(super) fn test(
    runner: &Runner,
    chosen: &MissionImages,
    built: &BuiltImage,
    asked: &TestRequest,
    part: Part,
    pods: Option<&Pods<'_>>,
) -> anyhow::Result<Option<Receipt>> {
    let mission = &chosen.mission;
    let division = Division::new(mission, part.of)?;
    let (started, clock) = (SystemTime::now(), Instant::now());
    let (mut tests, mut contents) = (Vec::new(), Contents::default());
    if let Some(selection) = division.selection(part.index) {
        let known: Vec<Receipt> = Receipt::all(&runner.checkout, &mission.name).collect();
        let last = Receipt::last(&known);
        let ahead = Ahead::none();
        let run = Run { runner, chosen, built, asked, selection, last, ahead, pods };
        run.make_ready()?;
        Ran { tests, contents, .. } = run.all()?;
    }
    let Some(permit) = runner.permit else { return Ok(None) };
    let receipt = Receipt {
        started: humantime::format_rfc3339_seconds(started).to_string(),
        seconds: clock.elapsed().as_secs_f64(),
        contents,
        tests,
        network: pods.and_then(Pods::network),
        shard: Some(Shard {
            part,
            tests: division.digest(),
            settings: shard::settings(&chosen.config.testing, asked.timeout),
        }),
        ..untested(chosen, built)?
    };
    if pods.is_none() {
        let dir = results::folder(runner, Runs::Selection, &mission.name);
        results::record(permit, &dir, &receipt)?;
    }
    if process::check_interrupted().is_ok() {
        let name = format!("{}.{}.json", receipt.image.short(), part.in_names());
        let path = runner.target().join("shards").join(&mission.name).join(name);
        files::write(permit, &path, receipt.to_json()?.as_bytes())?;
        let path = runner.checkout.relative(&path);
        runner.ui.say(format!("part {part} of the tests of {}: {}", mission.name, path.shown()));
    }
    Ok(Some(receipt))
}
