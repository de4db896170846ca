//! Users' servers on a cluster, by the image that they run.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::run::printable;

/// Label of the pods of users' servers, set by the chart.
pub(crate) const SELECTOR: &str = "component=singleuser-server";

/// A user's server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Server {
    pub(crate) user: String,
    /// Name of the server; empty for a user's default one.
    pub(crate) server: String,
    /// Image as the pod names it.
    pub(crate) image: String,
    /// Image by the digest that runs; `None` as long as none does.
    pub(crate) runs: Option<String>,
    pub(crate) started: Option<String>,
    pub(crate) phase: String,
    /// Whether users who start one now get another image.
    pub(crate) old_image: bool,
}

/// Servers of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct OfImage {
    pub(crate) image: String,
    pub(crate) servers: usize,
    pub(crate) old_image: bool,
}

/// Returns the servers of `pods`, sorted by user. `current` are the images that users get now.
pub(crate) fn servers(pods: &[Value], current: &BTreeSet<String>) -> Vec<Server> {
    let mut res: Vec<Server> = pods.iter().map(|it| server(it, current)).collect();
    res.sort_by(|a, b| (&a.user, &a.server).cmp(&(&b.user, &b.server)));
    res
}

fn server(pod: &Value, current: &BTreeSet<String>) -> Server {
    let text = |it: &Value| it.as_str().map(printable::line);
    let annotation = |name: &str| text(&pod["metadata"]["annotations"][name]);
    let notebook = |list: &Value| {
        let items = list.as_array().into_iter().flatten().cloned();
        items.into_iter().find(|it| it["name"] == "notebook").unwrap_or_default()
    };
    let image = text(&notebook(&pod["spec"]["containers"])["image"]).unwrap_or_default();
    let status = &pod["status"];
    let runs = text(&notebook(&status["containerStatuses"])["imageID"]);
    Server {
        user: annotation("hub.jupyter.org/username").unwrap_or_default(),
        server: annotation("hub.jupyter.org/servername").unwrap_or_default(),
        old_image: !current.iter().any(|it| is_same(it, &image)),
        image,
        runs: runs.filter(|it| !it.is_empty()),
        started: text(&status["startTime"]),
        phase: text(&status["phase"]).unwrap_or_default(),
    }
}

/// Returns whether both references name one image: by their digests where both have one.
pub(crate) fn is_same(a: &str, b: &str) -> bool {
    let digest =
        |it: &str| it.rsplit_once("@sha256:").map(|it| it.1.trim_start_matches(':').to_owned());
    match (digest(a), digest(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// Returns the number of servers of each image, current images first.
pub(crate) fn by_image(servers: &[Server]) -> Vec<OfImage> {
    let mut counts = BTreeMap::new();
    for it in servers {
        *counts.entry((it.old_image, it.image.clone())).or_insert(0) += 1;
    }
    let of = |((old_image, image), servers)| OfImage { image, servers, old_image };
    counts.into_iter().map(of).collect()
}

/// Returns what is said about servers that run an older image; `None` without any.
pub(crate) fn old(servers: &[Server]) -> Option<String> {
    match servers.iter().filter(|it| it.old_image).count() {
        0 => None,
        1 => Some("1 server still runs an older image, until it is stopped".to_owned()),
        n => Some(format!("{n} servers still run an older image, until they are stopped")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(user: &str, image: &str) -> Value {
        json!({
            "metadata": {"annotations": {"hub.jupyter.org/username": user}},
            "spec": {"containers": [{"name": "side", "image": "s"}, {"name": "notebook", "image": image}]},
            "status": {
                "phase": "Running", "startTime": "2026-11-22T10:00:00Z",
                "containerStatuses": [{"name": "notebook", "imageID": "r/hello@sha256:aa"}],
            },
        })
    }

    #[test]
    fn servers_of_older_images_are_counted() {
        let pods = [
            pod("bob", "r/hello:t1@sha256:aa"),
            pod("ann", "r/hello:t2@sha256:bb"),
            pod("eve", "r/hello:t1@sha256:aa"),
        ];
        let current = BTreeSet::from(["r/hello:t2@sha256:bb".to_owned()]);
        let servers = servers(&pods, &current);
        let users: Vec<_> = servers.iter().map(|it| (it.user.as_str(), it.old_image)).collect();
        assert_eq!(users, [("ann", false), ("bob", true), ("eve", true)]);
        assert_eq!(servers[1].runs.as_deref(), Some("r/hello@sha256:aa"));
        let counts: Vec<_> =
            by_image(&servers).iter().map(|it| (it.servers, it.old_image)).collect();
        assert_eq!(counts, [(1, false), (2, true)]);
        let said = old(&servers).unwrap();
        assert_eq!(said, "2 servers still run an older image, until they are stopped");
        assert_eq!(old(&servers[..1]), None);
    }

    #[test]
    fn images_are_compared_by_digest() {
        assert!(is_same("a:1@sha256:aa", "b@sha256:aa"));
        assert!(is_same("b@sha256:aa", "a:t@sha256:aa"));
        assert!(!is_same("a:1@sha256:aa", "a:1@sha256:bb"));
        assert!(is_same("a:1", "a:1") && !is_same("a:1", "a:1@sha256:aa"));
    }
}
