//! Tests that a mission's folder requires, so that a test that did not run is noticed.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use fs_err as fs;
use glob::{MatchOptions, Pattern};
use serde::Deserialize;

use crate::{
    mission::{
        checkout::{Environment, Mission},
        dockerfile::calls::ENVIRONMENTS,
        test_kind::TestKind,
    },
    specs::{self, read::without_comment},
};

/// Lists in an environment's `tests/`.
pub(crate) const LISTS: [&str; 3] = ["imports", "commands", "notebooks"];

/// A test that must be in a receipt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ExpectedTest {
    pub(crate) environment: String,
    pub(crate) kind: TestKind,
    pub(crate) name: String,
}

/// Returns the tests of a complete receipt of `mission`.
pub(crate) fn expected(mission: &Mission) -> anyhow::Result<BTreeSet<ExpectedTest>> {
    let mut res = BTreeSet::new();
    if mission.dir.join("environments/test").is_file() {
        let script = format!("{ENVIRONMENTS}/test");
        res.insert(ExpectedTest {
            environment: String::new(),
            kind: TestKind::Mission,
            name: script,
        });
    }
    let files = notebooks_in_image(mission)?;
    for environment in &mission.environments {
        let mut own = BTreeSet::new();
        add(environment, &files, &mut own)?;
        // Like `test-environments`: the base needs no tests, and is skipped without any.
        if environment.name != "base" || own.len() > 1 {
            res.extend(own);
        }
    }
    Ok(res)
}

/// Path of a mission's `default-home-contents` in its image.
pub(crate) const HOME: &str = "/opt/default-home-contents";

/// Returns the paths in the image of the notebooks of the mission's folder.
fn notebooks_in_image(mission: &Mission) -> anyhow::Result<Vec<PathBuf>> {
    let mut res = Vec::new();
    for (folder, place) in [("environments", ENVIRONMENTS), ("default-home-contents", HOME)] {
        let found = notebooks(&mission.dir.join(folder))?;
        res.extend(found.into_iter().map(|it| Path::new(place).join(it)));
    }
    Ok(res)
}

/// Returns the path in the checkout of the notebook with this name among an environment's tests.
pub(crate) fn in_checkout(mission: &Mission, environment: &str, name: &str) -> Option<PathBuf> {
    let name = Path::new(name);
    if name.is_relative() {
        let own = mission.environments.iter().find(|it| it.name == environment)?;
        return Some(own.dir.join("tests").join(name));
    }
    let places = [(ENVIRONMENTS, "environments"), (HOME, "default-home-contents")];
    let inside =
        |(place, folder)| Some(mission.dir.join(folder).join(name.strip_prefix(place).ok()?));
    places.into_iter().find_map(inside)
}

/// Returns those of `files`, as paths in the image, that an entry of a `tests/notebooks` in
/// `folder` names: a path or a glob. `None` for files that only the image knows, like the common
/// image's notebooks.
pub(crate) fn named<'a>(
    folder: &Path,
    entry: &str,
    files: &'a [PathBuf],
) -> Option<Vec<&'a PathBuf>> {
    let pattern = folder.join(entry);
    let Some(pattern) = specs::normal(pattern.strip_prefix("/").unwrap_or(&pattern)) else {
        return Some(Vec::new());
    };
    let pattern = Path::new("/").join(pattern);
    if !pattern.starts_with(ENVIRONMENTS) && !pattern.starts_with(HOME) {
        return None;
    }
    let exact: Vec<&PathBuf> = files.iter().filter(|it| **it == pattern).collect();
    if !exact.is_empty() {
        return Some(exact);
    }
    let options = MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let Ok(glob) = Pattern::new(&pattern.to_string_lossy()) else { return Some(Vec::new()) };
    let is_notebook = |it: &&PathBuf| it.extension().is_some_and(|it| it == "ipynb");
    let found = files.iter().filter(is_notebook);
    Some(found.filter(|it| glob.matches_path_with(it, options)).collect())
}

/// Tests of every image as a whole: the file that the tester itself reads.
#[derive(Deserialize)]
struct ImageTests {
    /// Kind and name.
    prepare: Vec<(TestKind, &'static str)>,
    hub: Vec<(TestKind, &'static str)>,
    base_kernel: &'static str,
}

const IMAGE_TESTS: &str =
    include_str!("../../../common/image/common-scripts/platform_env/environments/image_tests.json");

/// Returns the tests of every image as a whole, and as a hub starts it; run by the tester.
pub(crate) fn of_the_image(mission: &Mission) -> BTreeSet<ExpectedTest> {
    let expected = |environment: &str, kind, name: &str| ExpectedTest {
        environment: environment.to_owned(),
        kind,
        name: name.to_owned(),
    };
    let tests: ImageTests = serde_json::from_str(IMAGE_TESTS).expect("image_tests.json is a list");
    let whole = tests.prepare.into_iter().chain(tests.hub);
    let mut res: BTreeSet<ExpectedTest> =
        whole.map(|(kind, name)| expected("", kind, name)).collect();
    let own = mission.environments.iter().map(|it| it.name.as_str());
    for name in own.filter(|it| *it != "base") {
        res.insert(expected(name, TestKind::Kernel, name));
    }
    res.insert(expected("base", TestKind::Kernel, tests.base_kernel));
    res
}

/// Adds the tests of an environment; `files` are the notebooks of the mission in its image.
fn add(
    environment: &Environment,
    files: &[PathBuf],
    res: &mut BTreeSet<ExpectedTest>,
) -> anyhow::Result<()> {
    let mut expect = |kind, name: &str| {
        let environment = environment.name.clone();
        res.insert(ExpectedTest { environment, kind, name: name.to_owned() });
    };
    expect(TestKind::Consistency, "pip check");
    let tests = environment.dir.join("tests");
    for (list, kind) in [("imports", TestKind::Import), ("commands", TestKind::Command)] {
        let list = tests.join(list);
        if list.is_file() {
            entries(&fs::read_to_string(list)?).for_each(|it| expect(kind, it));
        }
    }
    if tests.join("test").is_file() {
        expect(TestKind::Script, "test");
    }
    for notebook in notebooks(&tests)? {
        expect(TestKind::Notebook, &notebook);
    }
    let list = tests.join("notebooks");
    if list.is_file() {
        let folder = Path::new(ENVIRONMENTS).join(&environment.name).join("tests");
        for entry in entries(&fs::read_to_string(list)?) {
            for file in named(&folder, entry, files).unwrap_or_default() {
                // A notebook of the environment's own tests is named by its path there.
                let name = file.strip_prefix(&folder).unwrap_or(file);
                expect(TestKind::Notebook, &name.to_string_lossy());
            }
        }
    }
    Ok(())
}

/// Returns the entries of a list: one per line; `#` starts a comment at the start of a line or
/// after a space.
pub(crate) fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(without_comment).filter(|it| !it.is_empty())
}

/// Returns all notebooks below a folder, as paths relative to it.
fn notebooks(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut res = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() && !path.ends_with(".ipynb_checkpoints") {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "ipynb")
                && let Ok(name) = path.strip_prefix(root)
            {
                res.push(name.to_string_lossy().into_owned());
            }
        }
    }
    Ok(res)
}

/// The tester's list is read, with the kinds of receipts.
#[test]
fn tests_of_an_image_and_its_kernels() {
    let environment = Environment { name: "sky".to_owned(), dir: PathBuf::new() };
    let mission =
        Mission { name: "m".to_owned(), dir: PathBuf::new(), environments: vec![environment] };
    let expected = of_the_image(&mission).into_iter();
    let names: Vec<String> =
        expected.map(|it| format!("{} {} {}", it.environment, it.kind, it.name)).collect();
    let all = [
        " home files",
        " home kernelspecs",
        " permissions /opt/environments",
        " permissions CONDA_DIR",
        " permissions HOME",
        " server jupyterhub-singleuser",
        " server own command",
        " shell login",
        "base kernel python3",
        "sky kernel sky",
    ];
    assert_eq!(names, all);
}

#[test]
fn a_test_s_notebook_is_found_in_the_checkout() {
    let environment = Environment { name: "sky".to_owned(), dir: "/m/environments/sky".into() };
    let mission =
        Mission { name: "m".to_owned(), dir: "/m".into(), environments: vec![environment] };
    for (name, expected) in [
        ("deep/a.ipynb", Some("/m/environments/sky/tests/deep/a.ipynb")),
        ("/opt/environments/sky/b.ipynb", Some("/m/environments/sky/b.ipynb")),
        ("/opt/default-home-contents/c.ipynb", Some("/m/default-home-contents/c.ipynb")),
        ("/opt/conda/d.ipynb", None),
    ] {
        assert_eq!(in_checkout(&mission, "sky", name), expected.map(PathBuf::from));
    }
    assert_eq!(in_checkout(&mission, "sea", "a.ipynb"), None);
}

#[test]
fn a_base_list_needs_no_tests() {
    let dir = tempfile::tempdir().unwrap();
    let environment = |name: &str| {
        let dir = dir.path().join("environments").join(name);
        Environment { name: name.to_owned(), dir }
    };
    let environments = vec![environment("base"), environment("sky")];
    let mission = Mission { name: "m".to_owned(), dir: dir.path().to_owned(), environments };
    let names = || -> Vec<String> {
        let expected = expected(&mission).unwrap().into_iter();
        expected.map(|it| format!("{} {} {}", it.environment, it.kind, it.name)).collect()
    };
    assert_eq!(names(), ["sky consistency pip check"]);
    let imports = mission.environments[0].dir.join("tests/imports");
    crate::run::files::write(crate::run::process::Permit::of_test(), &imports, b"papermill\n")
        .unwrap();
    let all = ["base consistency pip check", "base import papermill", "sky consistency pip check"];
    assert_eq!(names(), all);
    let commands = mission.environments[1].dir.join("tests/commands");
    let text = b"sextractor  # of source-extractor\n";
    crate::run::files::write(crate::run::process::Permit::of_test(), &commands, text).unwrap();
    assert_eq!(names()[2..], ["sky command sextractor", "sky consistency pip check"]);
}
