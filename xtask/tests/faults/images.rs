//! The world of the tasks about images: the stand-in for docker, and a checkout.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    checkout::{Checkout, ROOTFS},
    world::{Snapshot, World, files, wrap},
};

/// Part of human tags: these move.
const HUMAN: &str = ":latest-";

/// Returns a checkout whose programs are all behind the stand-in.
pub(crate) fn checkout() -> Checkout {
    let mut res = Checkout::new();
    res.script("common/base/rootfs", "#!/bin/bash\nset -euo pipefail\nexec rootfs \"$@\"\n");
    res.script("../home/rootfs", ROOTFS);
    res.script("../tools/mmdebstrap", "#!/bin/bash\n");
    res.docker("wrapped", "buildx");
    let tool = |name| (name, fs::read_link(res.dir().join("tools").join(name)).unwrap());
    let programs = [
        ("docker", env!("CARGO_BIN_EXE_stand-in").into()),
        ("rootfs", res.dir().join("home/rootfs")),
        tool("git"),
        tool("python3"),
        tool("tar"),
    ];
    wrap(res.dir(), "wrapped", &programs);
    res.path(&["wrapped", "tools"]);
    fs::create_dir(res.dir().join("tmp")).unwrap();
    res
}

impl World for Checkout {
    fn dir(&self) -> PathBuf {
        Checkout::dir(self).to_owned()
    }

    fn command(&self, args: &[&str]) -> Command {
        let args: Vec<String> = args.iter().map(|it| self.with_digest(it)).collect();
        let mut res = Checkout::command(self, &args.iter().map(String::as_str).collect::<Vec<_>>());
        res.env("TMPDIR", Checkout::dir(self).join("tmp"));
        res
    }

    fn copy(&self) -> Box<dyn World> {
        Box::new(Checkout::copy(self))
    }

    fn look(&self) -> Snapshot {
        let mut res =
            Snapshot { files: files(&self.root(), &["target", ".git"]), ..Snapshot::default() };
        for (name, bytes) in &res.files {
            let text = String::from_utf8_lossy(bytes).into_owned();
            res.outcome.insert(format!("file {}", name.display()), text);
        }
        if Checkout::dir(self).join("state/state.json").exists() {
            engine(&self.knows(), &mut res);
        }
        self.receipts(&mut res);
        self.leftovers(&mut res);
        res
    }
}

trait Look {
    /// Replaces `DIGEST` by the digest of the published image of `hello`.
    fn with_digest(&self, arg: &str) -> String;
    fn receipts(&self, res: &mut Snapshot);
    fn leftovers(&self, res: &mut Snapshot);
}

impl Look for Checkout {
    fn with_digest(&self, arg: &str) -> String {
        if !arg.contains("DIGEST") {
            return arg.to_owned();
        }
        let digest = &self.knows()["registry"]["quay.io/us/hello:latest-sandbox"]["digest"];
        arg.replace("DIGEST", digest.as_str().unwrap())
    }

    fn receipts(&self, res: &mut Snapshot) {
        let tested = self.stand_in("state.json");
        let tested: Value = serde_json::from_str(&tested).unwrap_or_default();
        for (name, bytes) in files(&self.root().join("target/xtask/receipts"), &[]) {
            let Ok(receipt) = serde_json::from_slice::<Value>(&bytes) else { continue };
            let certifies = certifies(&receipt);
            let published = receipt["published"].as_array().map_or(0, Vec::len);
            let refrozen = &receipt["refrozen"];
            res.outcome.insert(
                format!("receipt {}", name.display()),
                format!("certifies: {certifies}, published: {published}, refrozen: {refrozen}"),
            );
            if certifies && runs(&tested, &receipt["image"]) < 3 {
                res.false_receipts.push(name.display().to_string());
            }
        }
    }

    fn leftovers(&self, res: &mut Snapshot) {
        let names = |dir: &str| files(&Checkout::dir(self).join(dir), &[]).into_keys();
        res.leftovers.extend(names("tmp").map(|it| format!("temporary {}", it.display())));
        for name in names("root/target/xtask") {
            let text = name.display().to_string();
            if [".new", ".cid", ".volume"].iter().any(|it| text.ends_with(it)) {
                res.leftovers.push(format!("record {text}"));
            }
        }
    }
}

/// Counts the containers with this image that ran tests to their end.
fn runs(state: &Value, image: &Value) -> usize {
    let tags = state["images"].as_array().into_iter().flatten();
    let names: Vec<&Value> = tags
        .filter(|it| it["id"] == *image)
        .flat_map(|it| it["tags"].as_array().into_iter().flatten())
        .collect();
    let tested = state["tested"].as_array().into_iter().flatten();
    tested.filter(|it| *it == image || names.contains(it)).count()
}

fn certifies(receipt: &Value) -> bool {
    let tests = receipt["tests"].as_array().map(Vec::as_slice).unwrap_or_default();
    receipt["complete"] == true
        && !tests.is_empty()
        && tests.iter().all(|it| it["outcome"] == "passed")
}

/// Adds the state of the engine and the registries.
fn engine(state: &Value, res: &mut Snapshot) {
    for image in state["images"].as_array().unwrap() {
        for tag in image["tags"].as_array().unwrap() {
            // Left by a registry's pull or push, and not a result.
            let tag = tag.as_str().unwrap();
            if tag.contains(":try-") {
                res.leftovers.push(format!("trial image {}", image["id"].as_str().unwrap()));
            } else if tag.starts_with("science-platform/") {
                res.outcome.insert(format!("image {tag}"), image["id"].to_string());
            }
        }
    }
    let registry = state["registry"].as_object().unwrap();
    for (reference, manifest) in registry {
        let name = without_port(reference);
        let certifies = manifest["receipt"]
            .as_str()
            .map(|it| serde_json::from_str(it).is_ok_and(|it: Value| certifies(&it)));
        // A receipt contains times.
        let text = match certifies {
            Some(certifies) => format!("certifies: {certifies}"),
            None => format!("{} {}", manifest["digest"], manifest["config"]),
        };
        res.outcome.insert(format!("registry {name}"), text);
        if reference.contains(HUMAN) {
            let wrong = wrong_with(registry, reference, manifest);
            res.human_tags.insert(name, (manifest["digest"].to_string(), wrong));
        }
    }
    for container in state["containers"].as_array().unwrap() {
        let is_registry = container["labels"].to_string().contains("registry");
        let id = container["id"].as_str().unwrap();
        match is_registry {
            true => _ = res.outcome.insert("registry container".to_owned(), String::new()),
            false => res.leftovers.push(format!("container {}", &id[..12])),
        }
    }
    let volumes = state["volumes"].as_array().unwrap();
    res.leftovers
        .extend(volumes.iter().map(|it| format!("volume {}", it["name"].as_str().unwrap())));
}

/// Returns the problem of a human tag: its image needs an immutable tag and, if it is a mission's,
/// a receipt.
fn wrong_with(
    registry: &serde_json::Map<String, Value>,
    tag: &str,
    manifest: &Value,
) -> Option<String> {
    let repository = tag.rsplit_once(':').unwrap().0;
    let of_repository = |it: &&String| it.rsplit_once(':').unwrap().0 == repository;
    let digest = manifest["digest"].as_str().unwrap();
    let is_immutable = |it: &&String| {
        !it.contains(HUMAN) && !it.ends_with(".receipt") && registry[*it]["digest"] == digest
    };
    if !registry.keys().filter(of_repository).any(|it| is_immutable(&it)) {
        return Some("without an immutable tag".to_owned());
    }
    let receipt = format!("{repository}:{}.receipt", digest.replace(':', "-"));
    let text = registry.get(&receipt).and_then(|it| it["receipt"].as_str()).unwrap_or("null");
    let is_certified = serde_json::from_str(text).is_ok_and(|it: Value| certifies(&it));
    // The images built on the common image certify it.
    let is_common = repository.ends_with("/common");
    (!is_common && !is_certified).then(|| "without a receipt".to_owned())
}

fn without_port(reference: &str) -> String {
    crate::plan::masked(reference, Path::new("/nowhere"))
}

/// Returns whether the output of a run names the leftover.
pub(crate) fn is_named(leftover: &str, said: &str) -> bool {
    let (kind, name) = leftover.split_once(' ').unwrap();
    // Naming a value does not excuse it on a disk.
    kind != "plaintext" && said.contains(name)
}
