//! What the tests need of the machine: variables, which `cargo xtask ci --cluster` sets or passes on.

use std::{
    env,
    path::{Path, PathBuf},
};

pub(crate) struct Settings {
    pub(crate) kubeconfig: String,
    /// Registry as this machine names it.
    pub(crate) registry: String,
    /// The same as nodes name it.
    pub(crate) nodes: String,
    pub(crate) docker: String,
    /// Folder with `helm3`, `helm4` and `kubectl`.
    pub(crate) helms: PathBuf,
    pub(crate) chart: Chart,
    /// Whether the namespaces stay.
    pub(crate) keep: bool,
}

/// The chart that hubs are deployed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chart {
    /// The small chart of `tests/helm/chart`.
    Small,
    Archive(PathBuf),
    Repository {
        url: String,
        name: String,
        version: String,
    },
}

impl Settings {
    pub(crate) fn read() -> Settings {
        let registry = required("REGISTRY", "a registry that this machine and the nodes reach");
        assert!(
            registry != "local",
            "REGISTRY=local has a password; nodes need a registry without"
        );
        Settings {
            kubeconfig: required("KUBECONFIG", "the configuration of a cluster"),
            nodes: env::var("HUB_REGISTRY")
                .ok()
                .filter(|it| !it.is_empty())
                .unwrap_or_else(|| registry.clone()),
            registry,
            docker: env::var("DOCKER").unwrap_or_else(|_| "docker".to_owned()),
            helms: PathBuf::from(required("HELMS", "the folder with helm3, helm4 and kubectl")),
            chart: chart(&env::var("CLUSTER_CHART").unwrap_or_default()),
            keep: env::var_os("CLUSTER_KEEP").is_some(),
        }
    }
}

fn required(name: &str, what: &str) -> String {
    let value = env::var(name).unwrap_or_default();
    assert!(
        !value.is_empty(),
        "{name} is not set; expected {what}, for `cargo xtask ci --cluster`"
    );
    value
}

/// Parses a path, or repository, name and version with spaces between them.
fn chart(text: &str) -> Chart {
    match text.split_whitespace().collect::<Vec<_>>()[..] {
        [] => Chart::Small,
        [path] if Path::new(path).is_file() => Chart::Archive(path.into()),
        [url, name, version] => Chart::Repository {
            url: url.to_owned(),
            name: name.to_owned(),
            version: version.to_owned(),
        },
        _ => {
            panic!("CLUSTER_CHART={text}: expected an archive, or `<repository> <name> <version>`")
        }
    }
}
