//! The question before a hub in a cluster changes.

use anyhow::bail;

use crate::{
    run::{failure, process, terminal},
    task::{Session, shared::hub_target::Hub},
};

/// Asks the person at the terminal whether to do `what`, such as `deploy hello prod`; for production the
/// answer is the environment's name. A dry run asks nothing.
///
/// # Errors
/// Neither a person nor `yes` can answer.
pub(crate) fn agrees(session: &Session, hub: &Hub, yes: bool, what: &str) -> anyhow::Result<bool> {
    if yes || session.permit.is_none() {
        return Ok(true);
    }
    if !terminal::has_person() {
        let text = format!("stdin is not a terminal; pass `--yes` to {what}");
        return Err(failure::request(anyhow::anyhow!(text)));
    }
    let environment = hub.target.is_production.then_some(hub.environment.as_str());
    session.ui.say(question(environment, what));
    Ok(is_yes(environment, &process::read_line()?))
}

/// Fails with what is left as it was, for a person who did not agree.
pub(crate) fn refused<T>() -> anyhow::Result<T> {
    bail!("nothing was changed")
}

fn question(production: Option<&str>, what: &str) -> String {
    match production {
        Some(environment) => {
            format!("{what}? production: type the name of the environment, `{environment}`")
        }
        None => format!("{what}? [y/N]"),
    }
}

fn is_yes(production: Option<&str>, answer: &str) -> bool {
    match production {
        Some(environment) => answer.trim() == environment,
        None => matches!(answer.trim(), "y" | "Y" | "yes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_wants_its_name() {
        assert!(is_yes(None, "y\n") && is_yes(None, "yes\n") && !is_yes(None, "\n"));
        assert!(is_yes(Some("prod"), "prod\n"));
        assert!(!is_yes(Some("prod"), "y\n") && !is_yes(Some("prod"), "Prod\n"));
        assert_eq!(question(None, "deploy hello staging"), "deploy hello staging? [y/N]");
    }
}
