//! `freeze --verify`: whether the image built from frozen specs reproduces them. The verdict is
//! stored in the image's receipt.

use anyhow::bail;
use serde::Serialize;

use crate::{
    image::{
        build::{Builds, BuiltImage},
        export::{self, Export},
        mission_images::MissionImages,
        runner::Runner,
    },
    mission::frozen_environments,
    run::{printable::Shown as _, process::Permit, terminal, ui::Colour},
    task::{
        MissionConfig, Session,
        packages::freeze::{Selected, image},
    },
    testing::{
        image_test,
        receipt::{Name, Receipt, Verdict},
    },
};

pub(super) fn require_frozen(
    session: &Session,
    selected: &Selected,
    named: &[MissionConfig],
) -> anyhow::Result<()> {
    for it in named {
        for environment in selected.of(&it.mission) {
            let path = environment.frozen_spec();
            if !path.is_file() {
                let title = frozen_environments::title(&it.mission, environment);
                bail!(
                    "{}: missing frozen spec; run `cargo xtask freeze {title}`",
                    session.checkout.relative(&path).shown()
                );
            }
        }
    }
    Ok(())
}

/// Output of `--json` about an environment.
#[derive(Debug, Serialize)]
struct Row {
    mission: String,
    environment: String,
    /// Id of the image.
    image: String,
    verdict: Verdict,
    #[serde(skip)]
    diff: String,
}

pub(super) fn run(
    session: &Session,
    runner: &Runner,
    builds: &Builds<'_>,
    selected: &Selected,
    chosen: &[MissionImages],
    diff: bool,
) -> anyhow::Result<u8> {
    let mut rows = Vec::new();
    for it in chosen {
        let built = image(builds, it)?;
        let questions = export::questions(runner, &built.image, &selected.of(&it.mission))?;
        let Some(permit) = runner.permit else {
            questions.iter().for_each(|it| {
                terminal::print(format_args!("{} | cmp - {}", it.cmd, it.path.shown()))
            });
            continue;
        };
        let exports = export::ask(runner, &it.mission, questions)?;
        let of_mission = rows_of(session, it, &built, &exports);
        record(permit, runner, it, &built, &of_mission)?;
        rows.extend(of_mission);
    }
    report(session, &rows, diff)?;
    Ok(u8::from(rows.iter().any(|it| it.verdict == Verdict::Different)))
}

fn rows_of(
    session: &Session,
    chosen: &MissionImages,
    built: &BuiltImage,
    exports: &[Export],
) -> Vec<Row> {
    let row = |it: &Export| {
        Some(Row {
            mission: chosen.mission.name.clone(),
            environment: it.frozen.as_ref()?.name.clone(),
            image: built.image.id.to_string(),
            verdict: if it.differs() { Verdict::Different } else { Verdict::Identical },
            diff: it.diff(session.checkout.relative(&it.path)),
        })
    };
    exports.iter().filter_map(row).collect()
}

/// Adds the verdicts to the image's receipt, or starts one without tests, which passes nothing.
fn record(
    permit: Permit,
    runner: &Runner,
    chosen: &MissionImages,
    built: &BuiltImage,
    rows: &[Row],
) -> anyhow::Result<()> {
    let known = Receipt::read(&runner.checkout, &chosen.mission.name, &built.image)?;
    let mut receipt = match known {
        Some(receipt) => receipt,
        None => image_test::untested(chosen, built)?,
    };
    for row in rows {
        receipt.refrozen.insert(Name::try_from(row.environment.as_str())?, row.verdict);
    }
    receipt.write(permit, &runner.checkout)?;
    Ok(())
}

fn report(session: &Session, rows: &[Row], diff: bool) -> anyhow::Result<()> {
    if session.flags.json {
        terminal::json(&rows)?;
        return Ok(());
    }
    for Row { mission, environment, verdict, diff: text, .. } in rows {
        let (colour, verdict) = match verdict {
            Verdict::Identical => (Colour::Green, "identical"),
            Verdict::Different => (Colour::Red, "different"),
        };
        session.ui.say_in(colour, &format!("{mission}/{environment}: {verdict}"), "");
        if diff || text.lines().count() <= SHORT {
            terminal::print(text);
        }
    }
    if rows.iter().any(|it| it.verdict == Verdict::Different) && !diff {
        session.ui.say("the whole difference: add `--diff`");
    }
    Ok(())
}

/// Longest difference in lines that is always shown.
const SHORT: usize = 40;
