//! Recipients of encrypted files.

use anyhow::bail;
use serde::Serialize;
use serde_yaml::Value;

/// Public keys and key services, each sorted. They are not secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Recipients {
    /// Keys of the form `age1…`, or ssh public keys.
    pub(crate) age: Vec<String>,
    /// ARNs of AWS KMS keys.
    pub(crate) kms: Vec<String>,
    /// Recipients of other kinds: PGP fingerprints, other clouds' keys.
    pub(crate) others: Vec<String>,
}

/// The kinds in a file's metadata, with the field that names a recipient.
const KINDS: &[(&str, &str)] = &[
    ("age", "recipient"),
    ("kms", "arn"),
    ("pgp", "fp"),
    ("gcp_kms", "resource_id"),
    ("azure_kv", "vault_url"),
    ("hc_vault", "vault_address"),
    ("hckms", "key_id"),
];

impl Recipients {
    /// Returns the recipients of an encrypted file.
    pub(crate) fn of_metadata(metadata: &Value) -> Recipients {
        let groups = metadata.get("key_groups").and_then(Value::as_sequence);
        let mut res = Recipients::default();
        for group in groups.into_iter().flatten().chain([metadata]) {
            for (kind, field) in KINDS {
                let items = group.get(*kind).and_then(Value::as_sequence).into_iter().flatten();
                items.filter_map(|it| it.get(*field)?.as_str()).for_each(|it| res.add(kind, it));
            }
        }
        res.sorted()
    }

    /// Returns the recipients of a rule of `.sops.yaml`, or of one of its key groups: a list, or
    /// text with commas.
    pub(crate) fn of_rule(rule: &Value) -> Recipients {
        let groups = rule.get("key_groups").and_then(Value::as_sequence);
        let mut res = Recipients::default();
        for group in groups.into_iter().flatten().chain([rule]) {
            for (kind, field) in KINDS {
                match group.get(*kind) {
                    Some(Value::String(text)) => {
                        let parts = text.split(',').map(str::trim).filter(|it| !it.is_empty());
                        parts.for_each(|it| res.add(kind, it));
                    }
                    Some(Value::Sequence(items)) => {
                        let name = |it: &'_ Value| {
                            Some(it.as_str().or_else(|| it.get(*field)?.as_str())?.to_owned())
                        };
                        items.iter().filter_map(name).for_each(|it| res.add(kind, &it));
                    }
                    _ => (),
                }
            }
        }
        res.sorted()
    }

    /// Returns the recipients passed to `secrets-init`.
    ///
    /// # Errors
    /// The list is empty, or a recipient is of another kind; a private key is not repeated.
    pub(crate) fn given(age: &[String], kms: &[String]) -> anyhow::Result<Recipients> {
        let is_plain = |it: &str| !it.chars().any(|c| c.is_control() || "',\"\\".contains(c));
        for it in age {
            let known = it.starts_with("age1") || it.starts_with("ssh-");
            if it.to_uppercase().contains("SECRET-KEY") || it.contains("PRIVATE") {
                bail!(
                    "--age takes the public key; that is a private one, and now in your shell's history: make a new one by `age-keygen`"
                );
            }
            if !known || !is_plain(it) {
                bail!(
                    "--age {it}: expected a public key, as in age1…; `age-keygen -y FILE` prints it"
                );
            }
        }
        for it in kms {
            if !it.starts_with("arn:aws") || !it.contains(":kms:") || !is_plain(it) {
                bail!(
                    "--kms {it}: expected the ARN of a key, as in arn:aws:kms:<region>:<account>:key/<id>"
                );
            }
        }
        Ok(Recipients { age: age.to_vec(), kms: kms.to_vec(), others: Vec::new() }.sorted())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &String> {
        self.age.iter().chain(&self.kms).chain(&self.others)
    }

    fn add(&mut self, kind: &str, name: &str) {
        match kind {
            "age" => &mut self.age,
            "kms" => &mut self.kms,
            _ => &mut self.others,
        }
        .push(name.to_owned());
    }

    fn sorted(mut self) -> Recipients {
        for list in [&mut self.age, &mut self.kms, &mut self.others] {
            list.sort();
            list.dedup();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_and_files_name_them_differently() {
        let rule =
            "key_groups:\n  - age: [age1b]\n    kms: [{arn: k}]\nage: 'age1a, age1b'\npgp: F\n";
        let rule = Recipients::of_rule(&serde_yaml::from_str(rule).unwrap());
        let file =
            "age: [{recipient: age1b}, {recipient: age1a}]\nkms: [{arn: k}]\npgp: [{fp: F}]\n";
        let file = Recipients::of_metadata(&serde_yaml::from_str(file).unwrap());
        assert_eq!(rule, file);
        assert_eq!(rule.all().collect::<Vec<_>>(), ["age1a", "age1b", "k", "F"]);
    }

    #[test]
    fn a_private_key_is_refused_and_not_repeated() {
        let key = "AGE-SECRET-KEY-1CANARY";
        let err = Recipients::given(&[key.to_owned()], &[]).unwrap_err();
        assert!(!err.to_string().contains("CANARY"), "{err}");
        for (age, kms) in
            [("x", "arn:aws:kms:r:1:key/x"), ("age1x", "x"), ("age1x'", "arn:aws:kms:r")]
        {
            assert!(Recipients::given(&[age.to_owned()], &[kms.to_owned()]).is_err());
        }
    }
}
