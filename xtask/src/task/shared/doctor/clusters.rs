//! Requirements of hubs on Kubernetes, where settings or values name a cluster.

use super::secrets::MissingTool;
use crate::{
    hub::values::{self, LOCAL},
    run::process,
    task::{Session, shared::hub_target::Hub},
};

/// Returns what is missing for the hubs of all missions that name a cluster, each once. The clusters are
/// asked if `is_online`.
pub(super) fn lacks(session: &Session, is_online: bool) -> Vec<MissingTool> {
    let hubs = hubs(session);
    if hubs.is_empty() {
        return Vec::new();
    }
    let programs = missing_programs(process::on_path);
    if !programs.is_empty() || !is_online {
        return programs;
    }
    let mut asked = Vec::new();
    let mut res = Vec::new();
    for hub in hubs {
        let place = (
            hub.cluster.kubeconfig.clone(),
            hub.cluster.context.clone(),
            hub.target.identity.clone(),
        );
        if asked.contains(&place) {
            continue;
        }
        asked.push(place);
        if let Err(err) = hub.cluster.versions().and_then(|_| hub.check_identity()) {
            let what = format!("{}: {}", hub.name(), first_line(&err));
            let fix =
                "set KUBECONFIG and `xtask.cluster` in the hub's values, and log in to the cluster";
            res.push(MissingTool { what, fix, package: None });
        }
    }
    res
}

/// Returns the hubs of all missions whose values or settings name a cluster.
fn hubs(session: &Session) -> Vec<Hub> {
    let mut res = Vec::new();
    for mission in &session.checkout.missions {
        for environment in values::environments(mission).unwrap_or_default() {
            if environment == LOCAL {
                continue;
            }
            // Rules of `check` report values that cannot be read.
            let hub = Hub::read(session, Some(&mission.name), Some(&environment));
            res.extend(
                hub.ok()
                    .filter(|it| it.cluster.context.is_some() || it.cluster.kubeconfig.is_some()),
            );
        }
    }
    res
}

fn first_line(err: &anyhow::Error) -> String {
    format!("{err:#}").lines().next().unwrap_or_default().to_owned()
}

fn missing_programs(on_path: impl Fn(&str) -> bool) -> Vec<MissingTool> {
    let programs = [
        ("kubectl", "install it: https://kubernetes.io/docs/tasks/tools/"),
        ("helm", "install Helm 3 or 4: https://helm.sh/docs/intro/install/"),
    ];
    let lack = |(name, fix): (&str, &'static str)| MissingTool {
        what: format!("{name} is not on PATH, which deploys hubs"),
        fix,
        package: None,
    };
    programs.into_iter().filter(|it| !on_path(it.0)).map(lack).collect()
}

#[test]
fn both_programs_are_needed() {
    assert_eq!(missing_programs(|_| true), []);
    let missing = missing_programs(|it| it == "helm");
    assert_eq!(missing[0].what, "kubectl is not on PATH, which deploys hubs");
}
