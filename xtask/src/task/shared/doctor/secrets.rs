//! Requirements of the tasks about secrets, where settings or a clone show that a mission has
//! secrets.

use fs_err as fs;

use crate::{
    run::{memory_folder, process},
    secrets::rules::{self, Rules},
    settings::config::Config,
    task::Session,
};

/// A missing tool.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MissingTool {
    pub(super) what: String,
    pub(super) fix: &'static str,
    /// Debian's package of the tool.
    pub(super) package: Option<&'static str>,
}

/// Required programs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Needs {
    pub(super) sops: bool,
    pub(super) age: bool,
    pub(super) aws: bool,
}

impl Needs {
    fn and(self, other: Needs) -> Needs {
        Needs {
            sops: self.sops || other.sops,
            age: self.age || other.age,
            aws: self.aws || other.aws,
        }
    }
}

/// Returns the missing tools for the secrets of these missions, each once.
pub(super) fn lacks(session: &Session, configs: &[Config]) -> Vec<MissingTool> {
    let mut all = Needs::default();
    for config in configs {
        let dir = session.checkout.root.join("secrets").join(&config.mission);
        if config.secrets_repo.is_some() || dir.is_dir() {
            let rules = fs::read_to_string(dir.join(rules::FILE)).ok();
            all = all.and(needs(rules.and_then(|it| Rules::parse(&it).ok()).as_ref(), config));
        }
    }
    let mut res = missing_programs(all, process::on_path);
    let memory = all.sops.then(memory_folder::missing).flatten();
    res.extend(memory.map(|what| MissingTool {
        what,
        fix: "mount a tmpfs there: plain text is kept in memory alone",
        package: None,
    }));
    res
}

/// Returns the required tools: age, unless only AWS keys are in use; aws for a role or such keys.
fn needs(rules: Option<&Rules>, config: &Config) -> Needs {
    let recipients = |has: fn(&crate::tools::sops::recipients::Recipients) -> bool| {
        rules.is_some_and(|it| it.all().any(has))
    };
    let has_kms = recipients(|it| !it.kms.is_empty());
    Needs {
        sops: true,
        age: recipients(|it| !it.age.is_empty()) || !has_kms,
        aws: config.secrets_role.is_some() || has_kms,
    }
}

pub(super) fn missing_programs(needs: Needs, on_path: impl Fn(&str) -> bool) -> Vec<MissingTool> {
    let programs = [
        (
            needs.sops,
            "sops",
            "which encrypts the secrets",
            "download it from https://github.com/getsops/sops/releases and check its signature as described there",
            None,
        ),
        (
            needs.age,
            "age-keygen",
            "which makes keys for sops",
            "install age: https://github.com/FiloSottile/age#installation",
            Some("age"),
        ),
        (
            needs.aws,
            "aws",
            "which logs in to AWS",
            "install it: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
            None,
        ),
    ];
    let lack = |(_, name, why, fix, package): (bool, &str, &str, &'static str, _)| MissingTool {
        what: format!("{name} is not on PATH, {why}"),
        fix,
        package,
    };
    programs.into_iter().filter(|it| it.0 && !on_path(it.1)).map(lack).collect()
}
