//! Flags of the tasks about secrets.

use std::path::PathBuf;

use clap::Args;

/// Mission whose secrets repository a task uses.
#[derive(Debug, Args)]
pub(crate) struct SecretsOf {
    /// Mission; DEPLOYMENT_NAME by default
    #[arg(short, long)]
    pub(crate) mission: Option<String>,
}

/// File of a secrets repository.
#[derive(Debug, Args)]
pub(crate) struct SecretsFile {
    /// Mission; DEPLOYMENT_NAME by default
    #[arg(short, long)]
    pub(crate) mission: Option<String>,
    /// File in secrets/<mission>/; <ENVIRONMENT>.yaml by default
    #[arg(short, long)]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SecretsInit {
    #[command(flatten)]
    pub(crate) of: SecretsOf,
    /// Public key of a recipient: age1…, or an ssh public key; may be repeated
    #[arg(long, value_name = "RECIPIENT")]
    pub(crate) age: Vec<String>,
    /// AWS key whose users are recipients; may be repeated
    #[arg(long, value_name = "ARN")]
    pub(crate) kms: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SecretsEdit {
    #[command(flatten)]
    pub(crate) of: SecretsOf,
    /// File in secrets/<mission>/; <ENVIRONMENT>.yaml by default
    pub(crate) file: Option<PathBuf>,
    /// Time limit of the editor without a terminal
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) time_limit: u64,
}

#[derive(Debug, Args)]
pub(crate) struct SecretsCat {
    #[command(flatten)]
    pub(crate) of: SecretsFile,
    /// Path of the value, as in hub.cookieSecret; `\.` is a dot within a name
    pub(crate) key: Option<String>,
    /// Read the file of this commit
    #[arg(long, value_name = "REV")]
    pub(crate) at: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SecretsSet {
    #[command(flatten)]
    pub(crate) of: SecretsFile,
    /// Path of the value, as in hub.cookieSecret; `\.` is a dot within a name
    pub(crate) key: String,
    /// Read the value as JSON: a number, a list, or quoted text
    #[arg(long)]
    pub(crate) as_json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SecretsDiff {
    #[command(flatten)]
    pub(crate) of: SecretsOf,
    /// Commit; the branch of the remote by default
    pub(crate) from: Option<String>,
    /// Commit; HEAD by default
    pub(crate) to: Option<String>,
}
