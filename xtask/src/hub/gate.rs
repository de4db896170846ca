//! The image gate: every image that a user can start is certified by a receipt, or allowed with a
//! reason. A decision over values, receipts and the list of exceptions.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    hub::values::{Node, Value, Values, child},
    run::finding::Finding,
    tools::image_name::Digest,
};

pub(crate) const RULE: &str = "hub-image";

/// An image that values name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Image<'a> {
    pub(crate) key: String,
    pub(crate) node: &'a Node,
    /// As nodes pull it: `name:tag`, with a digest or not.
    pub(crate) reference: String,
}

impl Image<'_> {
    /// Returns the digest in both forms: `name:tag@sha256:…` and `name@sha256:…`.
    pub(crate) fn digest(&self) -> Option<Digest> {
        let (_, hex) = self.reference.rsplit_once("@sha256:")?;
        format!("sha256:{hex}").parse().ok()
    }
}

/// Images of values, by who starts them.
#[derive(Debug, Default)]
pub(crate) struct Images<'a> {
    /// Images that users can start.
    pub(crate) users: Vec<Image<'a>>,
    /// Images of the hub, the proxy and helpers.
    pub(crate) helpers: Vec<Image<'a>>,
    /// Values by which a user can start any image.
    pub(crate) any: Vec<(String, &'a Node)>,
    /// Code that may set an image when the hub starts.
    pub(crate) code: Vec<(String, &'a Node)>,
}

/// What the gate let through.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Passed {
    pub(crate) certified: BTreeSet<String>,
    /// Images and keys without a receipt, with the reason.
    pub(crate) allowed: BTreeMap<String, String>,
    pub(crate) notes: Vec<String>,
}

/// Returns the images that `values` name.
pub(crate) fn images(values: &Values) -> Images<'_> {
    let root = &values.root;
    let mut res = Images::default();
    res.users.extend(named(root, "singleuser.image"));
    let profiles = root.get("singleuser.profileList").and_then(Node::items).unwrap_or_default();
    for (n, profile) in profiles.iter().enumerate() {
        of_profile(profile, &format!("singleuser.profileList[{n}]"), &mut res);
    }
    for key in ["hub.config.KubeSpawner.image", "hub.config.KubeSpawner.allowed_images"] {
        if let Some(node) = root.get(key) {
            node.leaves(key, &mut |key, node| res.users.extend(text(node, key)));
        }
    }
    for key in [
        "hub.image",
        "proxy.chp.image",
        "proxy.traefik.image",
        "proxy.secretSync.image",
        "singleuser.networkTools.image",
        "prePuller.hook.image",
        "prePuller.pause.image",
        "scheduling.userScheduler.image",
    ] {
        res.helpers.extend(named(root, key));
    }
    let extra = root.get("prePuller.extraImages").and_then(Node::entries);
    for name in extra.into_iter().flat_map(BTreeMap::keys) {
        res.helpers.extend(named(root, &child("prePuller.extraImages", name)));
    }
    for key in ["singleuser.initContainers", "singleuser.extraContainers"] {
        let containers = root.get(key).and_then(Node::items).unwrap_or_default();
        for (n, container) in containers.iter().enumerate() {
            let image = container.get("image");
            res.helpers.extend(image.and_then(|it| text(it, &format!("{key}[{n}].image"))));
        }
    }
    let code = root.get("hub.extraConfig").and_then(Node::entries);
    res.code.extend(code.into_iter().flatten().map(|it| (child("hub.extraConfig", it.0), it.1)));
    res
}

fn of_profile<'a>(profile: &'a Node, key: &str, res: &mut Images<'a>) {
    let image = |node: &'a Node, key: &str| {
        text(node.get("kubespawner_override.image")?, &format!("{key}.kubespawner_override.image"))
    };
    res.users.extend(image(profile, key));
    let options = profile.get("profile_options").and_then(Node::entries);
    for (name, option) in options.into_iter().flatten() {
        let key = child(&format!("{key}.profile_options"), name);
        for (name, choice) in option.get("choices").and_then(Node::entries).into_iter().flatten() {
            res.users.extend(image(choice, &child(&format!("{key}.choices"), name)));
        }
        let sets_image = option.get("unlisted_choice.kubespawner_override.image").is_some();
        let is_enabled = option.get("unlisted_choice.enabled");
        if sets_image && is_enabled.is_some_and(|it| it.value == Value::Bool(true)) {
            let unlisted = option.get("unlisted_choice").unwrap_or(option);
            res.any.push((format!("{key}.unlisted_choice"), unlisted));
        }
    }
}

/// Returns the image of a mapping with `name` and `tag`, as the chart writes it.
fn named<'a>(root: &'a Node, key: &str) -> Option<Image<'a>> {
    let node = root.get(key)?;
    let (name, tag) = (node.get("name")?.text()?, node.get("tag")?);
    // With the name `R@sha256` and hexadecimal digits as the tag, this is a digest.
    let reference = format!("{name}:{}", tag.text()?);
    Some(Image { key: key.to_owned(), node: tag, reference })
}

fn text<'a>(node: &'a Node, key: &str) -> Option<Image<'a>> {
    Some(Image { key: key.to_owned(), node, reference: node.text()?.to_owned() })
}

/// Decides over `images`, with the digests that receipts certify, and the exceptions with their
/// reasons: references, or keys by which a user can start any image. `untested` is a reason for all
/// images with a digest.
///
/// # Errors
/// A finding for each image that is not certified, not pinned, or allowed for nothing.
pub(crate) fn decide(
    images: &Images<'_>,
    certified: &BTreeSet<Digest>,
    exceptions: &BTreeMap<String, String>,
    untested: Option<&str>,
) -> Result<Passed, Vec<Finding>> {
    let (mut passed, mut found) = (Passed::default(), Vec::new());
    let reason = |name: &str| exceptions.get(name).filter(|it| !it.trim().is_empty());
    for image in &images.users {
        if image.digest().is_some_and(|it| certified.contains(&it)) {
            passed.certified.insert(image.reference.clone());
        } else if let Some(reason) = reason(&image.reference) {
            passed.allowed.insert(image.reference.clone(), reason.clone());
        } else if let Some(reason) = untested.filter(|_| image.digest().is_some()) {
            passed.allowed.insert(image.reference.clone(), reason.to_owned());
        } else {
            found.push(refused(image));
        }
    }
    for (key, node) in &images.any {
        match reason(key) {
            Some(reason) => _ = passed.allowed.insert(key.clone(), reason.clone()),
            None => found.push(node.at.finding(
                RULE,
                format!("`{key}`: users could start any image, tested or not"),
                &format!("remove it, or add `{key}: <reason>` to `xtask.untestedImages`"),
            )),
        }
    }
    for image in images.helpers.iter().filter(|it| it.digest().is_none()) {
        let what = format!("`{}`: `{}` is not pinned by digest", image.key, image.reference);
        let fix = "write `tag: \"<tag>@sha256:<digest>\"`, or for one text `<name>:<tag>@sha256:<digest>`";
        found.push(image.node.at.finding(RULE, what, fix));
    }
    let notes = images.code.iter().map(|(key, node)| {
        format!("{}: `{key}`: code may set other images when the hub starts", node.at)
    });
    passed.notes.extend(notes);
    if found.is_empty() { Ok(passed) } else { Err(found) }
}

fn refused(image: &Image<'_>) -> Finding {
    let Image { key, reference, node } = image;
    let (what, fix) = match image.digest() {
        Some(_) => (
            format!("`{key}`: no receipt certifies `{reference}`"),
            "run `cargo xtask image-test` and `cargo xtask image-push` for it".to_owned(),
        ),
        None => (
            format!("`{key}`: `{reference}` has no digest: a tag may move"),
            "write `tag: \"<tag>@sha256:<digest>\"` of a published image".to_owned(),
        ),
    };
    let fix = format!("{fix}, or add `{reference}: <reason>` to `xtask.untestedImages`");
    node.at.finding(RULE, what, &fix)
}

/// Returns the exceptions in this tool's own settings.
pub(crate) fn exceptions(values: &Values) -> BTreeMap<String, String> {
    let list = values.own.as_ref().and_then(|it| it.get("untestedImages")).and_then(Node::entries);
    let reasons = list.into_iter().flatten();
    reasons.filter_map(|(name, it)| Some((name.clone(), it.text()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::values::{Layer, Source};

    fn values(text: &str) -> Values {
        let source = Source { file: "prod.yaml".into(), is_secret: false };
        Values::merged(vec![Layer { source, text: text.to_owned() }]).unwrap()
    }

    fn digest(c: char) -> String {
        c.to_string().repeat(64)
    }

    fn decided(text: &str) -> Result<Passed, Vec<String>> {
        let values = values(&text.replace("AAA", &digest('a')).replace("BBB", &digest('b')));
        let certified = BTreeSet::from([format!("sha256:{}", digest('a')).parse().unwrap()]);
        let lines = |found: Vec<Finding>| {
            found.iter().map(|it| it.what.replace(&digest('b'), "BBB")).collect()
        };
        decide(&images(&values), &certified, &exceptions(&values), None).map_err(lines)
    }

    #[test]
    fn certified_images_pass_in_every_place_and_form() {
        let passed = decided(
            "singleuser:\n  image: {name: r/hello, tag: \"t@sha256:AAA\"}\n  profileList:\n  - kubespawner_override: {image: \"r/hello:t@sha256:AAA\"}\n    profile_options: {i: {choices: {a: {kubespawner_override: {image: \"r/x@sha256:AAA\"}}}}}\n\
             hub: {config: {KubeSpawner: {allowed_images: {a: \"r/y:1@sha256:AAA\"}}}, extraConfig: {a: 'c.x = 1'}}\n",
        )
        .unwrap();
        assert_eq!(passed.certified.len(), 3);
        assert_eq!(
            passed.notes,
            ["prod.yaml:6: `hub.extraConfig.a`: code may set other images when the hub starts"]
        );
        let other =
            decided("singleuser: {image: {name: \"r/hello@sha256\", tag: \"AAA\"}}\n").unwrap();
        assert_eq!(other.certified.len(), 1);
    }

    #[test]
    fn others_are_refused_each_with_its_key() {
        let found = decided(
            "singleuser:\n  image: {name: r/hello, tag: latest-prod}\n  profileList:\n  - kubespawner_override: {image: \"r:t@sha256:BBB\"}\n    profile_options: {i: {unlisted_choice: {enabled: true, kubespawner_override: {image: \"{value}\"}}}}\n\
             hub: {image: {name: h, tag: \"1\"}, config: {KubeSpawner: {image: x}}}\n",
        );
        assert_eq!(
            found.unwrap_err(),
            [
                "`singleuser.image`: `r/hello:latest-prod` has no digest: a tag may move",
                "`singleuser.profileList[0].kubespawner_override.image`: no receipt certifies `r:t@sha256:BBB`",
                "`hub.config.KubeSpawner.image`: `x` has no digest: a tag may move",
                "`singleuser.profileList[0].profile_options.i.unlisted_choice`: users could start any image, tested or not",
                "`hub.image`: `h:1` is not pinned by digest",
            ]
        );
    }

    /// A candidate has no receipt beside its digest.
    #[test]
    fn candidates_are_refused() {
        let tag = "candidate-0123456789ab-0123456789ab";
        let image =
            |tag: &str| decided(&format!("singleuser: {{image: {{name: r, tag: \"{tag}\"}}}}\n"));
        let found = image(&format!("{tag}@sha256:BBB")).unwrap_err();
        assert_eq!(
            found,
            [format!("`singleuser.image`: no receipt certifies `r:{tag}@sha256:BBB`")]
        );
        let found = image(tag).unwrap_err();
        assert_eq!(found, [format!("`singleuser.image`: `r:{tag}` has no digest: a tag may move")]);
    }

    #[test]
    fn a_reason_for_all_does_not_make_a_tag_a_digest() {
        let one = |tag: &str| values(&format!("singleuser: {{image: {{name: r, tag: {tag}}}}}\n"));
        let decided = |it: &Values| {
            decide(&images(it), &BTreeSet::new(), &BTreeMap::new(), Some("an exercise"))
        };
        let tag = format!("\"1@sha256:{}\"", digest('b'));
        let passed = decided(&one(&tag)).unwrap();
        assert_eq!(passed.allowed.values().collect::<Vec<_>>(), ["an exercise"]);
        assert!(decided(&one("latest-prod")).is_err());
    }

    #[test]
    fn exceptions_have_a_reason() {
        let text = |reason: &str| {
            format!(
                "singleuser: {{image: {{name: r, tag: '1'}}}}\nxtask: {{untestedImages: {{'r:1': {reason}}}}}\n"
            )
        };
        let passed = decided(&text("made by the course")).unwrap();
        assert_eq!(passed.allowed["r:1"], "made by the course");
        assert!(decided(&text("''")).is_err() && decided(&text("null")).is_err());
    }
}
