//! Mistakes in values that Helm would accept, or whose place it would not name.

use std::collections::BTreeSet;

use crate::{
    hub::{
        chart::{Chart, Traits},
        schema::{self, unknown},
        secrets, target,
        values::{Node, Value, Values, child, coalesced},
    },
    run::finding::Finding,
};

pub(crate) const RULE: &str = "hub-values";

/// Keys of KubeSpawner's profiles:
/// <https://jupyterhub-kubespawner.readthedocs.io/en/latest/spawner.html>
const PROFILE: [&str; 6] =
    ["default", "description", "display_name", "kubespawner_override", "profile_options", "slug"];
const OPTION: [&str; 3] = ["choices", "display_name", "unlisted_choice"];
const CHOICE: [&str; 3] = ["default", "display_name", "kubespawner_override"];
const UNLISTED: [&str; 6] = [
    "display_name",
    "display_name_in_choices",
    "enabled",
    "kubespawner_override",
    "validation_message",
    "validation_regex",
];

/// Returns all findings about merged values: in each layer, and by the chart's schema where the layers
/// have none in that line.
pub(crate) fn findings(values: &Values, chart: &Chart) -> Vec<Finding> {
    let mut found: Vec<Finding> = values
        .layers
        .iter()
        .flat_map(|it| secrets::findings(it).into_iter().chain(of_layer(it, chart)))
        .chain(values.layers.iter().flat_map(target::findings))
        .collect();
    let known: BTreeSet<_> = found.iter().map(|it| (it.file.clone(), it.line)).collect();
    let mut by_schema = Vec::new();
    if let (Some(schema), Some(defaults)) = (&chart.schema, &chart.defaults) {
        schema::check(RULE, schema, &coalesced(defaults, &values.root), "", &mut by_schema);
    }
    by_schema.retain(|it| !known.contains(&(it.file.clone(), it.line)));
    found.extend(by_schema);
    found
}

/// Returns notes about what cannot be checked.
pub(crate) fn notes(values: &Values, chart: &Chart) -> Vec<String> {
    let mut res = Vec::new();
    if chart.schema.is_none() || chart.defaults.is_none() {
        res.push(format!(
            "the values were not checked by the chart's schema: missing {}; `cargo xtask hub-chart update` writes it",
            super::chart::SCHEMA
        ));
    }
    let classes = values.get("hub.config").and_then(Node::entries);
    for (name, node) in classes.into_iter().flatten() {
        if chart.traits.as_ref().is_some_and(|it| !it.classes.contains_key(name)) {
            res.push(format!("{}: `hub.config.{name}`: unknown class, not checked", node.at));
        }
    }
    res
}

/// Returns the findings about the values of one layer.
pub(crate) fn of_layer(layer: &Node, chart: &Chart) -> Vec<Finding> {
    let mut rules = Rules { traits: chart.traits.as_ref(), found: Vec::new() };
    layer.leaves("", &mut |key, node| rules.tag(key, node));
    rules.traits_of_classes(layer);
    rules.deletes_volumes(layer);
    let profiles = layer.get("singleuser.profileList").and_then(Node::items).unwrap_or_default();
    for (n, profile) in profiles.iter().enumerate() {
        rules.profile(profile, &format!("singleuser.profileList[{n}]"));
    }
    let extra = layer.get("prePuller.extraImages").and_then(Node::entries);
    for (name, node) in extra.into_iter().flatten() {
        rules.label(node, name, &child("prePuller.extraImages", name));
    }
    if let Some(image) = layer.get("hub.config.KubeSpawner.image") {
        rules.reference(image, "hub.config.KubeSpawner.image");
    }
    rules.found
}

struct Rules<'a> {
    traits: Option<&'a Traits>,
    found: Vec<Finding>,
}

impl Rules<'_> {
    fn add(&mut self, node: &Node, key: &str, what: &str, fix: &str) {
        self.found.push(node.at.finding(RULE, format!("`{key}`: {what}"), fix));
    }

    /// Checks the tag of an image that the chart writes as `name:tag`.
    fn tag(&mut self, key: &str, node: &Node) {
        let is_tag = key.ends_with(".image.tag")
            || (key.starts_with("prePuller.extraImages.") && key.ends_with(".tag"));
        match &node.value {
            Value::Number(_) if is_tag => {
                self.add(node, key, "expected text, found a number", "quote the tag");
            }
            Value::Text(tag) if is_tag && tag.starts_with("sha256:") => {
                let what = "a digest is not a valid tag: nodes could not pull `name:sha256:…`";
                self.add(node, key, what, "write `tag: \"<tag>@sha256:<digest>\"`");
            }
            _ => (),
        }
    }

    /// Checks an image that is one text.
    fn reference(&mut self, node: &Node, key: &str) {
        if !matches!(node.value, Value::Text(_)) {
            let what = "expected an image as one text";
            self.add(node, key, what, "write `image: \"<name>:<tag>@sha256:<digest>\"`");
        }
    }

    fn traits_of_classes(&mut self, layer: &Node) {
        let Some(traits) = self.traits else { return };
        let classes = layer.get("hub.config").and_then(Node::entries);
        for (class, node) in classes.into_iter().flatten() {
            let (Some(known), Some(entries)) = (traits.classes.get(class), node.entries()) else {
                continue;
            };
            for (name, node) in entries.iter().filter(|it| !known.contains(it.0)) {
                let key = format!("hub.config.{class}.{name}");
                let kind = format!("trait of {class}");
                self.found.push(unknown(RULE, node, &key, known.iter(), &kind));
            }
        }
    }

    fn profile(&mut self, profile: &Node, key: &str) {
        self.keys(profile, key, &PROFILE);
        self.overrides(profile, key);
        let options = profile.get("profile_options").and_then(Node::entries);
        for (name, option) in options.into_iter().flatten() {
            let key = child(&child(key, "profile_options"), name);
            self.label(option, name, &key);
            self.keys(option, &key, &OPTION);
            for (name, choice) in
                option.get("choices").and_then(Node::entries).into_iter().flatten()
            {
                let key = child(&child(&key, "choices"), name);
                self.label(choice, name, &key);
                self.keys(choice, &key, &CHOICE);
                self.overrides(choice, &key);
            }
            if let Some(unlisted) = option.get("unlisted_choice") {
                let key = child(&key, "unlisted_choice");
                self.keys(unlisted, &key, &UNLISTED);
                self.overrides(unlisted, &key);
            }
        }
    }

    /// Checks what a profile overrides of KubeSpawner's traits.
    fn overrides(&mut self, node: &Node, key: &str) {
        let Some(overrides) = node.get("kubespawner_override") else { return };
        let key = child(key, "kubespawner_override");
        if let Some(known) = self.traits.and_then(|it| it.classes.get("KubeSpawner")) {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            self.keys(overrides, &key, &known);
        }
        if let Some(image) = overrides.get("image") {
            self.reference(image, &child(&key, "image"));
        }
    }

    fn keys(&mut self, node: &Node, key: &str, known: &[&str]) {
        let Some(entries) = node.entries() else {
            return self.add(node, key, "expected a mapping", "write `key: value` lines");
        };
        let known: Vec<String> = known.iter().map(|it| (*it).to_owned()).collect();
        for (name, node) in entries.iter().filter(|it| !known.contains(it.0)) {
            self.found.push(unknown(RULE, node, &child(key, name), known.iter(), "key"));
        }
    }

    /// Checks a key that becomes a part of a container's name.
    fn label(&mut self, node: &Node, name: &str, key: &str) {
        if !target::is_label(name) {
            let what = "not a DNS label: Kubernetes would refuse the image puller's container";
            self.add(node, key, what, "use lower-case letters, digits and `-`");
        }
    }

    fn deletes_volumes(&mut self, layer: &Node) {
        const KEEP: &str = "remove it: people lose their files";
        for (key, what) in [
            ("cull.users", "deleting idle users deletes their volumes"),
            ("cull.removeNamedServers", "removing named servers deletes their volumes"),
        ] {
            if let Some(node) = layer.get(key).filter(|it| it.value == Value::Bool(true)) {
                self.add(node, key, what, KEEP);
            }
        }
        let services = layer.get("hub.services").and_then(Node::entries);
        for (name, service) in services.into_iter().flatten() {
            let Some(command) = service.get("command") else { continue };
            let key = format!("hub.services.{name}.command");
            command.leaves(&key, &mut |key, node| {
                let words = node.text().unwrap_or_default().split_whitespace();
                for word in words.filter(|it| deletes_volumes(it)) {
                    let what = format!("`{word}` deletes volumes");
                    self.add(node, key, &what, KEEP);
                }
            });
        }
    }
}

/// Returns whether an argument of jupyterhub-idle-culler deletes users or their named servers: `--cull-users`,
/// `--cull_users=True`, `--IdleCuller.cull_users=1`. <https://github.com/jupyterhub/jupyterhub-idle-culler>
fn deletes_volumes(word: &str) -> bool {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let is_off = ["false", "0"].contains(&value.to_lowercase().as_str());
    let name = name.replacen("--IdleCuller.", "--", 1).replace('_', "-");
    !is_off && ["--cull-users", "--remove-named-servers"].contains(&name.as_str())
}

#[cfg(test)]
mod tests;
