//! Failures of kubectl, told apart by its messages, and a fix for each. Reasons in brackets are those of
//! the API: <https://pkg.go.dev/k8s.io/apimachinery/pkg/apis/meta/v1#StatusReason>.

use std::fmt;

use crate::run::{process, redact::redact};

/// What kind of failure a message of kubectl is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    NotFound,
    AlreadyExists,
    /// The object changed since it was read, or a field belongs to someone else.
    Conflict,
    /// The API refuses the object.
    Invalid,
    Forbidden,
    Unauthorized,
    /// The configuration has no such context, or no cluster.
    Configuration,
    Unreachable,
    /// The API, or what is behind it, cannot answer now.
    Unavailable,
    TimedOut,
    Other,
}

/// A command of kubectl that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) kind: Kind,
    /// The last lines of kubectl, without secrets.
    pub(crate) said: String,
    /// The command line in short.
    pub(super) command: String,
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal { kind, said, command } = self;
        write!(f, "`{command}`: {}", kind.text())?;
        if !said.is_empty() {
            write!(f, "\n{said}")?;
        }
        write!(f, "\n    fix: {}", kind.fix())
    }
}

impl Refusal {
    pub(super) fn new(command: &str, stderr: &str) -> Refusal {
        let said = redact(&process::last_lines(stderr, 5));
        Refusal { kind: Kind::of(stderr), said, command: command.to_owned() }
    }

    #[cfg(test)]
    pub(crate) fn of_test(kind: Kind) -> Refusal {
        Refusal { kind, said: String::new(), command: "kubectl".to_owned() }
    }
}

/// Messages by kind; the first that matches counts.
const MESSAGES: &[(Kind, &[&str])] = &[
    (Kind::NotFound, &["(notfound)"]),
    (Kind::AlreadyExists, &["(alreadyexists)"]),
    (Kind::Conflict, &["(conflict)", "conflict with", "the object has been modified"]),
    (
        Kind::Invalid,
        &["(invalid)", "(badrequest)", "is invalid:", "error validating", "no matches for kind"],
    ),
    (Kind::Forbidden, &["(forbidden)", "is forbidden:"]),
    (
        Kind::Unauthorized,
        &[
            "(unauthorized)",
            "must be logged in",
            "asked for the client to provide credentials",
            "getting credentials:",
        ],
    ),
    (
        Kind::Configuration,
        &[
            "does not exist",
            "no configuration has been provided",
            "invalid configuration",
            "error loading config",
            "no such file or directory",
            "current-context is not set",
        ],
    ),
    (
        Kind::TimedOut,
        &[
            "timed out waiting",
            "context deadline exceeded",
            "client.timeout",
            "request canceled",
            "(timeout)",
            "i/o timeout",
        ],
    ),
    (
        Kind::Unavailable,
        &[
            "(serviceunavailable)",
            "(internalerror)",
            "(toomanyrequests)",
            "currently unable to handle the request",
            "servertimeout",
        ],
    ),
    (
        Kind::Unreachable,
        &[
            "unable to connect",
            "connection to the server",
            "connection refused",
            "no such host",
            "x509:",
            "network is unreachable",
            "unexpected eof",
            "connection reset",
        ],
    ),
];

impl Kind {
    /// Returns the kind of an error; `None` for one that is not of kubectl.
    pub(crate) fn of_error(err: &anyhow::Error) -> Option<Kind> {
        err.downcast_ref::<Refusal>().map(|it| it.kind)
    }

    /// Returns the kind of what kubectl wrote to its standard error.
    pub(crate) fn of(stderr: &str) -> Kind {
        let said = stderr.to_lowercase();
        let found = MESSAGES.iter().find(|(_, texts)| texts.iter().any(|it| said.contains(it)));
        found.map_or(Kind::Other, |it| it.0)
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Kind::NotFound => "not found in the cluster",
            Kind::AlreadyExists => "exists already in the cluster",
            Kind::Conflict => "changed by someone else in the meantime",
            Kind::Invalid => "refused by the cluster as not valid",
            Kind::Forbidden => "not permitted in the cluster",
            Kind::Unauthorized => "the cluster refuses the credentials",
            Kind::Configuration => "the configuration has no such cluster",
            Kind::Unreachable => "the cluster cannot be reached",
            Kind::Unavailable => "the cluster cannot answer now",
            Kind::TimedOut => "no answer in time",
            Kind::Other => "failed",
        }
    }

    pub(crate) fn fix(self) -> &'static str {
        match self {
            Kind::NotFound => {
                "compare the namespace and the context with those of the hub's `xtask.cluster`"
            }
            Kind::AlreadyExists | Kind::Conflict => {
                "run the task again once the other change has ended"
            }
            Kind::Invalid => "correct the values that the message names",
            Kind::Forbidden => "ask the cluster's administrators for this permission",
            Kind::Unauthorized => "log in to the cluster again",
            Kind::Configuration => {
                "set `KUBECONFIG` and `xtask.cluster.context`; `kubectl config get-contexts` lists contexts"
            }
            Kind::Unreachable => "check the network or VPN, and `KUBECONFIG`",
            Kind::Unavailable | Kind::TimedOut => {
                "run the task again; `kubectl get --raw /readyz` shows whether the cluster is ready"
            }
            Kind::Other => "run the command by hand",
        }
    }
}

/// Returns the errors among what kubectl wrote about several documents: each begins with a line of its
/// own, and what follows belongs to it. Warnings are left out.
pub(super) fn split(command: &str, stderr: &str) -> Vec<Refusal> {
    const STARTS: [&str; 5] =
        ["error:", "error ", "the ", "resource mapping not found", "unable to "];
    let mut texts: Vec<String> = Vec::new();
    for line in stderr.lines() {
        let lower = line.to_lowercase();
        if lower.starts_with("warning:") || line.trim().is_empty() {
            continue;
        }
        match texts.last_mut() {
            Some(last) if !STARTS.iter().any(|it| lower.starts_with(it)) => {
                last.push('\n');
                last.push_str(line);
            }
            _ => texts.push(line.to_owned()),
        }
    }
    texts.iter().map(|it| Refusal::new(command, it)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (said, kind) in [
            (r#"Error from server (NotFound): namespaces "a" not found"#, Kind::NotFound),
            (
                r#"Error from server (AlreadyExists): leases.coordination.k8s.io "a" already exists"#,
                Kind::AlreadyExists,
            ),
            (
                r#"Error from server (Conflict): Operation cannot be fulfilled on leases.coordination.k8s.io "a": the object has been modified; please apply your changes to the latest version and try again"#,
                Kind::Conflict,
            ),
            (
                r#"The PersistentVolumeClaim "hub-db-dir" is invalid: spec: Forbidden: spec is immutable after creation"#,
                Kind::Invalid,
            ),
            (
                r#"Error from server (Forbidden): pods is forbidden: User "x" cannot list resource "pods""#,
                Kind::Forbidden,
            ),
            ("error: You must be logged in to the server (Unauthorized)", Kind::Unauthorized),
            (r#"error: context "a" does not exist"#, Kind::Configuration),
            (
                "error: no configuration has been provided, try setting KUBERNETES_MASTER environment variable",
                Kind::Configuration,
            ),
            (
                "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?",
                Kind::Unreachable,
            ),
            (
                "Unable to connect to the server: dial tcp: lookup a: no such host",
                Kind::Unreachable,
            ),
            (
                "Unable to connect to the server: net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
                Kind::TimedOut,
            ),
            ("Unable to connect to the server: dial tcp 10.0.0.1:443: i/o timeout", Kind::TimedOut),
            ("error: timed out waiting for the condition", Kind::TimedOut),
            (
                "Error from server (ServiceUnavailable): the server is currently unable to handle the request",
                Kind::Unavailable,
            ),
            ("something else", Kind::Other),
        ] {
            assert_eq!(Kind::of(said), kind, "{said}");
        }
    }

    #[test]
    fn errors_of_several_documents() {
        let said = "Warning: resource x is missing an annotation\nError from server (NotFound): error when creating \"STDIN\": namespaces \"a\" not found\nThe Deployment \"hub\" is invalid:\n* spec.a: Required value\n* spec.b: Required value\n";
        let found = split("kubectl apply", said);
        let kinds: Vec<Kind> = found.iter().map(|it| it.kind).collect();
        assert_eq!(kinds, [Kind::NotFound, Kind::Invalid]);
        assert!(found[1].said.ends_with("* spec.b: Required value"), "{}", found[1].said);
        assert!(found[0].to_string().contains("    fix: "));
    }
}
