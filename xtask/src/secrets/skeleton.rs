//! The first secrets file of a deployment: docs/secrets.md explains its keys.

use crate::run::random::random_hex;

/// Returns Helm values with new tokens, 32 bytes each, as hexadecimal digits: all that the chart would
/// otherwise make at random in each rendering, and the token of `hub-smoke`.
/// <https://z2jh.jupyter.org/en/stable/resources/reference.html#proxy-secrettoken>
pub(crate) fn text() -> anyhow::Result<String> {
    let (proxy, cookie, key, smoke) = (random_hex()?, random_hex()?, random_hex()?, random_hex()?);
    Ok(format!(
        "# Helm values that nobody else may know. Add yours by `cargo xtask secrets-set KEY`, among them\n\
         # hub.config.<Authenticator>.client_secret, and proxy.https.manual.key.\n\
         proxy:\n    secretToken: {proxy}\n\
         hub:\n    cookieSecret: {cookie}\n    config:\n        CryptKeeper:\n            keys:\n                - {key}\n    \
         services:\n        xtask-smoke:\n            apiToken: {smoke}\n"
    ))
}

#[cfg(test)]
mod tests {
    use serde_yaml::Value;

    #[test]
    fn values_are_random_text() {
        let read = || serde_yaml::from_str::<Value>(&super::text().unwrap()).unwrap();
        let (one, other) = (read(), read());
        let values = [
            &one["proxy"]["secretToken"],
            &one["hub"]["cookieSecret"],
            &one["hub"]["config"]["CryptKeeper"]["keys"][0],
            &one["hub"]["services"]["xtask-smoke"]["apiToken"],
        ];
        assert!(values.iter().all(|it| it.as_str().unwrap().len() == 64));
        assert!(values[0] != values[1] && *values[0] != other["proxy"]["secretToken"]);
    }
}
