//! Flags of the tasks about secrets.

use std::path::PathBuf;

use clap::Args;

/// Whose secrets repository a task is about.
#[derive(Debug, Args)]
pub(crate) struct SecretsOf {
    /// The mission; DEPLOYMENT_NAME when not given
    #[arg(short, long)]
    pub(crate) mission: Option<String>,
}

/// Which file of a secrets repository a task is about.
#[derive(Debug, Args)]
pub(crate) struct SecretsFile {
    /// The mission; DEPLOYMENT_NAME when not given
    #[arg(short, long)]
    pub(crate) mission: Option<String>,
    /// Its name in secrets/<mission>/; <ENVIRONMENT>.yaml when not given
    #[arg(short, long)]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SecretsInit {
    #[command(flatten)]
    pub(crate) of: SecretsOf,
    /// A public key that may read: age1…, or an ssh public key; may be given several times
    #[arg(long, value_name = "RECIPIENT")]
    pub(crate) age: Vec<String>,
    /// An AWS key whose users may read; may be given several times
    #[arg(long, value_name = "ARN")]
    pub(crate) kms: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SecretsEdit {
    #[command(flatten)]
    pub(crate) of: SecretsOf,
    /// Its name in secrets/<mission>/; <ENVIRONMENT>.yaml when not given
    pub(crate) file: Option<PathBuf>,
    /// Without a terminal, end the editor after this time
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) time_limit: u64,
}

#[derive(Debug, Args)]
pub(crate) struct SecretsCat {
    #[command(flatten)]
    pub(crate) of: SecretsFile,
    /// Names with dots between, as in hub.cookieSecret; `\.` is a dot within a name
    pub(crate) key: Option<String>,
    /// As this commit had it
    #[arg(long, value_name = "REV")]
    pub(crate) at: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SecretsSet {
    #[command(flatten)]
    pub(crate) of: SecretsFile,
    /// Names with dots between, as in hub.cookieSecret; `\.` is a dot within a name
    pub(crate) key: String,
    /// The value is JSON: a number, a list, or text in quotes
    #[arg(long)]
    pub(crate) as_json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SecretsDiff {
    #[command(flatten)]
    pub(crate) of: SecretsOf,
    /// A commit; the remote's branch when not given
    pub(crate) from: Option<String>,
    /// A commit; HEAD when not given
    pub(crate) to: Option<String>,
}
