//! Digests of values that tell whether two releases got the same, and no secret.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Digests;
use crate::hub::values::{Node, Values};

/// Secrets that hubs have, the first of which is the key.
const KEYS: [&str; 2] = ["hub.cookieSecret", "proxy.secretToken"];

/// Returns the digests of `values`.
pub(crate) fn values(values: &Values) -> Digests {
    let key = KEYS.iter().filter_map(|it| values.get(it)).find(|it| it.at.source.is_secret);
    let key = key.and_then(Node::text).filter(|it| it.len() >= 32);
    Digests {
        sha256: hex(&Sha256::digest(values.root.shown().to_string())),
        hmac: key
            .map(|key| hex(&hmac(key.as_bytes(), canonical(values.json()).to_string().as_bytes()))),
    }
}

/// Returns whether `stored`, the values that Helm keeps for a revision, have the digests of its record;
/// `None` where the record cannot tell.
pub(crate) fn is_of(digests: &Digests, stored: &Value) -> Option<bool> {
    let own = digests.hmac.as_ref()?;
    let keys = KEYS.iter().filter_map(|it| {
        let (section, name) = it.split_once('.')?;
        stored[section][name].as_str()
    });
    let message = canonical(stored.clone()).to_string();
    Some(keys.into_iter().any(|it| hex(&hmac(it.as_bytes(), message.as_bytes())) == *own))
}

/// Returns values as every version of Helm keeps them: numbers in one form, and no null.
fn canonical(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let entries = entries.into_iter().filter(|it| !it.1.is_null());
            Value::Object(entries.map(|(key, it)| (key, canonical(it))).collect())
        }
        Value::Array(items) => items.into_iter().map(canonical).collect(),
        Value::Number(it) => it.as_f64().map_or(Value::Number(it), Value::from),
        it => it,
    }
}

/// Returns HMAC-SHA-256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = match key.len() {
        0..=64 => key.to_vec(),
        _ => Sha256::digest(key).to_vec(),
    };
    block.resize(64, 0);
    let padded = |with: u8| block.iter().map(|it| it ^ with).collect::<Vec<u8>>();
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, it| {
        let _ = write!(text, "{it:02x}");
        text
    })
}

/// The first and the last but one case of RFC 4231, section 4.
#[test]
fn hmac_of_the_standard() {
    assert_eq!(
        hex(&hmac(&[0x0b; 20], b"Hi There")),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    );
    assert_eq!(
        hex(&hmac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First")),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    );
}

#[test]
fn values_are_recognised_in_the_form_of_helm() {
    let key = "a".repeat(64);
    let text = format!("hub: {{cookieSecret: {key}, limit: 1.0, none: null}}\n");
    let source = crate::hub::values::Source { file: "secret.yaml".into(), is_secret: true };
    let layer = crate::hub::values::Layer { source, text };
    let digests = values(&Values::merged(vec![layer]).unwrap());
    let stored = |limit: u32| serde_json::json!({"hub": {"cookieSecret": key, "limit": limit}});
    assert_eq!(is_of(&digests, &stored(1)), Some(true));
    assert_eq!(is_of(&digests, &stored(2)), Some(false));
    assert_eq!(is_of(&Digests::default(), &stored(1)), None);
}
