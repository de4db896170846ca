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
    /// A quota of the namespace is used up.
    Quota,
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
        let text = without_objects(stderr);
        let said = redact(&process::last_lines(&text, 5));
        Refusal { kind: Kind::of(&text), said, command: command.to_owned() }
    }

    #[cfg(test)]
    pub(crate) fn of_test(kind: Kind) -> Refusal {
        Refusal { kind, said: String::new(), command: "kubectl".to_owned() }
    }
}

/// Returns a message without the objects that kubectl quotes in it, which may be Secrets, and without
/// its advice.
fn without_objects(stderr: &str) -> String {
    // The patch, and of which object it is, up to the server's answer about it.
    let text = without(stderr, "error when applying patch:", "error when patching \"STDIN\": ");
    // Numbers and lists of an object that cannot be parsed.
    let text = without(&text, "patch: Invalid value: \"map[", "]\": ");
    let text = match text.split_once(", error found in #") {
        Some((text, _)) => text.to_owned(),
        None => text,
    };
    let text = text.replace("error validating \"STDIN\": error validating data: ", "");
    text.replace(
        "; if you choose to ignore these errors, turn validation off with --validate=false",
        "",
    )
}

/// Returns `text` without what begins with `from` and ends with the last `to`; without an end, the rest
/// is left out.
fn without(text: &str, from: &str, to: &str) -> String {
    let Some((before, rest)) = text.split_once(from) else { return text.to_owned() };
    let after = rest.rsplit_once(to).map_or("…", |it| it.1);
    format!("{before}{after}")
}

/// Messages by kind; the first that matches counts.
const MESSAGES: &[(Kind, &[&str])] = &[
    (Kind::NotFound, &["(notfound)"]),
    (Kind::AlreadyExists, &["(alreadyexists)"]),
    (Kind::Conflict, &["(conflict)", "conflict with", "the object has been modified"]),
    (
        Kind::Invalid,
        &["(invalid)", "(badrequest)", "is invalid:", "validationerror(", "no matches for kind"],
    ),
    (Kind::Quota, &["exceeded quota"]),
    (Kind::Forbidden, &["(forbidden)", "is forbidden:"]),
    (
        Kind::Unauthorized,
        &[
            "(unauthorized)",
            "must be logged in",
            "has asked for the client to provide credentials",
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
            "http response to https client",
            "failed to download openapi",
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
            Kind::Quota => "more than a quota of the namespace allows",
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
            Kind::Invalid => "correct what the message names",
            Kind::Forbidden => "ask the cluster's administrators for this permission",
            Kind::Quota => {
                "remove what is not needed from the namespace, or ask for a larger quota"
            }
            Kind::Unauthorized => "log in to the cluster again",
            Kind::Configuration => {
                "set `KUBECONFIG` and `xtask.cluster.context`; `kubectl config get-contexts` lists contexts"
            }
            Kind::Unreachable => "check the network or VPN, and `KUBECONFIG`",
            Kind::TimedOut => {
                "check the network or VPN, and run the task again; `kubectl get --raw /readyz` shows whether the cluster is ready"
            }
            Kind::Unavailable => {
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
            (
                r#"Error from server (Forbidden): error when creating "STDIN": jobs.batch "x" is forbidden: exceeded quota: small, requested: count/jobs.batch=1, used: count/jobs.batch=1, limited: count/jobs.batch=1"#,
                Kind::Quota,
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
            (
                r#"error: error validating "STDIN": error validating data: ValidationError(Deployment.spec.template.spec.containers[0]): unknown field "imge" in io.k8s.api.core.v1.Container; if you choose to ignore these errors, turn validation off with --validate=false"#,
                Kind::Invalid,
            ),
            (
                r#"unable to recognize no matches for kind "Depl" in version "apps/v1""#,
                Kind::Invalid,
            ),
            // Before the first object is looked at.
            (
                r#"error: error validating "STDIN": error validating data: failed to download openapi: Get "https://a:1/openapi/v2?timeout=32s": dial tcp 10.0.0.1:1: connect: connection refused; if you choose to ignore these errors, turn validation off with --validate=false"#,
                Kind::Unreachable,
            ),
            (
                r#"error: error validating "STDIN": error validating data: failed to download openapi: Get "https://a:1/openapi/v2?timeout=32s": http: server gave HTTP response to HTTPS client; if you choose to ignore these errors, turn validation off with --validate=false"#,
                Kind::Unreachable,
            ),
            (
                r#"error: error validating "STDIN": error validating data: failed to download openapi: the server has asked for the client to provide credentials; if you choose to ignore these errors, turn validation off with --validate=false"#,
                Kind::Unauthorized,
            ),
            ("error: stat /a: no such file or directory", Kind::Configuration),
            ("Unable to connect to the server: context deadline exceeded", Kind::TimedOut),
            (
                r#"Error from server (ServiceUnavailable): no endpoints available for service "hub""#,
                Kind::Unavailable,
            ),
            (
                r#"Error from server (NotFound): error when replacing "STDIN": leases.coordination.k8s.io "a" not found"#,
                Kind::NotFound,
            ),
            (
                "error: Apply failed with 1 conflict: conflict with \"other\": .data.1",
                Kind::Conflict,
            ),
            ("something else", Kind::Other),
        ] {
            assert_eq!(Kind::of(said), kind, "{said}");
            assert_eq!(Refusal::new("kubectl", said).kind, kind, "{said}");
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

    /// Messages of kubectl 1.32 with a cluster of 1.20, of objects with a secret.
    #[test]
    fn objects_are_not_quoted() {
        for (said, kind, rest) in [
            (
                "Error from server (Forbidden): error when applying patch:\n{\"data\":{\"token\":\"c2VjcmV0\"}}\nto:\nResource: \"/v1, Resource=secrets\", GroupVersionKind: \"/v1, Kind=Secret\"\nName: \"hub\", Namespace: \"a\"\nfor: \"STDIN\": error when patching \"STDIN\": secrets \"hub\" is forbidden: User \"b\" cannot patch resource \"secrets\" in API group \"\" in the namespace \"a\"",
                Kind::Forbidden,
                r#"Error from server (Forbidden): secrets "hub" is forbidden: User "b" cannot patch resource "secrets" in API group "" in the namespace "a""#,
            ),
            (
                r#"The request is invalid: patch: Invalid value: "map[data:map[token:c2VjcmV0 values.yaml:%%] metadata:map[annotations:map[a:{\"token\":\"c2VjcmV0\"}\n]]]": error decoding from json: illegal base64 data at input byte 0"#,
                Kind::Invalid,
                "The request is invalid: error decoding from json: illegal base64 data at input byte 0",
            ),
            (
                "Error from server (BadRequest): error when creating \"STDIN\": Secret in version \"v1\" cannot be handled as a Secret: v1.Secret.Data: decode base64: illegal base64 data at input byte 0, error found in #10 byte of ...|yaml\":\"%%\"}}\n|..., bigger context ...|c2VjcmV0\",\"values.yaml\":\"%%\"}}\n|...",
                Kind::Invalid,
                r#"Error from server (BadRequest): error when creating "STDIN": Secret in version "v1" cannot be handled as a Secret: v1.Secret.Data: decode base64: illegal base64 data at input byte 0"#,
            ),
            (
                "Error from server (Invalid): error when applying patch:\n{\"token\":\"c2VjcmV0\"}",
                Kind::Invalid,
                "Error from server (Invalid): …",
            ),
        ] {
            let found = split("kubectl apply", said);
            assert_eq!(found.len(), 1, "{said}");
            assert_eq!((found[0].kind, found[0].said.as_str()), (kind, rest));
        }
    }
}
