//! Channels of conda are read over an encrypted connection: what comes over another one, whoever is
//! in between can exchange.

use std::path::PathBuf;

use crate::{
    check::{Facts, Refuses, Rule},
    mission::dockerfile::{asked, parse::Dockerfile, programs},
    run::{finding::Finding, redact::redact},
    specs::{self, Kind, read::without_comment, yml},
};

pub(crate) const RULE: Rule = Rule {
    name: "insecure-channel",
    about: "channels of conda are read by https",
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let common = facts.files.iter().filter(|it| it.path.starts_with(asked::COMMON));
    let common = common.map(|it| (it.path.clone(), it.text.as_str()));
    let own = facts.missions.iter().map(|it| &it.sources);
    let own = own.flat_map(|sources| {
        let files = sources.files.iter().filter(|(it, _)| !specs::is_test(it));
        let files = files.filter(|(it, _)| **it != specs::frozen(specs::environment(it)));
        files.map(|(it, text)| (sources.path_of(it), text.as_str()))
    });
    let lists = common.chain(own).flat_map(|(path, text)| in_list(path, text));
    lists.chain(facts.of_dockerfiles(check_file)).collect()
}

fn in_list(path: PathBuf, text: &str) -> Vec<Finding> {
    let lines: Vec<(usize, String)> = match specs::kind(&path) {
        Some(Kind::Yaml) => {
            let document = yml::parse(&path, text).unwrap_or_default();
            let items = document.channels.into_iter().chain(document.conda);
            items.map(|it| (it.line, it.text)).collect()
        }
        Some(Kind::Conda) => {
            let lines = text.lines().enumerate();
            lines.map(|(at, it)| (at + 1, without_comment(it).to_owned())).collect()
        }
        _ => Vec::new(),
    };
    let wrong = lines.into_iter().filter(|(_, it)| is_insecure(it));
    wrong
        .map(|(line, text)| {
            let (what, fix) = problem(&text);
            Finding { file: path.clone(), line: Some(line), rule: RULE.name, what, fix }
        })
        .collect()
}

fn check_file(file: &Dockerfile) -> Vec<Finding> {
    let mut res = Vec::new();
    for run in file.instructions.iter().filter(|it| it.word == "RUN") {
        let commands = programs::commands(run);
        let condas = commands.iter().filter(|it| {
            let program = programs::program(&it.words).map_or("", |it| it.0);
            ["conda", "mamba", "micromamba"].contains(&program)
        });
        for word in condas.flat_map(|it| &it.words).filter(|it| is_insecure(it)) {
            let (what, fix) = problem(word);
            res.push(file.finding(RULE.name, (run, word), what, fix));
        }
    }
    res
}

/// Returns whether `text` begins with an address that is not encrypted, of another machine.
fn is_insecure(text: &str) -> bool {
    let text = text.trim_start_matches("--channel=").to_lowercase();
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("ftp://"));
    let is_own =
        |it: &str| ["localhost", "127.0.0.1", "[::1]"].iter().any(|host| it.starts_with(host));
    rest.is_some_and(|it| !is_own(it))
}

fn problem(text: &str) -> (String, String) {
    let what = format!("`{}` is not encrypted", redact(text));
    (what, "write https://, or the channel's name, such as `conda-forge`".to_owned())
}
