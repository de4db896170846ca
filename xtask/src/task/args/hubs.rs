//! Arguments of tasks about hubs.

use std::time::UNIX_EPOCH;

use clap::Args;

use super::Missions;
use crate::hub::{database, record::Reasons};

/// Address of the engine's machine that it alone reaches.
pub(crate) const LOOPBACK: &str = "127.0.0.1";

#[derive(Debug, Args)]
pub(crate) struct HubUp {
    /// Folders under missions/; all that have a tested image by default
    #[arg(value_name = "MISSION")]
    pub(crate) missions: Vec<String>,
    /// Return when the hub answers; `hub-down` stops it
    #[arg(long)]
    pub(crate) detach: bool,
    /// Use the newest images, tested or not, with the scripts and environments of the working tree
    #[arg(long)]
    pub(crate) dev: bool,
    /// Address of the engine's machine on which the hub listens
    #[arg(long, value_name = "ADDRESS", default_value = LOOPBACK)]
    pub(crate) bind: String,
    /// Accept passwords in clear text from other machines, with --bind
    #[arg(long)]
    pub(crate) insecure: bool,
}

#[derive(Debug, Args)]
pub(crate) struct HubDown {
    /// Also remove the homes of all users; asks first
    #[arg(long)]
    pub(crate) volumes: bool,
    /// Remove the homes without asking
    #[arg(long, requires = "volumes")]
    pub(crate) yes: bool,
}

/// A hub in a cluster.
#[derive(Debug, Args)]
pub(crate) struct DeployedHub {
    /// Mission; DEPLOYMENT_NAME by default
    pub(crate) mission: Option<String>,
    /// Environment with values in missions/<mission>/hub/; ENVIRONMENT by default
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct HubStatus {
    /// Mission of a deployed hub; DEPLOYMENT_NAME by default
    #[arg(requires = "env")]
    pub(crate) mission: Option<String>,
    /// Environment of a deployed hub; without one, the hub on this machine
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Compare the deployed hub with its record and with the working tree; exit status 1 if they differ
    #[arg(long, requires = "env")]
    pub(crate) drift: bool,
    /// Print only the password of the hub on this machine
    #[arg(long, conflicts_with_all = ["json", "env"])]
    pub(crate) password: bool,
}

#[derive(Debug, Args)]
pub(crate) struct HubRollback {
    /// Mission, and the revision to bring back: the last one that worked before the current one by default
    #[arg(value_name = "MISSION|REVISION", num_args = 0..=2)]
    pub(crate) words: Vec<String>,
    /// Environment with values in missions/<mission>/hub/; ENVIRONMENT by default
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Roll back without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// Leave the smoke test out, for this reason
    #[arg(long, value_name = "REASON", value_parser = reason)]
    pub(crate) no_smoke: Option<String>,
    /// Unlock a release whose Helm was killed: bring back what was live before
    #[arg(long)]
    pub(crate) unlock: bool,
    /// Also put this backup in the place of the hub's database; the hub stops meanwhile
    #[arg(long, value_name = "NAME", value_parser = backup)]
    pub(crate) restore_db: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct HubLogs {
    /// Go on with new lines until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct HubSmoke {
    /// Mission of the hub; all of them by default
    pub(crate) mission: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct HubDeploy {
    #[command(flatten)]
    pub(crate) missions: Missions,
    /// Environment with values in missions/<mission>/hub/; ENVIRONMENT by default; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Vec<String>,
    /// Deploy without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// Deploy what the last successful release of this environment was, with this environment's values
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(crate) from: Option<String>,
    /// Use the secrets of today instead of those of the promoted release's commit
    #[arg(long, requires = "from")]
    pub(crate) new_secrets: bool,
    #[command(flatten)]
    pub(crate) reasons: HubReasons,
}

/// Reasons for what is left out; the release record keeps them.
#[derive(Debug, Args)]
pub(crate) struct HubReasons {
    /// Deploy images without a receipt, for this reason
    #[arg(long, value_name = "REASON", value_parser = reason)]
    pub(crate) untested: Option<String>,
    /// Deploy a checkout that differs from a pushed commit, for this reason
    #[arg(long, value_name = "REASON", value_parser = reason)]
    pub(crate) dirty: Option<String>,
    /// Leave the smoke test out, for this reason
    #[arg(long, value_name = "REASON", value_parser = reason)]
    pub(crate) no_smoke: Option<String>,
    /// State how an external database was saved before a new major version of JupyterHub
    #[arg(long, value_name = "REASON", value_parser = reason)]
    pub(crate) backup_done: Option<String>,
}

impl HubReasons {
    /// Returns the reasons as records keep them.
    pub(crate) fn recorded(&self) -> Reasons {
        Reasons {
            untested: self.untested.clone(),
            dirty: self.dirty.clone(),
            no_smoke: self.no_smoke.clone(),
            backup_done: self.backup_done.clone(),
        }
    }
}

/// Returns a reason, which is text on one line.
fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.is_empty() || text.chars().any(char::is_control) {
        true => Err("expected a reason on one line".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// Returns the name of a backup.
fn backup(text: &str) -> Result<String, String> {
    match database::is_name(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("expected a name such as {}", database::name(UNIX_EPOCH))),
    }
}
