//! The `aws` command line: assuming a role.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::run::process::{self, Change, Cmd, Patience, Permit, cmd};

/// Credentials of a role, valid for an hour. Without `Debug`, so that nothing prints them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    credentials: Credentials,
}

/// Returns the command: <https://docs.aws.amazon.com/cli/latest/reference/sts/assume-role.html>
pub(crate) fn assume_role(dir: &Path, role: &str) -> Change {
    cmd!(
        dir,
        "aws sts assume-role --role-arn {role} --role-session-name science-platform-secrets --output json"
    )
    .without_env(&["SOPS_AGE_KEY"])
    .patience(Patience::Change)
    .asks()
    .finding("secrets")
}

/// Assumes `role`.
pub(crate) fn credentials(permit: Permit, dir: &Path, role: &str) -> anyhow::Result<Credentials> {
    let cmd = assume_role(dir, role);
    let output = process::output(&cmd.permitted(permit))?;
    if output.status != 0 {
        let said = process::last_lines(&output.stderr, 5);
        bail!(
            "cannot assume the role SECRETS_ROLE_ARN={role}\n{said}\n    fix: log in to AWS (`aws sts get-caller-identity` prints your identity) as someone who may assume the role"
        );
    }
    parse(&output.stdout).context("`aws sts assume-role` did not answer with credentials")
}

/// Parses the credentials. The message of a JSON error may quote its input, so it is dropped.
fn parse(text: &str) -> Option<Credentials> {
    serde_json::from_str::<Answer>(text).ok().map(|it| it.credentials)
}

impl Credentials {
    /// Passes the credentials to one process, in its environment.
    pub(crate) fn to<E>(&self, cmd: Cmd<E>) -> Cmd<E> {
        cmd.without_env(&["AWS_PROFILE"])
            .secret_env("AWS_ACCESS_KEY_ID", &self.access_key_id)
            .secret_env("AWS_SECRET_ACCESS_KEY", &self.secret_access_key)
            .secret_env("AWS_SESSION_TOKEN", &self.session_token)
    }
}
