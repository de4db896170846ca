//! The Dockerfile of a trial: on a built image, the lists of some environments are installed again,
//! as they are now. Nothing else of the image changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    path::PathBuf,
};

use super::{
    BUILD_ARGS, Model, Sources,
    calls::{Call, ENVIRONMENTS, Script},
    mounts::mounts,
    stages::User,
};
use crate::{
    run::process::quoted,
    specs::{self, Kind},
};

/// A trial's Dockerfile and the files that it copies.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Trial {
    pub(crate) dockerfile: String,
    /// Texts of lists, by their paths in the build context.
    pub(crate) files: BTreeMap<PathBuf, String>,
}

/// Start of a shell line that copies the record of the environment in the folder that follows, and
/// lists the files of its tests in the folder after that: tests read what changed.
const KEEP_RECORD: &str = r#"keep() { [ -e "$1/record.json" ] && [ -d "$2" ] || return 0; cp "$1/record.json" "$1/before.json" && (cd "$2" && find . -name __pycache__ -prune -o ! -type d -exec sha256sum {} +) >"$1/before-tests.sha256"; } && keep"#;

/// Folder of the image's environments in a step from which its lists hide them.
const BELOW: &str = "/run/environments";

impl Trial {
    /// Returns the trial of `environments`, each made by a step of the mission's Dockerfile.
    pub(crate) fn new(sources: &Sources, model: &Model, environments: &[String]) -> Trial {
        let mut steps = String::new();
        let mut files = BTreeMap::new();
        for environment in environments {
            let made_from = made_from(model, environment);
            let lists = lists(model, &made_from);
            let binds = match lists.is_empty() {
                true => Vec::new(),
                false => vec![("/environments".to_owned(), ENVIRONMENTS.to_owned())],
            };
            let args = format!(
                "{KEEP_RECORD} {} {BELOW}/{environment}/tests && shopt -s nullglob && /opt/common-scripts/env-update {environment} {}",
                folder(environment),
                words(model, &made_from).join(" ")
            );
            let flags = mounts(&[], &args, User::Jovyan, &binds).join(" \\\n    ");
            let image =
                format!("--mount=type=bind,from=image,source={ENVIRONMENTS},target={BELOW}");
            steps += &format!("RUN {flags} \\\n    {image} \\\n    {args}\n");
            for list in lists {
                let text = sources.files.get(&list).cloned().unwrap_or_default();
                files.insert(PathBuf::from("environments").join(&list), text);
            }
        }
        // Of an empty folder nothing can be copied.
        let copy = if files.is_empty() { "" } else { "COPY environments /environments/\n" };
        let dockerfile = format!(
            "ARG BASE_IMAGE\n\nFROM scratch AS specs\n{copy}\nFROM ${{BASE_IMAGE}} AS image\n\nFROM image\n{BUILD_ARGS}\n{steps}"
        );
        Trial { dockerfile, files }
    }
}

/// Returns the folder of an environment's record, as a shell's word.
fn folder(environment: &str) -> String {
    let prefix = match environment {
        specs::BASE => String::new(),
        name => format!("/envs/{name}"),
    };
    format!("\"$CONDA_DIR{prefix}/share/environment\"")
}

fn calls(model: &Model) -> impl Iterator<Item = &Call> {
    model.stages.steps().flat_map(|it| &it.calls)
}

/// Returns the environment and those that it was cloned from, the first one first.
fn made_from(model: &Model, environment: &str) -> Vec<String> {
    let mut res = vec![environment.to_owned()];
    while let Some(from) = calls(model)
        .find(|it| it.script == Script::Clone && it.env == res[0])
        .and_then(|it| it.from.clone())
        .filter(|it| it != specs::BASE && !res.contains(it))
    {
        res.insert(0, from);
    }
    res
}

/// Returns the floating lists that steps of these environments see, included ones as well.
fn lists(model: &Model, environments: &[String]) -> BTreeSet<PathBuf> {
    let steps = model.stages.steps().zip(&model.steps);
    let theirs = steps.filter(|(run, _)| run.calls.iter().any(|it| environments.contains(&it.env)));
    theirs.flat_map(|(_, files)| files.floating.values().flatten().cloned()).collect()
}

/// Returns the lists as words of a shell's command, in the order of their installation, by the
/// paths that the image's records have.
fn words(model: &Model, environments: &[String]) -> Vec<String> {
    let mut res = Vec::new();
    for environment in environments {
        for call in calls(model).filter(|it| it.env == *environment) {
            if call.script == Script::InstallCommon {
                res.extend(["yml", "conda", "pip"].map(|it| format!("/opt/common-env/*.{it}")));
            }
            let path = |it: &String| match it.starts_with('/') {
                true => it.clone(),
                false => format!("{ENVIRONMENTS}/{environment}/{it}"),
            };
            res.extend(call.specs.iter().map(|it| quoted(OsStr::new(&path(it)))));
        }
    }
    res
}

/// Returns whether any step installs lists into `environment`.
pub(crate) fn has_lists(model: &Model, environment: &str) -> bool {
    !words(model, &made_from(model, environment)).is_empty()
}

/// Returns the `.pip` list of `environment` that its steps install last, relative to
/// `environments/`.
pub(crate) fn last_pip_list(model: &Model, environment: &str) -> Option<PathBuf> {
    let of_environment = calls(model).filter(|it| it.env == environment);
    let lists = of_environment.flat_map(|call| call.specs.iter().filter_map(|it| call.file(it)));
    let own = lists.filter(|it| specs::environment(it) == environment);
    own.filter(|it| specs::kind(it) == Some(Kind::Pip)).last()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use expect_test::{Expect, expect};

    use super::{Trial, last_pip_list};
    use crate::mission::dockerfile::tests::sources;

    const CUSTOM: &str = "ARG BASE_IMAGE=c\nFROM ${BASE_IMAGE}\n\
        RUN env-create sky sky.yml && install-common sky && env-update sky 'my list.pip' sky.pip\n\
        RUN env-clone sky sea && env-update sea sea.pip ../sky/sky.pip\n\
        RUN env-create other && env-update other /opt/common-env/x.pip\n";

    fn check(environments: &[&str], expect: Expect) {
        let files = [
            ("other/kernel.name", ""),
            ("sea/sea.pip", "-c ../sky/my list.pip\n"),
            ("sky/my list.pip", ""),
            ("sky/sky-frozen.yml", ""),
            ("sky/sky.pip", "numpy\n"),
            ("sky/sky.yml", ""),
        ];
        let sources = sources(CUSTOM, &files);
        let model = sources.model().unwrap_or_else(|found| panic!("{found:?}"));
        let environments: Vec<String> = environments.iter().map(|&it| it.to_owned()).collect();
        let trial = Trial::new(&sources, &model, &environments);
        let text = trial.dockerfile.lines();
        let shown = text.filter(|it| !it.contains("type=secret") && !it.starts_with("ARG SSL"));
        let mut text = shown.collect::<Vec<_>>().join("\n") + "\n";
        trial.files.keys().for_each(|it| text += &format!("{}\n", it.display()));
        expect.assert_eq(&text);
    }

    #[test]
    fn lists_are_installed_in_the_order_of_the_steps() {
        check(
            &["sky"],
            expect![[r#"
                ARG BASE_IMAGE

                FROM scratch AS specs
                COPY environments /environments/

                FROM ${BASE_IMAGE} AS image

                FROM image
                    --mount=type=cache,id=science-platform-uv-1000,target=/var/cache/image-build/uv,uid=1000,gid=100 \
                    --mount=type=cache,id=science-platform-pip-1000,target=/var/cache/image-build/pip,uid=1000,gid=100 \
                    --mount=type=cache,id=science-platform-conda-1000,target=/var/cache/image-build/conda,uid=1000,gid=100 \
                    --mount=type=bind,from=specs,source=/environments,target=/opt/environments \
                    --mount=type=bind,from=image,source=/opt/environments,target=/run/environments \
                    keep() { [ -e "$1/record.json" ] && [ -d "$2" ] || return 0; cp "$1/record.json" "$1/before.json" && (cd "$2" && find . -name __pycache__ -prune -o ! -type d -exec sha256sum {} +) >"$1/before-tests.sha256"; } && keep "$CONDA_DIR/envs/sky/share/environment" /run/environments/sky/tests && shopt -s nullglob && /opt/common-scripts/env-update sky /opt/environments/sky/sky.yml /opt/common-env/*.yml /opt/common-env/*.conda /opt/common-env/*.pip '/opt/environments/sky/my list.pip' /opt/environments/sky/sky.pip
                environments/sky/my list.pip
                environments/sky/sky.pip
                environments/sky/sky.yml
            "#]],
        );
    }

    #[test]
    fn a_clone_has_the_lists_of_its_source() {
        check(
            &["other", "sea"],
            expect![[r#"
                ARG BASE_IMAGE

                FROM scratch AS specs
                COPY environments /environments/

                FROM ${BASE_IMAGE} AS image

                FROM image
                    --mount=type=cache,id=science-platform-uv-1000,target=/var/cache/image-build/uv,uid=1000,gid=100 \
                    --mount=type=cache,id=science-platform-pip-1000,target=/var/cache/image-build/pip,uid=1000,gid=100 \
                    --mount=type=cache,id=science-platform-conda-1000,target=/var/cache/image-build/conda,uid=1000,gid=100 \
                    --mount=type=bind,from=image,source=/opt/environments,target=/run/environments \
                    keep() { [ -e "$1/record.json" ] && [ -d "$2" ] || return 0; cp "$1/record.json" "$1/before.json" && (cd "$2" && find . -name __pycache__ -prune -o ! -type d -exec sha256sum {} +) >"$1/before-tests.sha256"; } && keep "$CONDA_DIR/envs/other/share/environment" /run/environments/other/tests && shopt -s nullglob && /opt/common-scripts/env-update other /opt/common-env/x.pip
                    --mount=type=cache,id=science-platform-uv-1000,target=/var/cache/image-build/uv,uid=1000,gid=100 \
                    --mount=type=cache,id=science-platform-pip-1000,target=/var/cache/image-build/pip,uid=1000,gid=100 \
                    --mount=type=cache,id=science-platform-conda-1000,target=/var/cache/image-build/conda,uid=1000,gid=100 \
                    --mount=type=bind,from=specs,source=/environments,target=/opt/environments \
                    --mount=type=bind,from=image,source=/opt/environments,target=/run/environments \
                    keep() { [ -e "$1/record.json" ] && [ -d "$2" ] || return 0; cp "$1/record.json" "$1/before.json" && (cd "$2" && find . -name __pycache__ -prune -o ! -type d -exec sha256sum {} +) >"$1/before-tests.sha256"; } && keep "$CONDA_DIR/envs/sea/share/environment" /run/environments/sea/tests && shopt -s nullglob && /opt/common-scripts/env-update sea /opt/environments/sky/sky.yml /opt/common-env/*.yml /opt/common-env/*.conda /opt/common-env/*.pip '/opt/environments/sky/my list.pip' /opt/environments/sky/sky.pip /opt/environments/sea/sea.pip /opt/environments/sea/../sky/sky.pip
                environments/sea/sea.pip
                environments/sky/my list.pip
                environments/sky/sky.pip
                environments/sky/sky.yml
            "#]],
        );
    }

    #[test]
    fn the_last_pip_list_of_the_environment() {
        let files = [("sky/a.pip", ""), ("sky/b.pip", ""), ("sky/c.yml", "")];
        let custom = "ARG BASE_IMAGE=c\nFROM ${BASE_IMAGE}\n\
            RUN env-create sky c.yml && env-update sky b.pip && env-update sky a.pip c.yml\n";
        let model = sources(custom, &files).model().unwrap();
        assert_eq!(last_pip_list(&model, "sky").as_deref(), Some(Path::new("sky/a.pip")));
        assert_eq!(last_pip_list(&model, "sea"), None);
    }
}
