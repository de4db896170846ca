//! The base image of these tests, in a registry of their own, and a checkout with the missions on it.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::{
    BOTH,
    servers::{Served, Servers},
};
use crate::{
    checkout::{Checkout, Rows, Run, run},
    containers::{Registry, docker},
};

const NAME: &str = "scipy-notebook";

pub(super) struct Base {
    pub(super) checkout: Checkout,
    pub(super) registry: Registry,
    pub(super) served: Served,
    /// `BASE_IMAGE` by tag, and by digest.
    pub(super) names: [String; 2],
    _servers: Servers,
}

impl Base {
    pub(super) fn new() -> Base {
        let mut checkout = Checkout::new();
        let registry = Registry::start(&mut checkout);
        let (servers, served) = Servers::start();
        let names = publish(&registry, &served.image);
        checkout.set("CONDA_CHANNEL_ALIAS", &served.alias);
        checkout.set("PIP_EXTRA_INDEX_URL", &served.index);
        let others = env::var("NO_PROXY").unwrap_or_default();
        checkout.set("NO_PROXY", &format!("{others},{}", served.address));
        add_missions(&checkout, &served.packages);
        Base { checkout, registry, served, names, _servers: servers }
    }

    /// Runs a task for both missions, whatever its status.
    pub(super) fn run(&self, task: &str, flags: &[&str]) -> Run {
        self.checkout.run(&[&[task], &BOTH[..], flags].concat())
    }

    /// Runs `freeze` for all environments, whatever its status.
    pub(super) fn freeze(&self, flags: &[&str]) -> Run {
        let environments = ["roman-classic/roman-cal", "survey/base", "survey/survey"];
        self.checkout.run(&[&["freeze"], &environments[..], flags].concat())
    }

    /// Runs a task for both missions, which must succeed, and returns its rows.
    #[track_caller]
    pub(super) fn all(&self, task: &str, flags: &[&str]) -> Rows {
        self.checkout.rows(&[&[task], &BOTH[..], flags].concat())
    }
}

/// Pushes the base image, like docker-stacks' on quay.io; returns its names by tag and by digest.
fn publish(registry: &Registry, image: &str) -> [String; 2] {
    let tag = format!("{}/{NAME}:2026-11-26", registry.host);
    run(&mut docker(&["image", "tag", image, &tag]));
    run(&mut docker(&["image", "push", "--quiet", &tag]));
    let digest = registry.digest(&format!("{NAME}:2026-11-26")).unwrap();
    [tag, format!("{}/{NAME}@{digest}", registry.host)]
}

/// Copies the missions into the checkout, where git tracks them, with the address of their
/// packages.
fn add_missions(checkout: &Checkout, packages: &str) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/conda_missions");
    for path in files(&source) {
        let name = Path::new("missions").join(path.strip_prefix(&source).unwrap());
        let text = fs::read_to_string(&path).unwrap().replace("PACKAGES", packages);
        checkout.write(name.to_str().unwrap(), &text);
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|it| it.unwrap().path());
    entries.flat_map(|it| if it.is_dir() { files(&it) } else { vec![it] }).collect()
}
