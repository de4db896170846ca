//! The rooms of this crate: each knows only those before it, and tasks do not call each other.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use fs_err as fs;

/// Rooms in order: a room may use those before it.
const ROOMS: &[&str] = &[
    "run", "tools", "settings", "specs", "mission", "image", "testing", "registry", "secrets",
    "hub", "check", "task", "cli",
];

/// Modules of `main.rs` outside of the rooms: they test all of them, like unit tests may.
const OUTSIDE: &[&str] = &["main", "rooms", "hostile", "without_permit"];

/// Room of the code that several tasks share.
const SHARED: &str = "shared";

#[test]
fn arrows_between_rooms_point_one_way() {
    let rank = |room: &str| ROOMS.iter().position(|it| *it == room);
    let mut wrong = Vec::new();
    for (path, module, text) in sources() {
        let is_test = module.iter().any(|it| it == "tests");
        if is_test || OUTSIDE.contains(&module[0].as_str()) {
            continue;
        }
        let own = rank(&module[0]);
        assert!(
            own.is_some(),
            "{}: not in a room; expected one of {ROOMS:?}",
            path.to_string_lossy()
        );
        for used in paths(&text, &module) {
            let other = rank(&used[0]);
            if other > own {
                wrong.push(format!("{}: uses {}", path.to_string_lossy(), used.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "a room uses one above it:\n{}", wrong.join("\n"));
}

#[test]
fn tasks_do_not_call_each_other() {
    let is_task = |it: &[String]| it.len() > 2 && it[0] == "task" && it[1] != SHARED;
    let mut wrong = Vec::new();
    for (path, module, text) in sources().into_iter().filter(|it| is_task(&it.1)) {
        for used in paths(&text, &module) {
            let is_other = used[..3.min(used.len())] != module[..3];
            let is_module = used.len() > 2 && source(&used[..3]).is_file();
            if is_task(&used) && is_other && is_module {
                wrong.push(format!("{}: uses {}", path.to_string_lossy(), used.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "a task uses another one:\n{}", wrong.join("\n"));
}

#[test]
fn the_crate_has_at_most_16_modules() {
    let text = fs::read_to_string(root().join("main.rs")).unwrap();
    let modules = text.lines().filter(|it| it.starts_with("mod ")).count();
    assert!(modules <= 16, "main.rs declares {modules} modules; group them in rooms");
}

#[test]
fn paths_are_found_wherever_they_are() {
    let text = r#"
        use crate::{run::{files, process::cmd}, task::Desk as _};
        pub(crate) use super::sibling::{self, Item};
        // crate::comment
        fn f() { "crate::text"; crate::image::build::<u8>(); r"super::raw"; '"'; x::crate_name }
        mod tests { use super::hidden; }
    "#;
    let module = ["image", "build"].map(str::to_owned);
    let found: Vec<String> = paths(text, &module).iter().map(|it| it.join("::")).collect();
    let expected = [
        "image::build",
        "image::sibling::Item",
        "image::sibling::self",
        "run::files",
        "run::process::cmd",
        "task::Desk",
    ];
    assert_eq!(found, expected);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Returns the file of a module.
fn source(module: &[String]) -> PathBuf {
    root().join(module.join("/")).with_extension("rs")
}

/// Returns each source file, the module it is, and its text.
fn sources() -> Vec<(PathBuf, Vec<String>, String)> {
    let mut res = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let name = path.strip_prefix(root()).unwrap().with_extension("");
                let module = name.iter().map(|it| it.to_string_lossy().into_owned()).collect();
                let text = fs::read_to_string(&path).unwrap();
                res.push((name, module, text));
            }
        }
    }
    res.sort();
    res
}

/// Returns the paths of this crate that the code of `module` names, from its root on. Unit tests at
/// the end of a file are left out: `super` has another meaning there.
fn paths(text: &str, module: &[String]) -> BTreeSet<Vec<String>> {
    let code = code(text);
    let code = code.split("mod tests {").next().unwrap_or_default();
    let mut res = BTreeSet::new();
    for (start, _) in code.match_indices("::") {
        let name = code[..start].rsplit(|c: char| !is_name(c)).next().unwrap_or_default();
        let before = &code[..start - name.len()];
        let base = match name {
            "crate" => Vec::new(),
            "super" if !before.ends_with("::") => module[..module.len() - 1].to_vec(),
            _ => continue,
        };
        tree(&code[start + 2..], &base, &mut res);
    }
    res
}

/// Adds the paths of the use tree at the beginning of `code`, and returns the code after it.
fn tree<'a>(code: &'a str, base: &[String], res: &mut BTreeSet<Vec<String>>) -> &'a str {
    let mut code = code.trim_start();
    if let Some(inside) = code.strip_prefix('{') {
        code = inside;
        loop {
            code = tree(code, base, res).trim_start_matches(|c| c != ',' && c != '}');
            let is_last = !code.starts_with(',');
            code = code.get(1..).unwrap_or_default().trim_start();
            if is_last {
                return code;
            }
            if let Some(rest) = code.strip_prefix('}') {
                return rest;
            }
        }
    }
    let end = code.find(|c| !is_name(c)).unwrap_or(code.len());
    let (name, rest) = code.split_at(end);
    let mut path = base.to_vec();
    if name == "super" {
        path.pop();
    } else {
        path.push(name.to_owned());
    }
    match rest.strip_prefix("::") {
        Some(rest) if rest.trim_start().starts_with(|c| is_name(c) || c == '{') => {
            tree(rest, &path, res)
        }
        _ => {
            res.insert(path);
            rest
        }
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns the text without comments and without quoted text.
fn code(text: &str) -> String {
    let mut res = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '"' => quoted(rest),
            'r' if rest.starts_with("r\"") || rest.starts_with("r#") => raw(rest),
            '\'' => character(rest),
            _ => 0,
        };
        if skipped == 0 {
            res.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            res.push(' ');
            rest = &rest[skipped..];
        }
    }
    res
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    let end = text[1..].find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |it| it + 2)
}

fn raw(text: &str) -> usize {
    let hashes = text[1..].chars().take_while(|it| *it == '#').count();
    if !text[1 + hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let start = 2 + hashes;
    text[start..].find(&end).map_or(text.len(), |it| start + it + end.len())
}

/// Returns the length of a character literal; a lifetime is not one.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => chars.skip(1).find(|it| it.1 == '\'').map_or(0, |it| it.0 + 1),
        Some(_) => chars.next().filter(|it| it.1 == '\'').map_or(0, |it| it.0 + 1),
        None => 0,
    }
}
