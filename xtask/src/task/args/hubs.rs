//! Arguments of tasks about the hub on this machine.

use clap::Args;

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
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
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

#[derive(Debug, Args)]
pub(crate) struct HubStatus {
    /// Print only the password
    #[arg(long, conflicts_with = "json")]
    pub(crate) password: bool,
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
