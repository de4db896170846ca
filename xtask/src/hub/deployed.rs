//! What this tool sets above all layers of a deployed hub.

use serde_json::json;

use crate::{
    hub::values::{Node, Values},
    tools::image_name::{Digest, ImageId, ImageRef, Repository, Tag},
};

/// Name of the smoke test's service, and of its role.
pub(crate) const SMOKE: &str = "xtask-smoke";

/// The only user that the service may touch. JupyterHub lets no service delete the user of its own name.
pub(crate) const SMOKE_USER: &str = "xtask-smoke-user";

/// Rights of the smoke test's service, each for its own user alone.
const SCOPES: [&str; 4] = ["admin:users", "servers", "access:servers", "delete:users"];

impl Values {
    /// Returns the values with what every deployed hub gets: a database that outlives the release,
    /// and, where the values have its token, the smoke test's role.
    pub(crate) fn deployed(self) -> Values {
        let annotations = json!({"helm.sh/resource-policy": "keep"});
        let mut set = json!({"hub": {"db": {"pvc": {"annotations": annotations}}}});
        if self.has_smoke_token() {
            let scopes: Vec<String> =
                SCOPES.iter().map(|it| format!("{it}!user={SMOKE_USER}")).collect();
            set["hub"]["loadRoles"][SMOKE] = json!({"scopes": scopes, "services": [SMOKE]});
        }
        self.with(&set)
    }

    /// Returns whether the hub will know the smoke test's service. `secrets-init` makes its token.
    pub(crate) fn has_smoke_token(&self) -> bool {
        let token = self.get("hub.services").and_then(Node::entries).and_then(|it| it.get(SMOKE));
        let token = token.and_then(|it| it.get("apiToken")).and_then(Node::text);
        token.is_some_and(|it| !it.is_empty())
    }

    /// Returns whether users' servers may need what a login brings.
    pub(crate) fn has_auth_state(&self) -> bool {
        let set = self.get("hub.config.Authenticator.enable_auth_state");
        set.is_some_and(|it| it.json() == true)
    }

    /// Returns whether a layer sets the image of users' servers.
    pub(crate) fn has_image(&self) -> bool {
        ["singleuser.image.name", "singleuser.image.tag"].iter().any(|it| self.get(it).is_some())
    }

    /// Returns the names of the Secrets by which nodes log in to registries.
    pub(crate) fn pull_secrets(&self) -> Vec<String> {
        let mut res = Vec::new();
        for key in ["imagePullSecrets", "singleuser.image.pullSecrets"] {
            for it in self.get(key).and_then(Node::items).into_iter().flatten() {
                let name = it.text().or_else(|| it.get("name").and_then(Node::text));
                res.extend(name.map(str::to_owned));
            }
        }
        if let Some(true) = self.get("imagePullSecret.create").map(|it| it.json() == true) {
            res.push("image-pull-secret".to_owned());
        }
        res.sort();
        res.dedup();
        res
    }

    /// Returns the values with the image of users' servers, which has a tag and a digest: a layer
    /// that sets one has to be left alone.
    pub(crate) fn with_image(self, image: &ImageRef) -> Values {
        let ImageRef { repository, tag, digest } = image;
        let tag = tag.as_ref().map(ToString::to_string).unwrap_or_default();
        let digest = digest.as_ref().map(|it| format!("@{it}")).unwrap_or_default();
        let image = json!({"name": repository.to_string(), "tag": format!("{tag}{digest}")});
        self.with(&json!({"singleuser": {"image": image}}))
    }
}

/// Returns the image that a deployment chooses, for values that are only shown.
pub(crate) fn placeholder(mission: &str) -> ImageRef {
    ImageRef {
        repository: Repository::below("<registry>", mission),
        tag: Some(Tag::immutable("<inputs>", &ImageId::unknown())),
        digest: Some(Digest::unknown()),
    }
}

/// The registry as this machine and as nodes name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registries {
    pub(crate) here: String,
    pub(crate) nodes: String,
}

impl Registries {
    /// Returns the repository of `name` as nodes name it.
    pub(crate) fn for_nodes(&self, name: &str) -> Repository {
        Repository::below(&self.nodes, name)
    }

    /// Returns the image that nodes name `reference`, as this machine names it.
    pub(crate) fn as_seen_here(&self, reference: &str) -> String {
        match reference.strip_prefix(&self.nodes).filter(|it| it.starts_with('/')) {
            Some(rest) => format!("{}{rest}", self.here),
            None => reference.to_owned(),
        }
    }
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
    fn the_smoke_test_has_a_role_where_it_has_a_token() {
        let text = "hub: {services: {xtask-smoke: {apiToken: abc}}}\n";
        let json = values(text).deployed().json();
        let role = &json["hub"]["loadRoles"]["xtask-smoke"];
        assert_eq!(role["services"], json!(["xtask-smoke"]));
        assert_eq!(role["scopes"][0], "admin:users!user=xtask-smoke-user");
        let annotations = &json["hub"]["db"]["pvc"]["annotations"];
        assert_eq!(annotations["helm.sh/resource-policy"], "keep");
        for text in ["{}\n", "hub: {services: {xtask-smoke: {}}}\n"] {
            assert_eq!(values(text).deployed().json()["hub"].get("loadRoles"), None, "{text}");
        }
    }

    #[test]
    fn the_image_is_a_tag_with_a_digest() {
        let plain = values("singleuser: {image: {pullPolicy: Always}}\n");
        assert!(!plain.has_image());
        let image = placeholder("hello");
        let json = plain.with_image(&image).json();
        let expected = json!({
            "name": "<registry>/hello", "tag": "<inputs>-<image-id>@<digest>", "pullPolicy": "Always"
        });
        assert_eq!(json["singleuser"]["image"], expected);
        assert!(values("singleuser: {image: {name: a}}\n").has_image());
    }

    #[test]
    fn registries_have_two_names() {
        let it = Registries { here: "127.0.0.1:5000".to_owned(), nodes: "r.example/us".to_owned() };
        assert_eq!(it.for_nodes("hello").to_string(), "r.example/us/hello");
        assert_eq!(it.as_seen_here("r.example/us/hello:t@x"), "127.0.0.1:5000/hello:t@x");
        assert_eq!(it.as_seen_here("r.example/use/hello"), "r.example/use/hello");
    }
}
