//! Whatever a file contains, `check` ends, names the place, and does not panic.

use super::{Facts, MissionFacts, facts};
use crate::{
    check::{self, fix},
    mission::dockerfile::tests::sources,
    specs::frozen::tests::{GOOD, property::Random},
};

const CUSTOM: &str = "# escape=\\\nARG BASE_IMAGE=c\nFROM ${BASE_IMAGE} AS a\nARG USE_FROZEN TOKEN=1\n\
    RUN /opt/common-scripts/env-create roman-cal roman-cal.yml && install-common roman-cal\n\
    RUN [\"bash\", \"-ec\", \"curl -O https://u:p@x/y; env-update roman-cal 'a.pip' || true\"]\nENV A=b \\\n  C=\"d e\"\n";

const NOTEBOOK: &str = r#"{"cells": [{"cell_type": "code", "id": "a", "metadata": {}, "source": ["1"],
"execution_count": 1, "outputs": [{"output_type": "stream"}]}], "nbformat": 4, "nbformat_minor": 5,
"metadata": {"kernelspec": {"name": "python3"}, "check": {"allow": {"notebook-outputs": "why"}}}}"#;

const LISTS: [(&str, &str); 5] = [
    (
        "roman-cal/roman-cal.yml",
        "name: x\nchannels: [conda-forge]\ndependencies:\n  - python=3.13\n  - pip:\n    - numpy>=2\n    - -r a.pip\n",
    ),
    (
        "roman-cal/a.pip",
        "# check: allow file-name -- why\nnumpy[x]>=1.2,<3; python_version >= \"3.12\"\nb @ git+https://x/y@z \\\n  # c\n-c a.pip\n",
    ),
    ("roman-cal/roman-cal-frozen.yml", GOOD),
    ("roman-cal/tests/imports", "numpy # a\n"),
    ("roman-cal/tests/notebooks", "*.ipynb\n[a\n"),
];

const OTHERS: [(&str, &str); 4] = [
    ("a.ipynb", NOTEBOOK),
    ("setup-env.template", "export A=b C=\"${D:-$E}\" # f\nexport REGISTRY=$(pwd)\n"),
    (".dockerignore", "*\n!a\n**/b\n"),
    ("run", "#!/usr/bin/env -S bash -e\nset -euo pipefail\n"),
];

/// Text that parsers treat specially.
pub(crate) const PIECES: &[&str] = &[
    "",
    "\n",
    "\r\n",
    "\\",
    "\\\n",
    "'",
    "\"",
    "`",
    "$",
    "${",
    "$(",
    "#",
    "{",
    "}",
    "[",
    "]",
    ":",
    "- ",
    "\t",
    "\0",
    "\u{feff}",
    "\u{fc}",
    "\u{1f52d}",
    "\u{2028}",
    " -- ",
    "://",
    "@",
    "=",
    "<<EOF",
    "FROM",
    "RUN ",
    "ONBUILD ",
    "null",
    "1e999",
    "9999999999999999999",
    "\\u0000",
    "*",
    "..",
    ";",
    "&",
    "|",
    "(",
    ")",
];

/// Returns `text` with pieces inserted, removed and repeated, at arbitrary places.
pub(crate) fn mutated(random: &mut Random, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(3) {
        let start = random.below(chars.len() + 1);
        let end = start + random.below((chars.len() - start).min(40) + 1);
        let piece: Vec<char> = match random.below(4) {
            0 => chars[start..end].repeat(2),
            _ => random.pick(PIECES).chars().collect(),
        };
        chars.splice(start..end, piece);
    }
    chars.into_iter().collect()
}

#[test]
fn whatever_is_in_a_file() {
    let mut random = Random(20);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..400 {
        let mut text = |text: &str| match random.below(3) {
            0 => mutated(&mut random, text),
            _ => text.to_owned(),
        };
        let custom = text(CUSTOM);
        let lists = LISTS.map(|(name, old)| (name, text(old)));
        let others = OTHERS.map(|(name, old)| (name, text(old)));
        let borrowed: Vec<(&str, &str)> =
            lists.iter().map(|(name, it)| (*name, it.as_str())).collect();
        let sources = sources(&custom, &borrowed);
        let (model, problems) = sources.look();
        let mission = MissionFacts { model, problems, sources, dockerfile: None, config: None };
        let mut files: Vec<(&str, &str)> =
            others.iter().map(|(name, it)| (*name, it.as_str())).collect();
        files.push(("x/Dockerfile", &custom));
        let facts = Facts { missions: vec![mission], ..facts(&files) };
        for finding in check::findings(&facts) {
            assert!(finding.line.is_none_or(|it| it > 0) && !finding.fix.is_empty(), "{finding}");
            fix::change(&facts, &finding);
            seen.insert(finding.rule);
        }
    }
    assert!(seen.len() > 12, "{seen:?}");
}
