//! A mission's hub in one environment, and the cluster that it is deployed to.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::{
    hub::{
        lock,
        record::{self, Record},
        target::Target,
        values::{self, LOCAL, Values},
    },
    run::failure,
    task::{MissionConfig, Session, args::Missions},
    tools::{
        helm::Helm,
        kubectl::{Cluster, Kind},
    },
};

/// A mission's hub in one environment.
#[derive(Debug, Clone)]
pub(crate) struct Hub {
    pub(crate) of: MissionConfig,
    pub(crate) environment: String,
    pub(crate) target: Target,
    pub(crate) cluster: Cluster,
    /// Secrets by which nodes log in to registries.
    pub(crate) pull_secrets: Vec<String>,
}

/// Release records as they are stored, and by revision.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// The ConfigMap.
    pub(crate) stored: Option<Value>,
    /// Each record, or why it cannot be read.
    pub(crate) by_revision: BTreeMap<u32, anyhow::Result<Record>>,
}

/// Returns each named mission with each environment; without one, with the mission's `ENVIRONMENT`.
///
/// # Errors
/// A mission is unknown, or an environment is that of the hub on this machine.
pub(crate) fn named(
    session: &Session,
    missions: &Missions,
    environments: &[String],
) -> anyhow::Result<Vec<(MissionConfig, String)>> {
    let mut res = Vec::new();
    for of in session.named(missions).map_err(failure::request)? {
        let own = [of.config.environment.clone()];
        let chosen = if environments.is_empty() { &own[..] } else { environments };
        for environment in chosen {
            if environment == LOCAL {
                let text = "`local` is the hub on this machine; `cargo xtask hub-up` starts it, and `--env NAME` names another environment";
                return Err(failure::request(anyhow::anyhow!(text)));
            }
            res.push((of.clone(), environment.clone()));
        }
    }
    Ok(res)
}

impl Hub {
    /// Returns the hub of one mission and environment, without its secrets.
    ///
    /// # Errors
    /// As for [`Hub::new`], and the mission has no values for the environment.
    pub(crate) fn read(
        session: &Session,
        mission: Option<&str>,
        environment: Option<&str>,
    ) -> anyhow::Result<Hub> {
        let missions =
            Missions { missions: mission.iter().map(|&it| it.to_owned()).collect(), all: false };
        let environments: Vec<String> = environment.iter().map(|&it| it.to_owned()).collect();
        let (of, environment) = named(session, &missions, &environments)?.remove(0);
        let layers = values::read(&session.checkout, &of.mission, &environment);
        let values = Values::merged(layers.map_err(failure::request)?).map_err(values::refusal)?;
        let found: Vec<_> = values.layers.iter().flat_map(crate::hub::target::findings).collect();
        if !found.is_empty() {
            return Err(values::refusal(found));
        }
        Hub::new(session, of, environment, &values)
    }

    /// Returns the hub that valid values describe.
    ///
    /// # Errors
    /// Mission and environment make no name of a release.
    pub(crate) fn new(
        session: &Session,
        of: MissionConfig,
        environment: String,
        values: &Values,
    ) -> anyhow::Result<Hub> {
        let target =
            Target::new(values, &of.mission.name, &environment).map_err(failure::request)?;
        let cluster = Cluster {
            dir: session.checkout.root.clone(),
            kubeconfig: target.kubeconfig.clone().or_else(|| of.config.kubeconfig.clone()),
            context: target.context.clone(),
            namespace: target.namespace.clone(),
        };
        Ok(Hub { of, environment, target, cluster, pull_secrets: values.pull_secrets() })
    }

    /// Returns mission and environment for people.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.of.mission.name, self.environment)
    }

    /// Returns the arguments that select this hub, for commands in messages.
    pub(crate) fn args(&self) -> String {
        format!("{} --env {}", self.of.mission.name, self.environment)
    }

    /// Returns the installed Helm for the release.
    pub(crate) fn helm(&self) -> anyhow::Result<Helm> {
        let server = self.cluster.versions()?.server;
        Helm::find(&self.cluster, &self.target.release, &server)
    }

    /// Reads the release records.
    pub(crate) fn records(&self) -> anyhow::Result<Records> {
        let stored = self.cluster.get("configmap", &record::name(&self.target.release))?;
        let by_revision = stored.as_ref().map(record::records).unwrap_or_default();
        Ok(Records { stored, by_revision })
    }

    /// Returns what identifies the cluster: the namespace `kube-system`, or where that cannot be read,
    /// the cluster's certificate and the hub's own namespace.
    pub(crate) fn identity(&self) -> anyhow::Result<String> {
        let uid = |it: &Value| it["metadata"]["uid"].as_str().map(str::to_owned);
        match self.cluster.get("namespace", "kube-system") {
            Ok(Some(it)) => {
                return Ok(format!("kube-system/{}", uid(&it).context("a namespace has a uid")?));
            }
            Err(err) if Kind::of_error(&err) != Some(Kind::Forbidden) => return Err(err),
            _ => (),
        }
        let view = self.cluster.view()?;
        let Some(text) = view["certificate-authority-data"].as_str() else {
            bail!(
                "the cluster cannot be identified: its configuration has no certificate, and the namespace kube-system cannot be read"
            );
        };
        let certificate =
            STANDARD.decode(text).ok().context("the cluster's certificate is not base64")?;
        let own = match self.cluster.get("namespace", &self.cluster.namespace) {
            Ok(it) => it.as_ref().and_then(uid).unwrap_or_default(),
            Err(err) if Kind::of_error(&err) == Some(Kind::Forbidden) => String::new(),
            Err(err) => return Err(err),
        };
        Ok(format!("certificate/{}/{own}", lock::hex(&certificate)))
    }

    /// Fails if the values pin another cluster.
    pub(crate) fn check_identity(&self) -> anyhow::Result<()> {
        let Some(pinned) = &self.target.identity else { return Ok(()) };
        let found = self.identity()?;
        if found != *pinned {
            bail!(
                "{}: this is another cluster: expected {pinned}, found {found}\n    fix: choose the cluster's context by `xtask.cluster.context`, or its configuration by KUBECONFIG",
                self.name()
            );
        }
        Ok(())
    }
}
