//! `hub-deploy`: checks, shows and makes deployments of hubs to Kubernetes, one after the other.

mod failed;
mod release;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    hub::{
        preflight,
        record::{Outcome, Record},
    },
    run::{failure, terminal, ui},
    task::{
        MissionConfig, Session,
        args::HubDeploy,
        shared::{
            hub_finish,
            hub_plan::{self, Plan, Promotion},
            hub_question,
            hub_target::{self, Hub},
        },
    },
};

/// A row of the summary, and an item of `--json`.
#[derive(Debug, Serialize)]
struct Row {
    mission: String,
    environment: String,
    /// Revision that was made; `None` if none was.
    revision: Option<u32>,
    /// Revision that is live now, where it is known.
    live: Option<u32>,
    /// Such as `deployed`.
    result: String,
    /// Why it failed, was left out or refused.
    reason: Option<String>,
    /// The checks, where they refuse the deployment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<preflight::Row>,
    record: Option<Record>,
    #[serde(skip)]
    status: u8,
}

pub(crate) fn run(session: &Session, args: &HubDeploy) -> anyhow::Result<u8> {
    let (plans, mut rows) = plans(session, args)?;
    if !rows.is_empty() || plans.iter().any(Plan::is_refused) {
        rows.extend(plans.into_iter().map(Row::planned));
        return summary(session, rows);
    }
    for plan in &plans {
        let what = format!("deploy {}", plan.hub.name());
        if !hub_question::agrees(session, &plan.hub, args.yes, &what)? {
            return hub_question::refused();
        }
    }
    let mut rows: Vec<Row> = Vec::new();
    let mut failed: BTreeSet<String> = BTreeSet::new();
    for plan in plans {
        let mission = plan.hub.of.mission.name.clone();
        let row = match failed.contains(&mission) {
            true => Row::skipped(&plan),
            // What was deployed before is told, whatever happens.
            false => release::deploy(session, &plan)
                .unwrap_or_else(|err| Row::failed(session, &plan, &err)),
        };
        if row.status != 0 {
            failed.insert(mission);
        }
        let is_interrupted = row.status == failure::INTERRUPTED;
        rows.push(row);
        if is_interrupted {
            break;
        }
    }
    if session.permit.is_none() {
        return Ok(0);
    }
    summary(session, rows)
}

/// Makes and shows all plans, production last, with a row for each that cannot be made.
fn plans(session: &Session, args: &HubDeploy) -> anyhow::Result<(Vec<Plan>, Vec<Row>)> {
    let (mut res, mut rows) = (Vec::new(), Vec::new());
    for (of, environment) in hub_target::named(session, &args.missions, &args.env)? {
        let (mission, name) = (of.mission.name.clone(), environment.clone());
        match plan(session, args, of, environment) {
            Ok(it) => {
                show(session, &it);
                res.push(it);
            }
            Err(err) if matches!(failure::status(&err), 1 | 2) => {
                session.ui.say(format!("{mission} {name}: {err:#}"));
                rows.push(Row {
                    status: failure::status(&err),
                    ..Row::new(mission, name, None, "refused", Some(hub_finish::reason(&err)))
                });
            }
            Err(err) => return Err(err),
        }
    }
    res.sort_by_key(|it| it.hub.target.is_production);
    Ok((res, rows))
}

fn plan(
    session: &Session,
    args: &HubDeploy,
    of: MissionConfig,
    environment: String,
) -> anyhow::Result<Plan> {
    let progress = session.ui.progress(&format!("{} {environment}", of.mission.name));
    progress.step("checking");
    let from = args.from.as_deref();
    let promotion =
        from.map(|it| Promotion::find(session, &of, &environment, it, args.new_secrets));
    hub_plan::read(
        session,
        of,
        environment,
        &args.reasons.recorded(),
        promotion.transpose()?.as_ref(),
    )
}

fn show(session: &Session, plan: &Plan) {
    let mut text = format!("{}\n{}", plan.hub.name(), preflight::table(&plan.rows));
    if let Some(ready) = &plan.ready {
        text += "\nchanges:\n";
        ready.summary.iter().for_each(|it| text += &format!("    {it}\n"));
        if !ready.diff.is_empty() {
            text += &format!("\n{}", ready.diff);
        }
    }
    match session.flags.json {
        true => session.ui.say(text.trim_end()),
        false => terminal::print(text.trim_end()),
    }
}

impl Row {
    fn new(
        mission: String,
        environment: String,
        live: Option<u32>,
        result: &str,
        reason: Option<String>,
    ) -> Row {
        Row {
            mission,
            environment,
            revision: None,
            live,
            result: result.to_owned(),
            reason,
            checks: Vec::new(),
            record: None,
            status: 0,
        }
    }

    fn of(plan: &Plan, result: &str, reason: Option<String>, status: u8) -> Row {
        let Hub { of, environment, .. } = &plan.hub;
        let row = Row::new(of.mission.name.clone(), environment.clone(), plan.live, result, reason);
        Row { status, ..row }
    }

    /// Returns the row of a call that was refused as a whole.
    fn planned(plan: Plan) -> Row {
        match plan.is_refused() {
            true => {
                let what = plan.rows.iter().find(|it| it.state == preflight::State::Refused);
                let reason = what.map(|it| format!("{}: {}", it.what, it.first_line()));
                Row { checks: plan.rows.clone(), ..Row::of(&plan, "refused", reason, 2) }
            }
            false => Row::of(&plan, "not deployed", Some("another one was refused".to_owned()), 0),
        }
    }

    /// Returns the row of a deployment about which more cannot be told.
    fn failed(session: &Session, plan: &Plan, err: &anyhow::Error) -> Row {
        session.ui.say(format!("{}: {err:#}", plan.hub.name()));
        let reason = Some(hub_finish::reason(err));
        Row { live: None, ..Row::of(plan, "failed", reason, failure::status(err)) }
    }

    fn skipped(plan: &Plan) -> Row {
        let reason = "an earlier deployment of the mission failed".to_owned();
        Row::of(plan, "left out", Some(reason), 1)
    }

    /// Returns the row of a deployment that Helm began.
    fn of_record(plan: &Plan, record: Record, status: u8) -> Row {
        let result = match record.result {
            Outcome::Started => "not finished",
            Outcome::Deployed => "deployed",
            Outcome::SmokeFailed => "smoke test failed",
            Outcome::Failed => "failed",
            Outcome::RolledBack => "rolled back",
        };
        Row {
            revision: Some(record.revision),
            live: record.live,
            reason: record.reason.clone(),
            record: Some(record),
            ..Row::of(plan, result, None, status)
        }
    }
}

/// Prints a row for each deployment, and returns the worst status.
fn summary(session: &Session, rows: Vec<Row>) -> anyhow::Result<u8> {
    let status = rows.iter().map(|it| it.status).max().unwrap_or(0);
    if session.flags.json {
        terminal::json(&rows)?;
        return Ok(status);
    }
    let number = |it: Option<u32>| it.map_or_else(|| "-".to_owned(), |it| it.to_string());
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|it| {
            vec![
                it.mission.clone(),
                it.environment.clone(),
                number(it.revision),
                number(it.live),
                it.result.clone(),
                it.reason.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let heads = ["MISSION", "ENVIRONMENT", "REVISION", "LIVE", "RESULT", "REASON"];
    terminal::print(ui::table(&heads, &cells).trim_end());
    Ok(status)
}
