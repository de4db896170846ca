//! Names of all settings, and the origin of each value.
//!
//! Order: `--set`, the process environment (known names only), `setup-env`, `setup-env.template`.

use std::{collections::BTreeMap, path::Path, sync::OnceLock};

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;

use crate::{
    run::{redact::redact, suggest::nearest, text_file},
    settings::setup_env::{self, Assigned, Scope, Unreadable, Vars},
};

/// All settings, in the order of `setup-env.template`, which explains them.
pub(crate) const NAMES: &[&str] = &[
    "DEPLOYMENT_NAME",
    "ENVIRONMENT",
    "USE_FROZEN",
    "BASE_IMAGE",
    "DEBIAN_IMAGE",
    "REGISTRY",
    "REUSE",
    "BUILD_CACHE",
    "PULL_REQUEST",
    "IMAGE_TAG",
    "COMMON_TAG",
    "DOCKER",
    "BUILDER",
    "PLATFORM",
    "CA_BUNDLE",
    "IMAGE_RUN_PARS",
    "BUILD_NETWORK",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "CONDA_CHANNEL_ALIAS",
    "DEBIAN_MIRROR",
    "TEST_MEMORY",
    "TEST_DISK",
    "TEST_MEMORY_TOTAL",
    "TEST_NETWORK",
    "TEST_DATA",
    "TEST_MAX_AGE",
    "PATIENCE",
    "HUB_PORT",
    "HUB_SOCKET",
    "HUB_REGISTRY",
    "KUBECONFIG",
    "SECRETS_REPO",
    "SECRETS_ROLE_ARN",
];

/// Setting that names the mission, and how values use it.
const MISSION: &str = "DEPLOYMENT_NAME";
const USES: [&str; 2] = ["$DEPLOYMENT_NAME", "${DEPLOYMENT_NAME"];

/// Settings that most programs also accept in lower case.
const LOWER_CASE_TOO: &[&str] = &["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];

/// Settings of other frameworks of this kind, and their counterparts here.
const ELSEWHERE: [(&[&str], &str); 3] = [
    (&["ACCOUNT", "ACCOUNT_ID", "IMAGE_REPO"], "REGISTRY"),
    (&["OWNER", "BASE_NOTEBOOK", "NOTEBOOK_TAG"], "BASE_IMAGE"),
    (&["ADMIN_ARN"], "SECRETS_ROLE_ARN"),
];

pub(crate) const FILE: &str = "setup-env";
pub(crate) const TEMPLATE: &str = "setup-env.template";

/// One evaluated setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Setting {
    pub(crate) value: String,
    /// Origin: `--set`, `the environment`, or `setup-env:12`.
    pub(crate) origin: String,
}

/// All settings by name; each of [`NAMES`] has an entry.
pub(crate) type Settings = BTreeMap<&'static str, Setting>;

/// Settings as far as they can be read.
#[derive(Debug, Clone)]
pub(crate) struct Evaluated {
    pub(crate) settings: Settings,
    pub(crate) warnings: Vec<String>,
    /// Lines that cannot be read, with their file.
    pub(crate) unreadable: Vec<(&'static str, Unreadable)>,
}

/// Sources of the settings, read once.
#[derive(Clone)]
pub(crate) struct Sources {
    root: String,
    template: String,
    /// Text of `setup-env`, if it exists.
    file: Option<String>,
    /// The process environment.
    environment: Vars,
    /// Assignments `NAME=value` of `--set`.
    flags: Vars,
    /// The settings without a mission of the command line, once they are evaluated.
    own: OnceLock<Evaluated>,
}

impl Sources {
    /// Reads both files of the checkout at `root`.
    pub(crate) fn read(root: &Path, set: &[String], environment: Vars) -> anyhow::Result<Sources> {
        let has_file = root.join(FILE).exists();
        Ok(Sources {
            root: root.to_string_lossy().into_owned(),
            template: text_file::read_text(root, Path::new(TEMPLATE))?,
            file: has_file.then(|| text_file::read_text(root, Path::new(FILE))).transpose()?,
            environment,
            flags: set.iter().map(|it| flag(it)).collect::<anyhow::Result<_>>()?,
            own: OnceLock::new(),
        })
    }

    /// Returns these sources with the template of the checkout at `root`.
    pub(crate) fn with_template_of(&self, root: &Path) -> anyhow::Result<Sources> {
        let template = text_file::read_text(root, Path::new(TEMPLATE))?;
        Ok(Sources { template, own: OnceLock::new(), ..self.clone() })
    }

    /// Returns the template of this repository with flags, independent of this machine.
    #[cfg(test)]
    pub(crate) fn template_with(set: &[&str]) -> anyhow::Result<Sources> {
        Ok(Sources {
            root: "/repo".to_owned(),
            template: include_str!("../../../setup-env.template").to_owned(),
            file: None,
            environment: Vars::new(),
            flags: set.iter().map(|it| flag(it)).collect::<anyhow::Result<_>>()?,
            own: OnceLock::new(),
        })
    }

    /// Evaluates all settings, with `DEPLOYMENT_NAME` set to `mission` if one is named. Also
    /// returns the warnings: names in `setup-env` that nothing reads.
    pub(crate) fn evaluate(
        &self,
        mission: Option<&str>,
    ) -> anyhow::Result<(Settings, Vec<String>)> {
        let Evaluated { settings, warnings, unreadable } = self.readable(mission);
        let lines: Vec<String> =
            unreadable.iter().map(|(file, line)| format!("{file}:{line}")).collect();
        ensure!(lines.is_empty(), "{}", lines.join("\n"));
        if let Some(name) = NAMES.iter().find(|it| !settings.contains_key(*it)) {
            bail!("{TEMPLATE}: no line `export {name}=…`; every setting needs its default there");
        }
        Ok((settings, warnings))
    }

    /// Evaluates like [`Sources::evaluate`], as far as the lines can be read.
    pub(crate) fn readable(&self, mission: Option<&str>) -> Evaluated {
        let own = self.own.get_or_init(|| self.evaluated(self.overrides()));
        let Some(mission) = mission else { return own.clone() };
        // Lines before the one that names the mission of the files may use another one's name.
        let of_files = own.settings.get(MISSION).filter(|it| it.value == mission).cloned();
        let of_command =
            || Setting { value: mission.to_owned(), origin: "the command line".to_owned() };
        let named = of_files.unwrap_or_else(of_command);
        // One evaluation for a thousand missions, where the files allow it.
        if own.unreadable.is_empty() && !self.uses_mission() {
            let mut res = own.clone();
            res.settings.insert(MISSION, named);
            return res;
        }
        let mut settings = self.overrides();
        settings.insert(MISSION, named);
        self.evaluated(settings)
    }

    /// Returns whether a value in the files may depend on the mission.
    fn uses_mission(&self) -> bool {
        let is_code = |it: &&str| !it.trim_start().starts_with('#');
        [Some(&self.template), self.file.as_ref()].into_iter().flatten().any(|text| {
            text.lines().filter(is_code).any(|it| USES.iter().any(|name| it.contains(name)))
        })
    }

    /// Adds the values of both files to `settings`, which override them.
    fn evaluated(&self, mut settings: Settings) -> Evaluated {
        let mut unreadable = Vec::new();
        let file = match &self.file {
            Some(text) => {
                let defaults = self.parse(&self.template, &values(&settings), &Vars::new());
                let defaults =
                    defaults.0.into_iter().map(|(name, (value, _))| (name, value)).collect();
                self.parse(text, &values(&settings), &defaults)
            }
            None => (Assigned::new(), Vec::new()),
        };
        unreadable.extend(file.1.into_iter().map(|it| (FILE, it)));
        let mut lines: Vec<(usize, &str)> =
            file.0.iter().map(|(name, it)| (it.1, name.as_str())).collect();
        lines.sort_unstable();
        let warnings =
            lines.into_iter().filter_map(|(line, name)| unknown_name(name, line)).collect();
        add(&mut settings, FILE, file.0);
        let template = self.parse(&self.template, &values(&settings), &Vars::new());
        add(&mut settings, TEMPLATE, template.0);
        unreadable.extend(template.1.into_iter().map(|it| (TEMPLATE, it)));
        Evaluated { settings, warnings, unreadable }
    }

    /// Returns the values that override both files.
    fn overrides(&self) -> Settings {
        let mut res = Settings::new();
        for &name in NAMES {
            let lower = LOWER_CASE_TOO.contains(&name).then(|| name.to_lowercase());
            let from_env = |name: &str| self.environment.get(name);
            let value = from_env(name).or_else(|| from_env(&lower?));
            let flag = self.flags.get(name).map(|it| (it, "--set"));
            if let Some((value, origin)) = flag.or(value.map(|it| (it, "the environment"))) {
                res.insert(name, Setting { value: value.clone(), origin: origin.to_owned() });
            }
        }
        res
    }

    fn parse(&self, text: &str, fixed: &Vars, defaults: &Vars) -> (Assigned, Vec<Unreadable>) {
        let mut ambient = self.environment.clone();
        ambient.extend(defaults.clone());
        setup_env::read(text, &Scope { root: &self.root, fixed, ambient: &ambient })
    }
}

fn values(settings: &Settings) -> Vars {
    settings.iter().map(|(name, it)| ((*name).to_owned(), it.value.clone())).collect()
}

/// Adds the values that `file` assigned to known names.
fn add(settings: &mut Settings, file: &str, assigned: Assigned) {
    for (name, (value, line)) in assigned {
        if let Some(name) = NAMES.iter().find(|it| **it == name) {
            settings.entry(name).or_insert(Setting { value, origin: format!("{file}:{line}") });
        }
    }
}

/// Returns a warning, unless the name is known. A name that other lines of the file use is ignored.
fn unknown_name(name: &str, line: usize) -> Option<String> {
    if NAMES.contains(&name) {
        return None;
    }
    let here = ELSEWHERE.iter().find(|(names, _)| names.contains(&name)).map(|it| it.1);
    let hint = match here.or_else(|| nearest(name, NAMES.iter().copied())) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => "setup-env.template lists all settings".to_owned(),
    };
    Some(format!("{FILE}:{line}: `{name}` is not a setting; {hint}"))
}

/// Parses `NAME=value` of `--set`.
fn flag(text: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = text
        .split_once('=')
        .with_context(|| format!("--set {}: expected NAME=value", redact(text)))?;
    if !NAMES.contains(&name) {
        let hint = nearest(name, NAMES.iter().copied())
            .map_or_else(String::new, |it| format!("; did you mean `{it}`?"));
        bail!("--set {name}: unknown setting{hint}");
    }
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests;
