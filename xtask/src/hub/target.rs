//! Where a hub is deployed: the settings of this tool in values, below the key `xtask`.

use std::time::Duration;

use crate::{
    hub::{
        schema::unknown,
        validate::RULE,
        values::{Node, Value, Values, child},
    },
    run::finding::Finding,
    tools::image_name::check_registry,
};

/// Keys below `xtask`, and below `xtask.cluster`.
const KEYS: [&str; 5] = ["cluster", "production", "registry", "timeout", "untestedImages"];
const CLUSTER: [&str; 4] = ["context", "identity", "kubeconfig", "namespace"];

/// Shortest time for Helm, in seconds: a proxy needs 60 to end.
const SHORTEST: u64 = 180;

/// Time for Helm, in seconds, where no layer sets one.
const USUAL: u64 = 600;

/// Longest name of a release: <https://helm.sh/docs/chart_template_guide/getting_started/>
const LONGEST: usize = 53;

/// A hub's place in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Name of the release, `<mission>-<environment>`: unique in the cluster.
    pub(crate) release: String,
    pub(crate) namespace: String,
    /// Files as the variable `KUBECONFIG` lists them.
    pub(crate) kubeconfig: Option<String>,
    pub(crate) context: Option<String>,
    /// What the cluster has to be recognised by.
    pub(crate) identity: Option<String>,
    /// The registry as nodes name it.
    pub(crate) registry: Option<String>,
    /// Whether a deployment asks for the environment's name.
    pub(crate) is_production: bool,
    /// Time for hooks, and as much again for the pods.
    pub(crate) timeout: Duration,
}

impl Target {
    /// Returns the place that valid `values` choose for a mission's environment.
    ///
    /// # Errors
    /// Mission and environment make no name of a release.
    pub(crate) fn new(values: &Values, mission: &str, environment: &str) -> anyhow::Result<Target> {
        let release = format!("{mission}-{environment}");
        anyhow::ensure!(
            is_label(&release) && release.len() <= LONGEST,
            "`{release}` is not a valid name of a release; expected at most {LONGEST} lower-case letters, digits and `-`; rename the mission or the environment"
        );
        let own = values.own.as_ref();
        let text =
            |key: &str| own.and_then(|it| it.get(key)).and_then(Node::text).map(str::to_owned);
        let timeout = own.and_then(|it| it.get("timeout")).and_then(seconds).unwrap_or(USUAL);
        let is_production = match own.and_then(|it| it.get("production")).map(|it| &it.value) {
            Some(Value::Bool(it)) => *it,
            _ => ["prod", "production"].contains(&environment),
        };
        Ok(Target {
            namespace: text("cluster.namespace").unwrap_or_else(|| release.clone()),
            release,
            kubeconfig: text("cluster.kubeconfig"),
            context: text("cluster.context"),
            identity: text("cluster.identity"),
            registry: text("registry"),
            is_production,
            timeout: Duration::from_secs(timeout),
        })
    }
}

/// Returns the findings about the settings of this tool in one layer.
pub(crate) fn findings(layer: &Node) -> Vec<Finding> {
    let mut res = Findings(Vec::new());
    let Some(own) = layer.get("xtask") else { return res.0 };
    res.keys(own, "xtask", &KEYS);
    if let Some(cluster) = own.get("cluster") {
        res.keys(cluster, "xtask.cluster", &CLUSTER);
        for name in CLUSTER {
            res.text(cluster.get(name), &child("xtask.cluster", name));
        }
    }
    if let Some(node) = own.get("cluster.namespace")
        && node.text().is_some_and(|it| !is_label(it))
    {
        res.add(
            node,
            "xtask.cluster.namespace",
            "not a name of a namespace",
            "use lower-case letters, digits and `-`",
        );
    }
    res.text(own.get("registry"), "xtask.registry");
    if let Some((node, text)) = own.get("registry").and_then(|it| Some((it, it.text()?)))
        && let Err(err) = check_registry(text)
    {
        res.add(node, "xtask.registry", &format!("{err:#}"), "write `host[:port][/path]`");
    }
    if let Some(node) = own.get("production").filter(|it| !matches!(it.value, Value::Bool(_))) {
        res.add(node, "xtask.production", "expected true or false", "write `true` or `false`");
    }
    if let Some(node) = own.get("timeout").filter(|it| seconds(it).is_none_or(|it| it < SHORTEST)) {
        let what = format!("expected seconds, at least {SHORTEST}: a proxy needs 60 s to end");
        res.add(node, "xtask.timeout", &what, &format!("write `timeout: {USUAL}`"));
    }
    res.reasons(own.get("untestedImages"));
    res.0
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, node: &Node, key: &str, what: &str, fix: &str) {
        self.0.push(node.at.finding(RULE, format!("`{key}`: {what}"), fix));
    }

    fn keys(&mut self, node: &Node, key: &str, known: &[&str]) {
        let Some(entries) = node.entries() else {
            return self.add(node, key, "expected a mapping", "write `key: value` lines");
        };
        let known: Vec<String> = known.iter().map(|it| (*it).to_owned()).collect();
        for (name, node) in entries.iter().filter(|it| !known.contains(it.0)) {
            self.0.push(unknown(RULE, node, &child(key, name), known.iter(), "key"));
        }
    }

    fn text(&mut self, node: Option<&Node>, key: &str) {
        let is_text = |it: &Node| it.text().is_some_and(|it| !it.trim().is_empty());
        if let Some(node) = node.filter(|it| !is_text(it)) {
            self.add(node, key, "expected text", "write a text, or remove the key");
        }
    }

    fn reasons(&mut self, images: Option<&Node>) {
        let Some(images) = images else { return };
        let Some(entries) = images.entries() else {
            return self.add(
                images,
                "xtask.untestedImages",
                "expected a mapping",
                "write `\"<image>\": <reason>` lines",
            );
        };
        for (name, node) in entries {
            self.text(Some(node), &child("xtask.untestedImages", name));
        }
    }
}

fn seconds(node: &Node) -> Option<u64> {
    if let Value::Number(it) = &node.value { it.as_u64() } else { None }
}

/// Returns whether `text` is a DNS label (RFC 1123).
pub(crate) fn is_label(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 63
        && text.starts_with(is_plain)
        && text.ends_with(is_plain)
        && text.chars().all(|c| is_plain(c) || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::values::{Layer, Source};

    fn values(text: &str) -> Values {
        let source = Source { file: "prod.yaml".into(), is_secret: false };
        Values::merged(vec![Layer { source, text: text.to_owned() }]).unwrap()
    }

    #[test]
    fn a_place_without_settings() {
        let target = Target::new(&values("hub: {}\n"), "hello", "prod").unwrap();
        assert_eq!(
            (target.release.as_str(), target.namespace.as_str()),
            ("hello-prod", "hello-prod")
        );
        assert!(target.is_production && target.context.is_none());
        assert_eq!(target.timeout, Duration::from_secs(600));
        assert!(!Target::new(&values("hub: {}\n"), "hello", "staging").unwrap().is_production);
        let err = Target::new(&values("hub: {}\n"), "hello_world", "prod").unwrap_err().to_string();
        assert!(err.starts_with("`hello_world-prod` is not a valid name of a release"), "{err}");
    }

    #[test]
    fn a_place_with_all_settings() {
        let text = "xtask: {cluster: {kubeconfig: /a:/b, context: c, namespace: hub, identity: i}, registry: r.example/us, production: false, timeout: 300}\n";
        let values = values(text);
        assert_eq!(findings(&values.layers[0]), []);
        let target = Target::new(&values, "hello", "prod").unwrap();
        let expected = Target {
            release: "hello-prod".to_owned(),
            namespace: "hub".to_owned(),
            kubeconfig: Some("/a:/b".to_owned()),
            context: Some("c".to_owned()),
            identity: Some("i".to_owned()),
            registry: Some("r.example/us".to_owned()),
            is_production: false,
            timeout: Duration::from_secs(300),
        };
        assert_eq!(target, expected);
    }

    #[test]
    fn mistakes_are_found() {
        let text = "xtask:\n  cluster:\n    contxt: a\n    namespace: A_b\n    identity: 7\n  registry: http://a\n  production: yes please\n  timeout: 60\n  untestedImages: {a: \"\"}\n";
        let found = findings(&values(text).layers[0]);
        let lines: Vec<Option<usize>> = found.iter().map(|it| it.line).collect();
        assert_eq!(
            lines,
            [Some(3), Some(5), Some(4), Some(6), Some(7), Some(8), Some(9)],
            "{found:?}"
        );
        assert!(found[0].what.contains("xtask.cluster.contxt"), "{}", found[0].what);
        assert_eq!(findings(&values("xtask: 3\n").layers[0]).len(), 1);
        assert_eq!(
            findings(&values("xtask: {cluster: [], untestedImages: 3}\n").layers[0]).len(),
            2
        );
    }
}
