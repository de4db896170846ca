//! `check`: the findings of all rules in this checkout; with `--fix` those that remain after fixes.

use std::{
    collections::BTreeMap,
    env,
    path::{self, Path, PathBuf},
};

use anyhow::{Context as _, bail};

use crate::{
    check::{
        self, Facts,
        fix::{self, Change},
        frozen_spec, github, hub_values, sarif,
    },
    mission::checkout::Checkout,
    run::{
        failure, files,
        finding::Finding,
        printable::{self, Shown as _},
        process::{self, Permit},
        redact, terminal,
    },
    specs,
    task::{Session, args},
};

pub(crate) fn run(session: &Session, args: &args::Check) -> anyhow::Result<u8> {
    let written = session.checkout.missions.iter().filter(|_| args.fix).map(|it| &it.name);
    args.sarif.iter().try_for_each(|it| files::check_result(it)).map_err(failure::request)?;
    let _locks = session.lock_missions(written)?;
    let (mut facts, found) = look(session, !args.no_freeze)?.map_err(failure::request)?;
    let files = named(session, &args.files, &facts).map_err(failure::request)?;
    let mut findings = about(found, &files);
    // One change may require another: a stripped notebook needs a line end on its last line.
    for _ in 0..PASSES {
        let changes = if args.fix { changes(&facts, &findings) } else { BTreeMap::new() };
        if changes.is_empty() {
            break;
        }
        changes.values().for_each(|it| session.ui.say(it.to_string()));
        let Some(permit) = session.permit else { break };
        changes.values().try_for_each(|it| apply(permit, &session.checkout, it))?;
        let found;
        (facts, found) = look(session, !args.no_freeze)??;
        findings = about(found, &files);
    }
    for (mission, env) in frozen_spec::never_frozen(&facts).iter().filter(|_| !args.no_freeze) {
        session.ui.say(format!(
            "note: {mission}/{env} was never frozen; `cargo xtask image-all {mission} --floating` writes its frozen spec"
        ));
    }
    for mission in facts.missions.iter().filter(|it| it.is_hidden_in_part()) {
        let dir = mission.sources.mission.shown();
        session.ui.say(format!("note: {dir} cannot be read as a whole; more findings may follow"));
    }
    for note in hub_values::notes(&facts) {
        session.ui.say(format!("note: {note}"));
    }
    if args.annotate || *terminal::ON_GITHUB {
        findings.iter().for_each(|it| terminal::command(&github::annotation(it)));
    }
    if let Some(file) = &args.sarif {
        sarif(session, file, &findings)?;
    }
    session.report(findings)
}

/// Writes the findings as SARIF to `file`.
fn sarif(session: &Session, file: &Path, findings: &[Finding]) -> anyhow::Result<()> {
    let Some(permit) = session.permit else {
        session.ui.say(format!("write {}", file.shown()));
        return Ok(());
    };
    let text = redact::json(&serde_json::to_string_pretty(&sarif::log(findings))?);
    files::write(permit, &path::absolute(file)?, (printable::json(&text) + "\n").as_bytes())?;
    Ok(())
}

/// Reads the checkout and applies all rules.
fn look(
    session: &Session,
    compares_frozen: bool,
) -> anyhow::Result<anyhow::Result<(Facts, Vec<Finding>)>> {
    // Not in the thread that an interruption abandons: this starts git.
    let facts = match Facts::read(&session.checkout) {
        Ok(facts) => Facts { compares_frozen, ..facts.with_settings(&session.sources) },
        Err(err) if failure::status(&err) == 130 => return Err(err),
        Err(err) => return Ok(Err(err)),
    };
    process::interruptible(move || {
        let findings = check::findings(&facts);
        Ok((facts, findings))
    })
}

/// More passes than any file needs.
const PASSES: usize = 5;

/// Returns at most one change of each file's text and one of its mode.
fn changes(facts: &Facts, findings: &[Finding]) -> BTreeMap<(PathBuf, bool), Change> {
    let changes = findings.iter().filter_map(|it| fix::change(facts, it));
    let key = |it: &Change| (it.path().to_owned(), matches!(it, Change::Executable(_)));
    changes.map(|it| (key(&it), it)).collect()
}

fn apply(permit: Permit, checkout: &Checkout, change: &Change) -> anyhow::Result<()> {
    match change {
        Change::Text(path, text) => {
            files::write(permit, &checkout.root.join(path), text.as_bytes())?;
            Ok(())
        }
        Change::Executable(path) => files::make_executable(permit, &checkout.root.join(path)),
    }
}

/// Returns the files and folders that the user named, relative to the root.
fn named(session: &Session, files: &[PathBuf], facts: &Facts) -> anyhow::Result<Vec<PathBuf>> {
    let here = env::current_dir()?;
    let here = here.strip_prefix(&session.checkout.root).unwrap_or(Path::new(""));
    let name = |file: &PathBuf| {
        let path = file
            .strip_prefix(&session.checkout.root)
            .map_or_else(|_| here.join(file), Path::to_owned);
        let path = specs::normal(&path)
            .with_context(|| format!("{}: this is not in the checkout", file.shown()))?;
        if !facts.has(&path) {
            bail!("{}: git has no such file here, or ignores it", file.shown());
        }
        Ok(path)
    };
    files.iter().map(name).collect()
}

/// Returns the findings in `files`, or about a folder that contains one of them; all findings if
/// `files` is empty.
fn about(mut findings: Vec<Finding>, files: &[PathBuf]) -> Vec<Finding> {
    let is_about =
        |it: &Finding, file: &Path| it.file.starts_with(file) || file.starts_with(&it.file);
    findings.retain(|it| files.is_empty() || files.iter().any(|file| is_about(it, file)));
    findings
}
