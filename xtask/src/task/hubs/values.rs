//! `hub-values`: the merged values of a hub, and the file and line that set each.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    hub::values::{Node, Values},
    run::{failure, terminal, ui},
    task::{
        Session,
        args::{self, Missions},
        shared::hub_values::{self, Secrets},
    },
};

pub(crate) fn run(session: &Session, args: &args::HubValues) -> anyhow::Result<u8> {
    let missions = args.of.mission.iter().cloned().collect();
    let named = session.named(&Missions { missions, all: false }).map_err(failure::request)?;
    let secrets = if args.of.without_secrets { Secrets::LeftOut } else { Secrets::Merged };
    for of in &named {
        let environment = args.of.env.as_deref().unwrap_or(&of.config.environment);
        let values = hub_values::read(session, of, environment, secrets)?;
        let values = hub_values::for_show(values, of, environment);
        print(session, args, &values)?;
    }
    Ok(0)
}

fn print(session: &Session, args: &args::HubValues, values: &Values) -> anyhow::Result<()> {
    if args.origin {
        let origins = origins(values);
        match session.flags.json {
            true => terminal::json(&origins)?,
            false => terminal::print(table(&origins)),
        }
        for it in &values.replaced {
            session.ui.say(format!(
                "note: {} replaces the list `{}` of {}; its {} items have no effect",
                it.new, it.key, it.old, it.items
            ));
        }
        return Ok(());
    }
    let shown = values.root.shown();
    match session.flags.json {
        true => terminal::json(&shown)?,
        false => terminal::print(serde_yaml::to_string(&shown)?.trim_end()),
    }
    Ok(())
}

/// A value that has none below it.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Origin {
    value: serde_json::Value,
    /// `file:line` that set it.
    origin: String,
}

/// Returns all values by key.
fn origins(values: &Values) -> BTreeMap<String, Origin> {
    let mut res = BTreeMap::new();
    values.root.leaves("", &mut |key: &str, node: &Node| {
        let origin = Origin { value: node.shown(), origin: node.at.to_string() };
        res.insert(key.to_owned(), origin);
    });
    res
}

/// Longest value that the table shows whole.
const WIDTH: usize = 60;

fn table(origins: &BTreeMap<String, Origin>) -> String {
    let rows: Vec<Vec<String>> = origins
        .iter()
        .map(|(key, it)| vec![key.clone(), short(&it.value), it.origin.clone()])
        .collect();
    ui::table(&["KEY", "VALUE", "ORIGIN"], &rows)
}

fn short(value: &serde_json::Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let line: String = text.lines().next().unwrap_or_default().chars().take(WIDTH).collect();
    if line.len() < text.len() { format!("{line}…") } else { line }
}
