//! Failures of Helm, told apart by its messages, which were measured with 3.17 and 4.3.

use std::fmt;

use crate::{
    run::{process, redact::redact},
    tools::kubectl::Kind,
};

/// Reason of a failure of Helm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Another operation of Helm runs, or one was killed.
    Pending,
    NotFound,
    /// A signal cancelled the operation.
    Interrupted,
    /// A hook failed, or was not ready in time.
    Hook,
    /// The resources were not ready in time.
    NotReady,
    /// Values do not match the chart's schema.
    Values,
    /// The chart is not for this version of Kubernetes.
    KubeVersion,
    /// A resource belongs to another release, or to none.
    Owned,
    /// The cluster's answer.
    Cluster(Kind),
}

/// A command of Helm that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HelmFailure {
    pub(crate) reason: Reason,
    /// The last lines of Helm, without secrets.
    pub(crate) said: String,
    /// The verb, such as `helm upgrade`.
    pub(super) command: String,
}

impl std::error::Error for HelmFailure {}

impl fmt::Display for HelmFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HelmFailure { reason, said, command } = self;
        write!(f, "`{command}`: {}", reason.text())?;
        if !said.is_empty() {
            write!(f, "\n{said}")?;
        }
        write!(f, "\n    fix: {}", reason.fix())
    }
}

impl HelmFailure {
    pub(super) fn new(command: &str, stderr: &str) -> HelmFailure {
        let is_of_helm = |it: &&str| !it.starts_with("WARNING:") && !it.starts_with("level=");
        let said: Vec<&str> = stderr.lines().filter(is_of_helm).collect();
        let said = redact(&process::last_lines(&said.join("\n"), 5));
        HelmFailure { reason: Reason::of(stderr), said, command: command.to_owned() }
    }

    #[cfg(test)]
    pub(crate) fn of_test(stderr: &str) -> HelmFailure {
        HelmFailure::new("helm upgrade", stderr)
    }
}

/// Messages by reason; the first that matches counts.
const MESSAGES: &[(Reason, &[&str])] = &[
    (Reason::Pending, &["another operation (install/upgrade/rollback) is in progress"]),
    (
        Reason::NotFound,
        &["release: not found", "has no deployed releases", "no revision for release"],
    ),
    (Reason::Interrupted, &["context canceled", "has been cancelled"]),
    (Reason::Hook, &["hooks failed"]),
    (Reason::Values, &["don't meet the specifications of the schema", "schema validation"]),
    (Reason::KubeVersion, &["which is incompatible with kubernetes"]),
    (Reason::Owned, &["invalid ownership metadata", "exists and cannot be imported"]),
    (Reason::Cluster(Kind::Unreachable), &["cluster unreachable"]),
    (Reason::NotReady, &["context deadline exceeded", "timed out waiting", "not ready"]),
];

impl Reason {
    /// Returns the reason of a failed operation of Helm; `None` for other errors.
    pub(crate) fn of_error(err: &anyhow::Error) -> Option<Reason> {
        err.downcast_ref::<HelmFailure>().map(|it| it.reason)
    }

    fn of(stderr: &str) -> Reason {
        let said = stderr.to_lowercase();
        let found = MESSAGES.iter().find(|(_, texts)| texts.iter().any(|it| said.contains(it)));
        found.map_or_else(|| Reason::Cluster(Kind::of(stderr)), |it| it.0)
    }

    fn text(self) -> &'static str {
        match self {
            Reason::Pending => "another operation on this release runs, or was killed",
            Reason::NotFound => "no such release or revision",
            Reason::Interrupted => "interrupted",
            Reason::Hook => "a hook of the chart failed",
            Reason::NotReady => "not ready in time",
            Reason::Values => "the values do not match the chart's schema",
            Reason::KubeVersion => "the chart does not support this version of Kubernetes",
            Reason::Owned => "an object of the release belongs to another release",
            Reason::Cluster(kind) => kind.text(),
        }
    }

    fn fix(self) -> &'static str {
        match self {
            Reason::Pending => {
                "wait for the other deployment; if it was killed, `cargo xtask hub-rollback --unlock`"
            }
            Reason::NotFound => "`cargo xtask hub-history` lists the revisions",
            Reason::Interrupted => "run the task again",
            Reason::Hook | Reason::NotReady => "see the pods' events, and the log of `deploy/hub`",
            Reason::Values => "correct the values; `cargo xtask check` names file and line",
            Reason::KubeVersion => {
                "lock an older chart by `cargo xtask hub-chart update <version>`, or upgrade the cluster"
            }
            Reason::Owned => {
                "deploy to a namespace of its own; the name of a release is unique in a cluster"
            }
            Reason::Cluster(kind) => kind.fix(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons() {
        for (said, reason) in [
            (
                "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress",
                Reason::Pending,
            ),
            ("Error: release: not found", Reason::NotFound),
            (
                "Release lab has been cancelled.\nError: UPGRADE FAILED: context canceled",
                Reason::Interrupted,
            ),
            (
                "Error: UPGRADE FAILED: pre-upgrade hooks failed: 1 error occurred:\n\t* timed out waiting for the condition",
                Reason::Hook,
            ),
            ("Error: UPGRADE FAILED: context deadline exceeded", Reason::NotReady),
            (
                "Error: UPGRADE FAILED: resource Deployment/hub/hub not ready. status: InProgress, message: Available: 0/1",
                Reason::NotReady,
            ),
            (
                "Error: Kubernetes cluster unreachable: Get \"https://x\": dial tcp: connect: connection refused",
                Reason::Cluster(Kind::Unreachable),
            ),
            (
                "Error: UPGRADE FAILED: query: failed to query with labels: secrets is forbidden: User \"x\" cannot list resource \"secrets\"",
                Reason::Cluster(Kind::Forbidden),
            ),
            (
                "Error: chart requires kubeVersion: >=1.28.0-0 which is incompatible with Kubernetes v1.20.2",
                Reason::KubeVersion,
            ),
            (
                "Error: values don't meet the specifications of the schema(s) in the following chart(s):",
                Reason::Values,
            ),
        ] {
            assert_eq!(Reason::of(said), reason, "{said}");
        }
        let text =
            HelmFailure::new("helm upgrade", "WARNING: a file is readable\nError: x\n").to_string();
        assert_eq!(text, "`helm upgrade`: failed\nError: x\n    fix: run the command by hand");
    }
}
