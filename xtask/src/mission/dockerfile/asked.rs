//! Requests of the steps of a mission's image for each environment: the lines of all floating
//! lists, in the order of installation.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    mission::dockerfile::{
        Model, Sources,
        calls::{Call, Script},
    },
    settings::config::Mode,
    specs::{
        self,
        problem::Problem,
        read::{self, Spec, Texts},
    },
};

/// Folder of the lists that `install-common` installs, in this repository and in images.
pub(crate) const COMMON: &str = "common/image/common-env";
const COMMON_IN_IMAGES: &str = "/opt/common-env";

/// Returns the requests for each environment of a mission, by name. `common` has the texts of
/// [`COMMON`], by name. Lines that cannot be read are added to `problems`, also for lists of
/// `base`.
pub(crate) fn asked(
    sources: &Sources,
    model: Option<&Model>,
    common: &BTreeMap<PathBuf, String>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Spec> {
    let dir = sources.mission.join("environments");
    let mut reader = Reader {
        own: Texts { dir: &dir, files: &sources.files },
        common: Texts { dir: Path::new(COMMON), files: common },
        problems,
        res: BTreeMap::new(),
        hashed: Spec::default(),
    };
    match model {
        Some(model) => {
            for call in model.stages.steps().flat_map(|it| &it.calls) {
                reader.call(call);
            }
        }
        None => reader.folders(sources),
    }
    reader.res
}

struct Reader<'a> {
    own: Texts<'a>,
    common: Texts<'a>,
    problems: &'a mut Vec<Problem>,
    res: BTreeMap<String, Spec>,
    /// Hashed lists of `base`, which its frozen spec does not repeat.
    hashed: Spec,
}

impl Reader<'_> {
    fn call(&mut self, call: &Call) {
        if call.script == Script::Clone {
            let from = call.from.as_deref().unwrap_or(specs::BASE);
            let mut copy = self.res.get(from).cloned().unwrap_or_default();
            if from == specs::BASE {
                copy.extend(self.hashed.clone());
            }
            copy.cloned.insert(from.to_owned());
            self.add(&call.env, copy);
        }
        self.list(&call.env, self.own, &specs::needs(&call.env));
        if call.script == Script::InstallCommon {
            for list in common_lists(self.common.files) {
                self.list(&call.env, self.common, &list);
            }
        }
        for spec in &call.specs {
            match (call.file(spec), spec.strip_prefix(COMMON_IN_IMAGES)) {
                (_, Some(list)) => {
                    self.list(&call.env, self.common, Path::new(list.trim_start_matches('/')));
                }
                // The generator reports missing files.
                (Some(list), None) if self.own.files.contains_key(&list) => {
                    self.list(&call.env, self.own, &list);
                }
                _ => (),
            }
        }
    }

    /// Reads all lists that no other list includes, for a mission with its own Dockerfile.
    fn folders(&mut self, sources: &Sources) {
        let lists = sources.specs();
        let included: Vec<PathBuf> = lists.iter().flat_map(|it| includes(sources, it)).collect();
        let is_first = |it: &&PathBuf| {
            !included.contains(it)
                && specs::environment(it) != specs::SHARED
                && specs::kind(it).is_some()
                && **it != specs::frozen(specs::environment(it))
        };
        for list in lists.iter().filter(is_first) {
            self.list(specs::environment(list), self.own, list);
        }
        // The cloned environments are unknown.
        let environments = self.res.keys().cloned().chain([specs::BASE.to_owned()]);
        let environments: BTreeSet<String> = environments.collect();
        self.res.values_mut().for_each(|it| it.cloned.clone_from(&environments));
    }

    fn list(&mut self, env: &str, texts: Texts<'_>, list: &Path) {
        if texts.files.contains_key(list) {
            let spec = read::read(texts, list, self.problems);
            let is_of_base = env == specs::BASE && specs::environment(list) == specs::BASE;
            match is_of_base && specs::modes(list, texts.files).contains(&Mode::Frozen) {
                true => self.hashed.extend(spec),
                false => self.add(env, spec),
            }
        }
    }

    fn add(&mut self, env: &str, spec: Spec) {
        self.res.entry(env.to_owned()).or_default().extend(spec);
    }
}

fn includes(sources: &Sources, list: &Path) -> Vec<PathBuf> {
    let text = sources.files.get(list).map_or("", String::as_str);
    let dir = list.parent().unwrap_or(Path::new(""));
    let names = specs::includes(text).into_iter().map(|(_, name)| name);
    names.filter_map(|name| specs::normal(&dir.join(name))).collect()
}

/// Sorts lists like `install-common`: YAML, then conda lists, then pip lists.
fn common_lists(files: &BTreeMap<PathBuf, String>) -> Vec<PathBuf> {
    let kinds = [specs::Kind::Yaml, specs::Kind::Conda, specs::Kind::Pip];
    let of_kind = |kind| {
        let is_top =
            move |it: &&PathBuf| it.components().count() == 1 && specs::kind(it) == Some(kind);
        files.keys().filter(is_top).cloned()
    };
    kinds.into_iter().flat_map(of_kind).collect()
}
