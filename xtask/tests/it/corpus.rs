//! Broken trees of `corpus.yaml`: the findings of `check` in each, and the commands that refuse to
//! build it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    os::unix::{ffi::OsStringExt as _, fs::PermissionsExt as _, fs::symlink},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use serde::Deserialize;

use crate::{checkout::Checkout, run::Done};

type ByFile<T> = BTreeMap<String, T>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Tree {
    tree: String,
    remove: Vec<String>,
    write: ByFile<String>,
    append: ByFile<String>,
    replace: ByFile<(String, String)>,
    link: ByFile<String>,
    /// Bytes in hexadecimal digits.
    bytes: ByFile<String>,
    size: ByFile<usize>,
    mode: ByFile<u32>,
    submodule: Vec<String>,
    finds: Vec<String>,
    fixes: Vec<String>,
    refused: Option<String>,
    says: Option<String>,
    fixed: bool,
    stale: bool,
    freeze: bool,
}

fn corpus() -> Vec<Tree> {
    let text = include_str!("corpus.yaml").replace("~e/", "~m/environments/hello/");
    let text = text.replace("~k", "KEY");
    serde_yaml::from_str(&text.replace("~m", "missions/hello")).unwrap()
}

impl Tree {
    /// Turns the good checkout into the broken one.
    fn change(&self, checkout: &Checkout) {
        let path = |name: &str| checkout.root().join(file_name(name));
        let write = |name: &str, bytes: &[u8]| {
            fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            fs::write(path(name), bytes).unwrap();
        };
        for path in self.remove.iter().map(|it| path(it)) {
            match path.is_dir() {
                true => fs::remove_dir_all(path).unwrap(),
                false => fs::remove_file(path).unwrap(),
            }
        }
        self.write.iter().for_each(|(name, text)| write(name, text.as_bytes()));
        for (name, text) in &self.append {
            write(name, format!("{}{text}", checkout.read(name)).as_bytes());
        }
        for (name, (old, new)) in &self.replace {
            let text = checkout.read(name);
            assert_eq!(text.matches(old).count(), 1, "{}: {old}", self.tree);
            write(name, text.replace(old, new).as_bytes());
        }
        for (name, digits) in &self.bytes {
            let byte = |it: &[u8]| u8::from_str_radix(str::from_utf8(it).unwrap(), 16).unwrap();
            write(name, &digits.as_bytes().chunks(2).map(byte).collect::<Vec<_>>());
        }
        self.size.iter().for_each(|(name, size)| write(name, &vec![b'#'; *size]));
        for (name, target) in &self.link {
            fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            symlink(target, path(name)).unwrap();
        }
        for name in &self.submodule {
            fs::create_dir_all(path(name)).unwrap();
            checkout.git_link(name);
        }
        for (name, mode) in &self.mode {
            fs::set_permissions(path(name), fs::Permissions::from_mode(*mode)).unwrap();
        }
    }

    /// Returns the differences from the tree's expectations.
    fn problems(&self, good: &Checkout) -> Vec<String> {
        let checkout = good.copy();
        self.change(&checkout);
        let mut res = Vec::new();
        let mut expect = |what: &str, is: String, expected: String| {
            if is != expected {
                res.push(format!("{}: {what}\n  is {is}\n  not {expected}", self.tree));
            }
        };
        if !self.stale {
            let status = if self.refused.as_deref() == Some("image-update") { 2 } else { 0 };
            let before = files(&checkout);
            let done = checkout.run(&["image-update"]);
            expect("image-update", said(&done, self), format!("{status}"));
            if status == 2 {
                expect("kept", format!("{}", files(&checkout) == before), "true".to_owned());
            }
        }
        if let Some(refused) = &self.refused {
            let before = files(&checkout);
            let mode = if refused.ends_with("--frozen") { "--frozen" } else { "--floating" };
            let done = checkout.run(&["image-build", mode]);
            expect("image-build", said(&done, self), "2".to_owned());
            let acts = done.calls.iter().filter(|it| it.acts()).count();
            expect("calls that change something", acts.to_string(), "0".to_owned());
            expect("kept", format!("{}", files(&checkout) == before), "true".to_owned());
        }
        let no_freeze: &[&str] = if self.freeze { &[] } else { &["--no-freeze"] };
        let done = checkout.run(&[&["--json", "check"], no_freeze].concat());
        if self.says.is_some() {
            expect("check", said(&done, self), "2".to_owned());
            return res;
        }
        expect("check", found(&done).join("\n"), self.finds.join("\n"));
        let missing =
            self.fixes.iter().filter(|it| !done.stdout.contains(&it.replace('"', "\\\"")));
        let missing: Vec<&str> = missing.map(String::as_str).collect();
        expect("fixes", missing.join("\n"), String::new());
        if self.fixed {
            let done = checkout.run(&[&["--json", "check", "--fix"], no_freeze].concat());
            expect("check --fix", found(&done).join("\n"), String::new());
        }
        res
    }
}

/// Returns a file name in which U+FFFD is a byte that is not valid UTF-8.
fn file_name(name: &str) -> PathBuf {
    let mut bytes = Vec::new();
    for c in name.chars() {
        match c {
            '\u{fffd}' => bytes.push(0xff),
            _ => bytes.extend(c.to_string().as_bytes()),
        }
    }
    OsString::from_vec(bytes).into()
}

/// Returns the status; with the output, unless that contains the tree's expected message.
fn said(done: &Done, tree: &Tree) -> String {
    let status = done.code().map_or("killed".to_owned(), |it| it.to_string());
    let says = tree.says.as_deref().unwrap_or_default();
    let panicked = done.stderr.contains("panicked");
    if panicked || !done.stderr.contains(says) {
        return format!("{status}: {}", done.stderr);
    }
    status
}

/// Returns the findings of `check`, in the corpus' format.
fn found(done: &Done) -> Vec<String> {
    if done.code() == Some(2) || done.stderr.contains("panicked") {
        return vec![done.stderr.clone()];
    }
    let findings = done.json();
    let findings = findings.as_array().unwrap();
    assert_eq!(done.code(), Some(i32::from(!findings.is_empty())));
    let text = |it: &serde_json::Value| {
        let line = it["line"].as_u64().map_or(String::new(), |it| format!(":{it}"));
        assert!(
            !it["fix"].as_str().unwrap().is_empty() && !it["what"].as_str().unwrap().is_empty()
        );
        format!("{}{line}: {}", it["file"].as_str().unwrap(), it["rule"].as_str().unwrap())
    };
    findings.iter().map(text).collect()
}

/// Returns all files of the checkout, by their names, with their bytes.
fn files(checkout: &Checkout) -> BTreeMap<PathBuf, Vec<u8>> {
    fn add(dir: &Path, res: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_symlink() {
                let target = fs::read_link(&path).unwrap().into_os_string().into_vec();
                res.insert(path, target);
            } else if path.is_dir() && !path.ends_with("target") && !path.ends_with(".git") {
                add(&path, res);
            } else if path.is_file() {
                res.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
    let mut res = BTreeMap::new();
    add(&checkout.root(), &mut res);
    res
}

#[test]
fn broken_trees() {
    let trees = corpus();
    assert!(trees.iter().filter(|it| !it.finds.is_empty()).count() >= 60);
    let good = Checkout::new();
    good.git();
    good.run(&["image-update"]).status(0);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut problems = Vec::new();
        while let Some(tree) = trees.get(next.fetch_add(1, Ordering::Relaxed)) {
            problems.extend(tree.problems(&good));
        }
        problems
    };
    let problems: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|it| it.join().unwrap()).collect()
    });
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Every rule has a tree that breaks it: a rule without one could be missing.
#[test]
fn every_rule_has_a_tree() {
    let done = Checkout::new().run(&["check", "--help"]).status(0);
    let (_, rules) = done.stdout.split_once("Rules:\n").unwrap();
    let rules: BTreeSet<&str> =
        rules.lines().filter_map(|it| it.split_whitespace().next()).collect();
    let trees = corpus();
    let found = trees.iter().flat_map(|it| &it.finds);
    let found: BTreeSet<&str> = found.map(|it| it.rsplit(": ").next().unwrap()).collect();
    assert_eq!(rules, found);
}
