//! kubectl: its command lines, output formats and failures. Each command names the configuration, the
//! context and the namespace where they are set, so that nothing depends on what a person selected last.
//! Objects go through pipes, and are never printed. Reference:
//! <https://kubernetes.io/docs/reference/kubectl/>.

mod refusal;

use std::{fmt, path::PathBuf, time::Duration};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::run::process::{self, Change, Cmd, Output, Patience, Permit, cmd};

pub(crate) use refusal::{Kind, Refusal};

/// Time the cluster has for an answer.
const ANSWER: Duration = Duration::from_secs(30);

/// Time a command has as a whole: more than the cluster has, for several requests in a row.
const WHOLE: Duration = Duration::from_secs(120);

/// A namespace of a cluster, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cluster {
    /// Folder that commands run in: the root of the checkout.
    pub(crate) dir: PathBuf,
    /// Value of `KUBECONFIG`, which may list several files; without one, kubectl's own default.
    pub(crate) kubeconfig: Option<String>,
    /// Without one, the current context of the configuration.
    pub(crate) context: Option<String>,
    pub(crate) namespace: String,
}

/// A permission to ask for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Access {
    pub(crate) verb: &'static str,
    /// API group, empty for the core.
    pub(crate) group: String,
    /// Plural name, such as `deployments`, or with a part, such as `pods/log`.
    pub(crate) resource: String,
    /// Whether objects of the resource are in a namespace.
    pub(crate) is_namespaced: bool,
}

/// Versions of kubectl and of the cluster, such as `v1.32.4`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) client: String,
    pub(crate) server: String,
}

impl Cluster {
    /// Returns kubectl with the arguments of every command.
    fn kubectl(&self) -> Change {
        let Cluster { dir, kubeconfig, context, namespace } = self;
        let mut cmd = cmd!(dir, "kubectl");
        if let Some(it) = kubeconfig {
            cmd = cmd.env("KUBECONFIG", it);
        }
        if let Some(it) = context {
            cmd = cmd.args(["--context", it]);
        }
        // A person's preferences for kubectl (kuberc) may add arguments.
        let cmd = cmd.args(["--namespace", namespace]).env("KUBERC", "off");
        cmd.patience(Patience::Change).finding("clusters")
    }

    /// Returns kubectl with a limit for each request.
    fn limited(&self) -> Change {
        self.kubectl().args([format!("--request-timeout={}s", ANSWER.as_secs())])
    }

    fn query(&self, args: &[&str]) -> Cmd {
        self.limited().args(args).only_reads()
    }

    /// Returns an object of the namespace, or of the cluster; `None` if it does not exist.
    pub(crate) fn get(&self, kind: &str, name: &str) -> anyhow::Result<Option<Value>> {
        let text = answer(&self.query(&["get", kind, name, "-o", "json", "--ignore-not-found"]))?;
        if text.trim().is_empty() { Ok(None) } else { parse(&text).map(Some) }
    }

    /// Returns the objects of some kinds, such as `pods,events`.
    pub(crate) fn list(&self, kinds: &str, selector: Option<&str>) -> anyhow::Result<Vec<Value>> {
        let mut cmd = self.query(&["get", kinds, "-o", "json"]);
        if let Some(it) = selector {
            cmd = cmd.args(["--selector", it]);
        }
        documents(&answer(&cmd)?)
    }

    /// Returns the objects of the cluster that `objects` name; those that do not exist are missing.
    pub(crate) fn stored(&self, objects: &[Value]) -> anyhow::Result<Vec<Value>> {
        if objects.is_empty() {
            return Ok(Vec::new());
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let cmd = self.query(&["get", "-f", "-", "-o", "json", "--ignore-not-found"]);
        documents(&answer(&cmd.stdin(list.to_string()))?)
    }

    /// Returns the answer of the API, or of a service behind it, to a GET request.
    pub(crate) fn raw(&self, path: &str) -> anyhow::Result<String> {
        answer(&self.query(&["get", "--raw", path]))
    }

    /// Returns the last lines of a pod's or workload's log, such as that of `deploy/hub`.
    pub(crate) fn logs(
        &self,
        of: &str,
        container: Option<&str>,
        lines: usize,
        is_previous: bool,
    ) -> anyhow::Result<String> {
        let tail = format!("--tail={lines}");
        let mut cmd = self.query(&["logs", of, &tail]);
        if let Some(it) = container {
            cmd = cmd.args(["--container", it]);
        }
        answer(&if is_previous { cmd.args(["--previous"]) } else { cmd })
    }

    /// Waits until all pods of a workload such as `deploy/hub` are new and ready; fails with
    /// [`Kind::TimedOut`] after `limit`.
    pub(crate) fn rollout(&self, workload: &str, limit: Duration) -> anyhow::Result<()> {
        let timeout = format!("--timeout={}s", limit.as_secs().max(1));
        let cmd = self.kubectl().args(["rollout", "status", workload, &timeout]).only_reads();
        answer_within(&cmd, limit + ANSWER).map(drop)
    }

    /// Returns which of `wanted` the user may do.
    pub(crate) fn can(&self, wanted: &[Access]) -> anyhow::Result<Vec<bool>> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        // A review is created, and stored nowhere: one command asks about all.
        let items: Vec<Value> = wanted.iter().map(|it| it.review(&self.namespace)).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        let cmd = self.query(&["create", "-f", "-", "-o", "json"]).stdin(list.to_string());
        let answers = documents(&answer(&cmd)?)?;
        anyhow::ensure!(
            answers.len() == wanted.len(),
            "`kubectl create` did not answer each review"
        );
        Ok(answers.iter().map(|it| it["status"]["allowed"] == true).collect())
    }

    /// Returns what the cluster refuses of `objects`, without storing any.
    ///
    /// # Errors
    /// The cluster could not be asked.
    pub(crate) fn try_apply(&self, objects: &[Value]) -> anyhow::Result<Vec<Refusal>> {
        if objects.is_empty() {
            return Ok(Vec::new());
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let args = ["apply", "--dry-run=server", "-f", "-", "-o", "name"];
        let cmd = self.query(&args).stdin(list.to_string());
        let Output { status, stderr, .. } = output(&cmd, WHOLE)?;
        let refusals =
            if status == 0 { Vec::new() } else { refusal::split(&cmd.in_short(), &stderr) };
        match refusals.into_iter().find(|it| it.is_about_cluster()) {
            Some(it) => Err(it.into()),
            None if status == 0 => Ok(Vec::new()),
            None => Ok(refusal::split(&cmd.in_short(), &stderr)),
        }
    }

    /// Returns the name of the context that commands use.
    pub(crate) fn current_context(&self) -> anyhow::Result<String> {
        match &self.context {
            Some(it) => Ok(it.clone()),
            None => {
                let cmd = self.kubectl().args(["config", "current-context"]).only_reads();
                Ok(answer(&cmd)?.trim().to_owned())
            }
        }
    }

    /// Returns the configuration's part about the cluster, with `server` and its certificates.
    pub(crate) fn view(&self) -> anyhow::Result<Value> {
        // The rest of the configuration holds credentials.
        let args =
            ["config", "view", "--minify", "--flatten", "-o", "jsonpath={.clusters[0].cluster}"];
        parse(&answer(&self.kubectl().args(args).only_reads())?)
    }

    /// Returns the user's name in the cluster; `None` if the cluster, before 1.28, cannot tell.
    pub(crate) fn user(&self) -> Option<String> {
        let text = answer(&self.query(&["auth", "whoami", "-o", "json"])).ok()?;
        let review = parse(&text).ok()?;
        review["status"]["userInfo"]["username"].as_str().map(str::to_owned)
    }

    pub(crate) fn versions(&self) -> anyhow::Result<Versions> {
        let versions = parse(&answer(&self.query(&["version", "-o", "json"]))?)?;
        let of = |it: &str| {
            let version = versions[it]["gitVersion"].as_str().map(str::to_owned);
            version.with_context(|| format!("`kubectl version` printed no {it}"))
        };
        Ok(Versions { client: of("clientVersion")?, server: of("serverVersion")? })
    }

    /// Returns the command that creates `object`; it fails with [`Kind::AlreadyExists`].
    pub(crate) fn create_cmd(&self, object: &Value) -> Change {
        self.limited().args(["create", "-f", "-", "-o", "json"]).stdin(object.to_string())
    }

    /// Returns the command that creates objects in their order; none may exist.
    pub(crate) fn create_all_cmd(&self, objects: &[Value]) -> Change {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        self.limited().args(["create", "-f", "-", "-o", "name"]).stdin(list.to_string())
    }

    /// Returns the command that replaces `object`; it fails with [`Kind::Conflict`] if `object` has
    /// another `resourceVersion` than the stored one.
    pub(crate) fn replace_cmd(&self, object: &Value) -> Change {
        self.limited().args(["replace", "-f", "-", "-o", "json"]).stdin(object.to_string())
    }

    /// Returns the command that removes an object, if it exists, and waits until it is gone.
    pub(crate) fn delete_cmd(&self, kind: &str, name: &str) -> Change {
        let args = ["delete", kind, name, "--ignore-not-found", "--timeout=60s"];
        self.kubectl().args(args)
    }

    /// Returns the command that removes the objects of some kinds with a label, and does not wait.
    pub(crate) fn delete_all_cmd(&self, kinds: &str, selector: &str) -> Change {
        let args = ["delete", kinds, "--selector", selector, "--ignore-not-found", "--wait=false"];
        self.limited().args(args)
    }

    /// Returns the command that sets the number of a workload's pods.
    pub(crate) fn scale_cmd(&self, workload: &str, replicas: u32) -> Change {
        let replicas = format!("--replicas={replicas}");
        self.limited().args(["scale", workload, &replicas])
    }

    /// Returns the command that runs `args` in a container of a pod, or of a workload such as
    /// `deploy/hub`, with `stdin`.
    pub(crate) fn exec_cmd(
        &self,
        of: &str,
        container: &str,
        args: &[&str],
        stdin: String,
    ) -> Change {
        let cmd = self.kubectl().args(["exec", "-i", of, "--container", container, "--"]);
        cmd.args(args).stdin(stdin)
    }

    /// Returns the command that prints what a container of a pod prints, until it ends; `again` without what it
    /// printed before.
    pub(crate) fn follow(&self, pod: &str, container: &str, again: bool) -> Cmd {
        let tail = if again { "--tail=0" } else { "--tail=-1" };
        let args = ["logs", "--follow", tail, pod, "--container", container];
        self.kubectl().args(args).only_reads()
    }

    /// Returns the command that prints a folder of a container as a tar archive.
    pub(crate) fn pack(&self, pod: &str, container: &str, folder: &str) -> Cmd {
        let args = ["exec", pod, "--container", container, "--"];
        let tar = ["tar", "--create", "--directory", folder, "."];
        self.kubectl().args(args).args(tar).only_reads()
    }

    /// Creates, replaces or applies an object by one of the commands above, and returns it as it is
    /// stored.
    pub(crate) fn store(&self, permit: Permit, cmd: &Change) -> anyhow::Result<Value> {
        self.store_within(permit, cmd, WHOLE)
    }

    /// Stores like [`Cluster::store`]; fails with [`Kind::TimedOut`] after `limit`, when the object may
    /// have been stored all the same.
    pub(crate) fn store_within(
        &self,
        permit: Permit,
        cmd: &Change,
        limit: Duration,
    ) -> anyhow::Result<Value> {
        parse(&answer_within(&cmd.permitted(permit), limit)?)
    }

    /// Runs one of the commands above for what it changes.
    pub(crate) fn change(&self, permit: Permit, cmd: &Change) -> anyhow::Result<()> {
        answer(&cmd.permitted(permit)).map(drop)
    }

    /// Runs a command in a container, passes each line of its standard output to `on_line`, and returns
    /// its status and standard error. It may be silent for as long as `patience`.
    pub(crate) fn exec(
        &self,
        permit: Permit,
        cmd: &Change,
        patience: Patience,
        on_line: &mut dyn FnMut(&str),
    ) -> anyhow::Result<(u8, String)> {
        process::stdout_lines(&cmd.permitted(permit).patience(patience), on_line)
    }

    /// Returns what a command that only reads prints in a container.
    pub(crate) fn read_in(
        &self,
        of: &str,
        container: &str,
        args: &[&str],
    ) -> anyhow::Result<String> {
        self.read_by(of, container, args, String::new())
    }

    /// Returns what a command that only reads prints in a container, with `stdin`.
    pub(crate) fn read_by(
        &self,
        of: &str,
        container: &str,
        args: &[&str],
        stdin: String,
    ) -> anyhow::Result<String> {
        answer(&self.exec_cmd(of, container, args, stdin).only_reads())
    }
}

/// Prints `create deployments.apps`.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Access { verb, group, resource, .. } = self;
        match group.as_str() {
            "" => write!(f, "{verb} {resource}"),
            group => write!(f, "{verb} {resource}.{group}"),
        }
    }
}

impl Access {
    /// Returns the permissions for what `verbs` do to a resource of a group, in a namespace.
    pub(crate) fn in_namespace(
        (group, resource, verbs): (&str, &str, &[&'static str]),
    ) -> Vec<Access> {
        let access = |verb: &&'static str| Access {
            verb,
            group: group.to_owned(),
            resource: resource.to_owned(),
            is_namespaced: true,
        };
        verbs.iter().map(access).collect()
    }

    fn review(&self, namespace: &str) -> Value {
        let (resource, part) = self.resource.split_once('/').unwrap_or((&self.resource, ""));
        let mut attributes = json!({"verb": self.verb, "group": self.group, "resource": resource, "subresource": part});
        if self.is_namespaced {
            attributes["namespace"] = namespace.into();
        }
        json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        })
    }
}

impl Refusal {
    /// Returns whether the cluster could not be asked at all.
    fn is_about_cluster(&self) -> bool {
        use Kind::{Configuration, TimedOut, Unauthorized, Unreachable};
        matches!(self.kind, Configuration | TimedOut | Unauthorized | Unreachable)
    }
}

/// Returns the standard output of a successful command.
fn answer(cmd: &Cmd) -> anyhow::Result<String> {
    answer_within(cmd, WHOLE)
}

fn answer_within(cmd: &Cmd, limit: Duration) -> anyhow::Result<String> {
    let Output { status, stdout, stderr } = output(cmd, limit)?;
    if status == 0 { Ok(stdout) } else { Err(Refusal::new(&cmd.in_short(), &stderr).into()) }
}

fn output(cmd: &Cmd, limit: Duration) -> anyhow::Result<Output> {
    let ended = process::output_within(cmd, limit)?;
    ended.ok_or_else(|| {
        let (command, said) = (cmd.in_short(), format!("stopped after {} s", limit.as_secs()));
        Refusal { kind: Kind::TimedOut, said, command }.into()
    })
}

/// Parses an object. The message of a JSON error may quote its input, so it is dropped.
fn parse(text: &str) -> anyhow::Result<Value> {
    serde_json::from_str(text).ok().context("kubectl printed invalid JSON")
}

/// Parses objects that are one below the other, or the items of lists.
fn documents(text: &str) -> anyhow::Result<Vec<Value>> {
    let mut res = Vec::new();
    for object in serde_json::Deserializer::from_str(text).into_iter() {
        let mut object: Value = object.ok().context("kubectl printed invalid JSON")?;
        match object.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => res.extend(items),
            _ => res.push(object),
        }
    }
    Ok(res)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster() -> Cluster {
        Cluster {
            dir: "/".into(),
            kubeconfig: Some("/k".to_owned()),
            context: Some("lab".to_owned()),
            namespace: "hello-prod".to_owned(),
        }
    }

    const HEAD: &str = "KUBECONFIG=/k KUBERC=off kubectl --context lab --namespace hello-prod";

    #[test]
    fn every_command_names_its_cluster() {
        let object = json!({"data": {"key": "plain secret"}});
        for (cmd, rest) in [
            (cluster().create_cmd(&object), "--request-timeout=30s create -f - -o json < …"),
            (cluster().replace_cmd(&object), "--request-timeout=30s replace -f - -o json < …"),
            (cluster().delete_cmd("lease", "a"), "delete lease a --ignore-not-found --timeout=60s"),
            (
                cluster().exec_cmd("deploy/hub", "hub", &["python3", "-"], "secret".to_owned()),
                "exec -i deploy/hub --container hub -- python3 - < …",
            ),
        ] {
            assert_eq!(cmd.to_string(), format!("{HEAD} {rest}"));
        }
        let plain = Cluster { kubeconfig: None, context: None, ..cluster() };
        let cmd = plain.query(&["get", "pods"]).to_string();
        assert_eq!(cmd, "KUBERC=off kubectl --namespace hello-prod --request-timeout=30s get pods");
    }

    #[test]
    fn objects_are_read_from_lists_and_sequences() {
        let two = documents(r#"{"a": 1}{"a": 2}"#).unwrap();
        assert_eq!(two, documents(r#"{"kind": "List", "items": [{"a": 1}, {"a": 2}]}"#).unwrap());
        assert!(
            documents("").unwrap().is_empty() && documents(r#"{"items": []}"#).unwrap().is_empty()
        );
        let err = documents("{\"key\": secret").unwrap_err();
        assert_eq!(format!("{err:#}"), "kubectl printed invalid JSON");
    }

    #[test]
    fn a_permission_is_asked_for_where_it_counts() {
        let mut access = Access {
            verb: "create",
            group: "apps".to_owned(),
            resource: "deployments".to_owned(),
            is_namespaced: true,
        };
        let spec = |it: &Access| it.review("a")["spec"]["resourceAttributes"]["namespace"].clone();
        assert_eq!(spec(&access), "a");
        access.is_namespaced = false;
        assert_eq!(spec(&access), Value::Null);
    }
}
