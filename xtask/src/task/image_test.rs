//! `image-test`: runs a mission's entry point for tests in a container and writes the receipt.

use std::{
    path::Path,
    time::{Instant, SystemTime},
};

use anyhow::Context as _;
use fs_err as fs;

use crate::{
    build::Built,
    config::{Config, Mode},
    container::Container,
    engine::{Engine, Log},
    freeze,
    receipt::{self, Contents, Outcome, Receipt, Test},
    stored_receipt,
    task::Chosen,
    tests_of_mission,
};

/// The mission's entry point for tests, and where it leaves its results.
const ENTRY: &str = "/opt/environments/test";
const RESULTS: &str = "/tmp/test-results";

/// Tests `built`, unless it has a passing receipt, here or in the registry, and `again` is not asked for.
/// Gives the receipt, and whether it was made just now. `None` in a dry run.
///
/// # Errors
/// The container does not start, or leaves no results. Failed tests are no error, but in the receipt.
pub(crate) fn test(
    engine: &Engine,
    chosen: &Chosen,
    built: &Built,
    again: bool,
) -> anyhow::Result<Option<(Receipt, bool)>> {
    let old = stored_receipt::of_built(engine, &chosen.config, built)?;
    if let Some(receipt) = old.as_ref().filter(|it| it.passed() && !again) {
        return Ok(Some((receipt.clone(), false)));
    }
    let started = SystemTime::now();
    let clock = Instant::now();
    let mut log = engine.log(&format!("image-test-{}", built.name))?;
    log.step("starting the container");
    let Some(tests) = run(engine, chosen, built, &mut log)? else { return Ok(None) };
    let receipt = Receipt {
        started: humantime::format_rfc3339_seconds(started).to_string(),
        seconds: clock.elapsed().as_secs_f64(),
        complete: true,
        tests,
        refrozen: old.map(|it| it.refrozen).unwrap_or_default(),
        ..untested(chosen, built)?
    };
    receipt.write(&engine.repo)?;
    Ok(Some((receipt, true)))
}

/// The receipt of an image that nothing was tested on yet; it passes nothing.
///
/// # Errors
/// A frozen spec cannot be read.
pub(crate) fn untested(chosen: &Chosen, built: &Built) -> anyhow::Result<Receipt> {
    Ok(Receipt {
        receipt: 1,
        mission: chosen.mission.name.clone(),
        image: built.image.id.clone(),
        platform: chosen.platform.to_string(),
        inputs: built.image.label(crate::docker::LABEL_INPUTS).unwrap_or_default().to_owned(),
        frozen_specs: match chosen.config.mode {
            Mode::Frozen => freeze::digests(&chosen.mission)?,
            Mode::Floating => std::collections::BTreeMap::new(),
        },
        started: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        seconds: 0.0,
        complete: false,
        contents: Contents::default(),
        tests: Vec::new(),
        refrozen: std::collections::BTreeMap::new(),
        published: Vec::new(),
    })
}

/// All results there are, with a failure for whatever is missing. `None` in a dry run.
fn run(
    engine: &Engine,
    chosen: &Chosen,
    built: &Built,
    log: &mut Log,
) -> anyhow::Result<Option<Vec<Test>>> {
    let name = &built.name;
    let container = Container::new(engine, engine.target().join(format!("test/{name}.cid")))?;
    let cmd = container.run("test").args(run_args(&chosen.config)).args([&built.reference, ENTRY]);
    let status = engine.status(&cmd, log)?;
    if engine.dry_run {
        return Ok(None);
    }
    // The copying starts the log's tail anew.
    let said = log.failure(&cmd, status);
    let results = engine.target().join("test").join(name);
    if results.exists() {
        fs::remove_dir_all(&results)?;
    }
    fs::create_dir_all(&results)?;
    let copy = container.copy(&format!("{RESULTS}/."), &results);
    copy.and_then(|it| engine.run(&it, log))
        .with_context(|| format!("{ENTRY} left no results; {said}"))?;
    let mut tests = receipt::parse_results(&read_results(&results)?)?;
    tests.extend(receipt::missing(&tests_of_mission::expected(&chosen.mission)?, &tests));
    if status != 0 && tests.iter().all(|it| it.outcome == Outcome::Passed) {
        tests.push(Test::of_mission(ENTRY, said));
    }
    Ok(Some(tests))
}

/// The flags of `docker run` for tests.
fn run_args(config: &Config) -> Vec<String> {
    let env = format!("TEST_RESULTS={RESULTS}");
    let mut args: Vec<String> =
        ["--no-healthcheck", "--memory", &config.test_memory, "--env", &env]
            .map(str::to_owned)
            .into();
    args.extend(config.run_pars.clone());
    args
}

fn read_results(results: &Path) -> anyhow::Result<String> {
    let path = results.join("results.jsonl");
    if !path.exists() {
        return Ok(String::new());
    }
    Ok(fs::read_to_string(path)?)
}
