//! A new release record: what every run knows before it changes anything.

use std::{env, time::SystemTime};

use crate::{
    hub::record::{
        Action, By, Chart, Cluster, Digests, Git, JupyterHub, Outcome, Reasons, Record, Tools,
    },
    run::printable,
    task::{Session, shared::hub_target::Hub},
    tools::{git, helm::Helm},
};

/// Returns the time of records.
pub(crate) fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// Returns the record of a run that starts now. Images, reasons, state of the checkout, chart, values and
/// versions of JupyterHub are empty: they depend on the task.
///
/// # Errors
/// The cluster or git cannot be asked.
pub(crate) fn opened(
    session: &Session,
    hub: &Hub,
    helm: &Helm,
    action: Action,
    revision: u32,
    previous: Option<u32>,
) -> anyhow::Result<Record> {
    let root = &session.checkout.root;
    let versions = hub.cluster.versions()?;
    let cluster = Cluster {
        context: Some(hub.cluster.current_context()?),
        identity: Some(hub.identity()?),
        version: Some(versions.server),
    };
    let tools = Tools {
        xtask: git::state(root)?,
        helm: Some(helm.version.clone()),
        kubectl: Some(versions.client),
    };
    let by = By {
        git: git::user_name(root)?.as_deref().map(printable::line),
        cluster: hub.cluster.user().as_deref().map(printable::line),
        run: ci_run(&|name| env::var(name).ok()),
    };
    Ok(Record {
        record: Record::VERSION,
        release: hub.target.release.clone(),
        namespace: hub.cluster.namespace.clone(),
        cluster,
        mission: hub.of.mission.name.clone(),
        environment: hub.environment.clone(),
        revision,
        previous,
        action,
        started: now(),
        finished: None,
        result: Outcome::Started,
        reason: None,
        live: None,
        images: Vec::new(),
        reasons: Reasons::default(),
        git: Git::default(),
        chart: Chart::default(),
        values: Digests::default(),
        jupyterhub: JupyterHub::default(),
        tools,
        by,
        smoke: None,
        backup: None,
        from: None,
    })
}

/// Returns who runs this, in a few words: for the lock and for labels.
pub(crate) fn name(by: &By) -> String {
    by.git.as_ref().or(by.cluster.as_ref()).or(by.run.as_ref()).cloned().unwrap_or_default()
}

/// Returns the address of the run of GitHub Actions or of GitLab CI that this is a part of.
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/variables>,
/// <https://docs.gitlab.com/ci/variables/predefined_variables/>
fn ci_run(variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let set = |name: &str| variable(name).filter(|it| !it.is_empty());
    let github = || {
        let (server, repository) = (set("GITHUB_SERVER_URL")?, set("GITHUB_REPOSITORY")?);
        Some(format!("{server}/{repository}/actions/runs/{}", set("GITHUB_RUN_ID")?))
    };
    github().or_else(|| set("CI_JOB_URL")).as_deref().map(printable::line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_ci() {
        let github = |name: &str| match name {
            "GITHUB_SERVER_URL" => Some("https://github.com".to_owned()),
            "GITHUB_REPOSITORY" => Some("us/platform".to_owned()),
            "GITHUB_RUN_ID" => Some("7".to_owned()),
            _ => None,
        };
        let run = ci_run(&github).unwrap();
        assert_eq!(run, "https://github.com/us/platform/actions/runs/7");
        let gitlab =
            |name: &str| (name == "CI_JOB_URL").then(|| "https://gitlab.com/j/1".to_owned());
        assert_eq!(ci_run(&gitlab).unwrap(), "https://gitlab.com/j/1");
        assert_eq!(ci_run(&|_| Some(String::new())), None);
    }
}
