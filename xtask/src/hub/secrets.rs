//! Secrets among values: which values are secrets, wherever they are set.

use crate::{
    hub::values::{Node, Value, Values},
    run::{
        finding::Finding,
        mask::{self, SHORTEST},
        redact,
    },
};

pub(crate) const RULE: &str = "hub-secret";

/// Values of the chart that are secrets, and whose names do not end in a word for one.
const KNOWN: [&str; 3] =
    ["hub.config.CryptKeeper.keys", "proxy.https.manual.key", "imagePullSecret.password"];

/// Names that end in a word for a secret, and refer to one.
const REFERENCES: [&str; 4] = ["existingSecret", "imagePullSecret", "pullSecret", "secret"];

/// Hides the values of secret layers in all output of this process.
pub(crate) fn hide(values: &Values) {
    for layer in values.layers.iter().filter(|it| it.at.source.is_secret) {
        layer.leaves("", &mut |_, node| {
            if let Some(text) = text(node) {
                mask::hide(&text);
            }
        });
    }
}

/// Returns findings about secrets in a layer that is not encrypted, or those in a secret layer that are
/// too short to be hidden in what programs print.
pub(crate) fn findings(layer: &Node) -> Vec<Finding> {
    let mut found = Vec::new();
    layer.leaves("", &mut |key, node| {
        let Some(text) = text(node).filter(|it| !it.is_empty()) else { return };
        if node.at.source.is_secret {
            if text.chars().count() < SHORTEST {
                let what = format!(
                    "`{key}`: a secret of under {SHORTEST} characters cannot be hidden in the output of programs"
                );
                let fix = "use a longer one; a value that is not secret belongs in missions/<mission>/hub/";
                found.push(node.at.finding(RULE, what, fix));
            }
        } else if is_secret(key) && matches!(node.value, Value::Text(_)) {
            let what = format!("`{key}`: a secret in plain text");
            let fix = format!("replace it, and store the new one by `cargo xtask secrets-set {key}`");
            found.push(node.at.finding(RULE, what, &fix));
        }
    });
    found
}

/// Returns whether the value at `key` is a secret, judging by its name.
pub(crate) fn is_secret(key: &str) -> bool {
    if KNOWN
        .iter()
        .any(|it| key.strip_prefix(it).is_some_and(|rest| rest.is_empty() || rest.starts_with('[')))
    {
        return true;
    }
    let name = key.rsplit('.').next().unwrap_or_default();
    let name = name.split('[').next().unwrap_or_default();
    !REFERENCES.contains(&name) && redact::is_secret_name(&snake(name))
}

/// Returns `cookieSecret` as `cookie_Secret`.
fn snake(name: &str) -> String {
    let mut res = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && res.ends_with(|it: char| it.is_ascii_lowercase()) {
            res.push('_');
        }
        res.push(c);
    }
    res
}

/// Returns a text or a number as it is written.
fn text(node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(it) => Some(it.clone()),
        Value::Number(it) => Some(it.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_by_name() {
        for key in [
            "hub.cookieSecret",
            "proxy.secretToken",
            "hub.services.x.apiToken",
            "hub.services.x.api_token",
            "hub.config.CryptKeeper.keys[0]",
            "hub.config.GitHubOAuthenticator.client_secret",
            "hub.config.SharedPasswordAuthenticator.user_password",
            "hub.db.password",
            "imagePullSecret.password",
            "proxy.https.manual.key",
            "singleuser.extraEnv.AWS_SECRET_ACCESS_KEY",
            "singleuser.extraEnv.MY_API_KEY",
        ] {
            assert!(is_secret(key), "{key}");
        }
        for key in [
            "hub.existingSecret",
            "proxy.https.secret.name",
            "proxy.https.secret.key",
            "imagePullSecrets[0]",
            "singleuser.image.pullSecrets[0]",
            "hub.config.GenericOAuthenticator.token_url",
            "hub.config.GitHubOAuthenticator.client_id",
            "singleuser.extraEnv.X.valueFrom.secretKeyRef.key",
            "hub.config.JupyterHub.cookie_secret_file",
        ] {
            assert!(!is_secret(key), "{key}");
        }
    }
}
