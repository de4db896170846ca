//! What can be said of secrets without decrypting any: rules, keys, changes, and mistakes.

pub(crate) mod yaml;
pub(crate) mod encrypted;
pub(crate) mod plain;
pub(crate) mod changes;
pub(crate) mod rules;
pub(crate) mod skeleton;
pub(crate) mod plaintext;

use anyhow::anyhow;

/// A new secret: 32 random bytes, as hexadecimal digits.
///
/// # Errors
/// The system gives no random bytes.
pub(crate) fn random_hex() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|err| anyhow!("the system gives no random bytes: {err}"))?;
    Ok(bytes.iter().map(|it| format!("{it:02x}")).collect())
}
