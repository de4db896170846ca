//! `.sops.yaml`: the files to encrypt, and their recipients. See
//! <https://getsops.io/docs/#using-sops-yaml-conf-to-select-kms-pgp-and-age-for-new-files>.

use std::path::Path;

use anyhow::Context as _;
use regex_lite::Regex;
use serde_yaml::Value;

use crate::{secrets::yaml, tools::sops::recipients::Recipients};

pub(crate) const FILE: &str = ".sops.yaml";

/// Creation rules, in order.
#[derive(Debug, Default)]
pub(crate) struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    /// Pattern of paths; `None` matches every file.
    path: Option<Regex>,
    recipients: Recipients,
}

impl Rules {
    pub(crate) fn parse(text: &str) -> anyhow::Result<Rules> {
        yaml::check_depth(text).context(FILE)?;
        let value: Value = serde_yaml::from_str(text).context(FILE)?;
        let rules = value.get("creation_rules").and_then(Value::as_sequence);
        let rule = |rule: &Value| {
            let path = rule.get("path_regex").and_then(Value::as_str).map(Regex::new).transpose();
            let path = path.with_context(|| format!("{FILE}: a path_regex cannot be read"))?;
            Ok(Rule { path, recipients: Recipients::of_rule(rule) })
        };
        let rules = rules.with_context(|| format!("{FILE}: missing list creation_rules"))?;
        Ok(Rules(rules.iter().map(rule).collect::<anyhow::Result<_>>()?))
    }

    /// Returns the recipients of the file: the first rule that matches `path`, relative to the
    /// folder of `.sops.yaml`, decides. A rule without a pattern covers the formats that sops
    /// supports, except for files that configure sops or git.
    pub(crate) fn recipients(&self, path: &Path) -> Option<&Recipients> {
        let name = path.file_name()?.to_string_lossy();
        if name == FILE {
            return None;
        }
        let text = path.to_string_lossy();
        let is_structured = !name.starts_with('.')
            && [".yaml", ".yml", ".json", ".env", ".ini"].iter().any(|it| name.ends_with(it));
        let matches = |rule: &&Rule| match &rule.path {
            Some(it) => it.is_match(&text),
            None => is_structured,
        };
        self.0.iter().find(matches).map(|it| &it.recipients)
    }

    /// Returns the recipients of each rule.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Recipients> {
        self.0.iter().map(|it| &it.recipients)
    }

    /// Returns whether `path` should be encrypted.
    pub(crate) fn covers(&self, path: &Path) -> bool {
        self.recipients(path).is_some()
    }
}

/// Returns a new `.sops.yaml`, for all YAML files but hidden ones.
pub(crate) fn text(recipients: &Recipients) -> String {
    let line = |name: &str, list: &[String]| match list {
        [] => String::new(),
        _ => format!("    {name}: '{}'\n", list.join(",")),
    };
    format!(
        "# Which files are encrypted, and their recipients, each of which can read a file. After a change here,\n\
         # run `sops updatekeys FILE` for each file there is.\n\
         creation_rules:\n  - path_regex: '(^|/)[^./][^/]*\\.ya?ml$'\n{}{}",
        line("age", &recipients.age),
        line("kms", &recipients.kms)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let given = ["age1b".to_owned(), "age1a".to_owned()];
        let recipients = Recipients::given(&given, &["arn:aws:kms:r:1:key/x".to_owned()]).unwrap();
        let rules = Rules::parse(&text(&recipients)).unwrap();
        assert_eq!(rules.recipients(Path::new("dev.yaml")), Some(&recipients));
        assert!(rules.covers(Path::new("a/b.yml")));
        for name in [".sops.yaml", ".pre-commit-config.yaml", "README.md", "dev.yaml.txt"] {
            assert!(!rules.covers(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let text = "creation_rules:\n- path_regex: ^dev\n  age: age1x\n- age: [age1y]\n";
        let rules = Rules::parse(text).unwrap();
        let of = |name: &str| rules.recipients(Path::new(name)).map(|it| it.age.join(","));
        assert_eq!(of("dev.txt").as_deref(), Some("age1x"));
        assert_eq!(of("prod.yaml").as_deref(), Some("age1y"));
        assert_eq!(of("README.md"), None);
        assert_eq!(of(".gitlab-ci.yml"), None);
    }

    #[test]
    fn what_sops_would_not_take() {
        for text in ["", "a: b", "creation_rules: x", "creation_rules: [{path_regex: '('}]", "a: ["]
        {
            assert!(Rules::parse(text).unwrap_err().to_string().contains(FILE), "{text}");
        }
    }
}
