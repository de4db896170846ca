//! Which tests a mission's folder asks for, so that one which did not run is noticed.

use std::{collections::BTreeSet, path::Path};

use fs_err as fs;

use crate::{
    receipt::{self, Expected, Receipt, Test},
    repo::{Environment, Mission},
};

/// What a complete receipt of `mission` has.
///
/// # Errors
/// A folder or list cannot be read.
pub(crate) fn expected(mission: &Mission) -> anyhow::Result<BTreeSet<Expected>> {
    let mut res = BTreeSet::new();
    for environment in &mission.environments {
        add(environment, &mut res)?;
    }
    Ok(res)
}

/// What a receipt of `mission` lacks to vouch for its image: a failure for each test that has to be
/// in it. A receipt that another version of this tool made may know fewer tests.
///
/// # Errors
/// A folder or list cannot be read.
pub(crate) fn lacking(mission: &Mission, receipt: &Receipt) -> anyhow::Result<Vec<Test>> {
    let mut all = expected(mission)?;
    all.extend(of_the_image(mission));
    Ok(receipt::missing(&all, &receipt.tests, "the receipt does not know it"))
}

/// What is tested of every image as a whole, and as a hub starts it; by `test-image`.
pub(crate) fn of_the_image(mission: &Mission) -> BTreeSet<Expected> {
    let expected = |environment: &str, kind, name: &str| Expected {
        environment: environment.to_owned(),
        kind,
        name: name.to_owned(),
    };
    let whole = [
        ("home", "kernelspecs"),
        ("permissions", "/opt/environments"),
        ("permissions", "CONDA_DIR"),
        ("permissions", "HOME"),
        ("server", "jupyterhub-singleuser"),
        ("server", "own command"),
        ("shell", "login"),
    ];
    let mut res: BTreeSet<Expected> =
        whole.into_iter().map(|(kind, name)| expected("", kind, name)).collect();
    let own = mission.environments.iter().map(|it| it.name.as_str());
    for name in own.filter(|it| *it != "base") {
        res.insert(expected(name, "kernel", name));
    }
    res.insert(expected("base", "kernel", "python3"));
    res
}

fn add(environment: &Environment, res: &mut BTreeSet<Expected>) -> anyhow::Result<()> {
    let mut expect = |kind, name: &str| {
        let environment = environment.name.clone();
        res.insert(Expected { environment, kind, name: name.to_owned() });
    };
    expect("consistency", "pip check");
    let tests = environment.dir.join("tests");
    let imports = tests.join("imports");
    if imports.is_file() {
        let text = fs::read_to_string(imports)?;
        entries(&text).for_each(|it| expect("import", it));
    }
    if tests.join("test").is_file() {
        expect("script", "test");
    }
    for notebook in notebooks(&tests)? {
        expect("notebook", &notebook);
    }
    Ok(())
}

/// The entries of a list: one per line; `#` starts a comment at the start of a line or after a space.
pub(crate) fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(without_comment).filter(|it| !it.is_empty())
}

fn without_comment(line: &str) -> &str {
    let starts =
        |(idx, _): &(usize, &str)| *idx == 0 || line[..*idx].ends_with(char::is_whitespace);
    let end = line.match_indices('#').find(starts).map_or(line.len(), |(idx, _)| idx);
    line[..end].trim()
}

/// All notebooks below `tests`, as paths relative to it.
fn notebooks(tests: &Path) -> anyhow::Result<Vec<String>> {
    let mut res = Vec::new();
    let mut folders = vec![tests.to_owned()];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() && !path.ends_with(".ipynb_checkpoints") {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "ipynb")
                && let Ok(name) = path.strip_prefix(tests)
            {
                res.push(name.to_string_lossy().into_owned());
            }
        }
    }
    Ok(res)
}
