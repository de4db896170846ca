//! A docker configuration with the local registry's password, for the commands that contact it. The
//! user's own is not changed.

use std::path::Path;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use fs_err as fs;
use serde_json::{Map, Value, json};

use crate::{run::memory_folder::MemoryFolder, tools::docker::user_s_config};

/// User name that `common/registry/start` expects.
const USER: &str = "xtask";

/// Configuration of a docker CLI, instead of the user's.
pub(super) struct Login {
    folder: MemoryFolder,
    pub(super) password: String,
}

impl Login {
    pub(super) fn new(address: &str, password: &str) -> anyhow::Result<Login> {
        let folder = MemoryFolder::new()?;
        let user = user_s_config();
        let text = user.as_ref().and_then(|it| fs::read_to_string(it.join("config.json")).ok());
        let config = config(text.as_deref().unwrap_or_default(), address, password);
        folder.file("config.json", &config.to_string())?;
        // The engine may be that of a context.
        if let Some(contexts) = user.map(|it| it.join("contexts")).filter(|it| it.is_dir()) {
            folder.link("contexts", &std::path::absolute(contexts)?)?;
        }
        Ok(Login { folder, password: password.to_owned() })
    }

    pub(super) fn dir(&self) -> &Path {
        self.folder.path()
    }
}

/// Returns the user's configuration with only this login; commands that contact `address` need no
/// other. Without the credential store, which would be asked instead.
fn config(user: &str, address: &str, password: &str) -> Value {
    let mut res: Map<String, Value> = serde_json::from_str(user).unwrap_or_default();
    res.remove("credsStore");
    res.remove("credHelpers");
    let auth = BASE64_STANDARD.encode(format!("{USER}:{password}"));
    res.insert("auths".to_owned(), json!({ address: { "auth": auth } }));
    res.into()
}

#[test]
fn the_user_s_configuration_without_logins() {
    let user = r#"{"auths": {"quay.io": {"auth": "c2VjcmV0"}}, "credsStore": "desktop",
        "credHelpers": {"quay.io": "pass"}, "currentContext": "lab", "HttpHeaders": {"a": "b"}}"#;
    let own = json!({ "127.0.0.1:5000": { "auth": "eHRhc2s6YWJj" } });
    assert_eq!(
        config(user, "127.0.0.1:5000", "abc"),
        json!({ "auths": own, "currentContext": "lab", "HttpHeaders": { "a": "b" } })
    );
    for damaged in ["", "{", "[]"] {
        assert_eq!(config(damaged, "127.0.0.1:5000", "abc"), json!({ "auths": own }));
    }
}
