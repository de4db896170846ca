//! A step that opens files to everybody: who runs as another user in the container may change what
//! others start.

use crate::{
    check::{Facts, Refuses, Rule},
    mission::dockerfile::{
        parse::{Dockerfile, Instruction},
        programs,
    },
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "world-writable",
    about: "no step makes files writable for everybody",
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    facts.of_dockerfiles(check_file)
}

fn check_file(file: &Dockerfile) -> Vec<Finding> {
    let found = file.instructions.iter().filter_map(|it| Some((it, mode(it)?)));
    let finding = |(it, mode): (&Instruction, String)| {
        let what = format!("mode `{mode}` lets everybody write");
        let fix = "end the step with `fix-permissions FOLDER`, which lets the group users write, or write `chmod g+rwX`";
        file.finding(RULE.name, (it, &mode), what, fix)
    };
    found.map(finding).collect()
}

/// Returns the first mode of an instruction by which others may write.
fn mode(it: &Instruction) -> Option<String> {
    let flag = it.flags.iter().find_map(|it| it.strip_prefix("--chmod="));
    match it.word.as_str() {
        "COPY" | "ADD" => flag.filter(|it| is_open(it)).map(str::to_owned),
        "RUN" => programs::commands(it).iter().find_map(|it| {
            let (program, args) = programs::program(&it.words)?;
            let mode: &str = match program {
                "chmod" => args.iter().find(|it| !it.starts_with('-'))?,
                "find" => args.iter().skip_while(|it| *it != "chmod").find(|it| is_open(it))?,
                "install" | "mkdir" => value(args)?,
                _ => return None,
            };
            is_open(mode).then(|| mode.to_owned())
        }),
        _ => None,
    }
}

/// Returns the value of `-m` or `--mode`.
fn value(args: &[String]) -> Option<&str> {
    let joined = args.iter().find_map(|it| it.strip_prefix("--mode="));
    let at = args.iter().position(|it| it == "-m" || it == "--mode");
    joined.or_else(|| args.get(at? + 1).map(String::as_str))
}

/// Returns whether a mode lets others write; a sticky folder, as /tmp is one, protects its files.
fn is_open(mode: &str) -> bool {
    if let Ok(bits) = u32::from_str_radix(mode, 8) {
        return bits & 0o002 != 0 && bits & 0o1000 == 0;
    }
    mode.split(',').any(|it| {
        let who = it.split(['+', '=', '-']).next().unwrap_or_default();
        let (_, what) = it.split_once(['+', '=']).unwrap_or_default();
        // Without a letter, the umask keeps others out.
        who.contains(['o', 'a']) && what.contains('w') && !what.contains('t')
    })
}

#[test]
fn modes_that_let_everybody_write() {
    for it in ["777", "0777", "666", "a+w", "a+rwX", "o+w", "u=rwx,o=rw", "go+w"] {
        assert!(is_open(it), "{it}");
    }
    for it in ["755", "775", "1777", "g+rwX", "+x", "+w", "u+w", "o-w", "a+rX", "a=rwxt"] {
        assert!(!is_open(it), "{it}");
    }
}
