//! What a hub in a cluster tells of itself.

use serde_json::Value;

use crate::{
    run::{failure, printable},
    task::shared::hub_target::Hub,
};

/// Returns the hub's answer to a request for a path below `/hub/`, such as `health`. Asks through the
/// cluster's API and the proxy's service; where that is closed, or leads to another address, in the hub's
/// own pod. <https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/>
pub(crate) fn answer(hub: &Hub, of: &str) -> anyhow::Result<String> {
    let (cluster, namespace) = (&hub.cluster, &hub.cluster.namespace);
    let path = path(&cluster.get("deployment", "hub")?.unwrap_or_default(), of);
    let service = format!("/api/v1/namespaces/{namespace}/services/http:proxy-public:80/proxy");
    let err = match cluster.raw(&format!("{service}{path}")) {
        Err(err) if failure::status(&err) == 1 => err,
        answer => return answer,
    };
    let script = "import sys, urllib.request as r; sys.stdout.write(r.urlopen(sys.argv[1], timeout=10).read().decode())";
    let url = format!("http://127.0.0.1:8081{path}");
    cluster.read_in("deploy/hub", "hub", &["python3", "-c", script, &url]).map_err(|_| err)
}

/// Returns a path below the address of the hub, which its readiness probe shows.
fn path(deployment: &Value, of: &str) -> String {
    let probe = container(deployment).map(|it| &it["readinessProbe"]["httpGet"]["path"]);
    let base = probe.and_then(|it| it.as_str()?.strip_suffix("hub/health"));
    format!("{}hub/{of}", base.filter(|it| it.starts_with('/')).unwrap_or("/"))
}

fn container(deployment: &Value) -> Option<&Value> {
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array()?;
    containers.iter().find(|it| it["name"] == "hub")
}

/// Returns the image of the hub's container.
pub(crate) fn image(deployment: &Value) -> Option<&str> {
    container(deployment)?["image"].as_str()
}

/// Returns the version of JupyterHub; `None` if the hub does not answer.
pub(crate) fn jupyterhub(hub: &Hub) -> Option<String> {
    let said: Value = serde_json::from_str(&answer(hub, "api").ok()?).ok()?;
    said["version"].as_str().map(printable::line)
}

/// Returns the name of the Secret in which Helm keeps a revision.
pub(crate) fn secret_name(release: &str, revision: u32) -> String {
    format!("sh.helm.release.v1.{release}.v{revision}")
}

/// Returns who made a revision, and from which commit, by its labels; empty for one without them.
pub(crate) fn holder(hub: &Hub, revision: u32) -> anyhow::Result<String> {
    let name = secret_name(&hub.target.release, revision);
    let stored = hub.cluster.get("secret", &name)?.unwrap_or_default();
    let label = |name: &str| stored["metadata"]["labels"][name].as_str().map(printable::line);
    let parts = [label("xtask-by"), label("xtask-commit").map(|it| format!("from commit {it}"))];
    Ok(parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_below_that_of_the_probe() {
        assert_eq!(path(&Value::Null, "health"), "/hub/health");
        let probe = |path: &str| {
            json!({"spec": {"template": {"spec": {"containers": [
                {"name": "side", "readinessProbe": {"httpGet": {"path": "/x/hub/health"}}},
                {"name": "hub", "image": "h:1", "readinessProbe": {"httpGet": {"path": path}}},
            ]}}}})
        };
        assert_eq!(path(&probe("/base/hub/health"), "api"), "/base/hub/api");
        assert_eq!(path(&probe("x"), "api"), "/hub/api");
        assert_eq!(image(&probe("/")), Some("h:1"));
    }
}
