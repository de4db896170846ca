//! Random names and tokens.

use anyhow::anyhow;

/// Returns 32 random bytes, as hexadecimal digits.
pub(crate) fn random_hex() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|err| anyhow!("the system gives no random bytes: {err}"))?;
    Ok(bytes.iter().map(|it| format!("{it:02x}")).collect())
}
