//! Every file is a plain file, or a link that stays inside: docker does not follow other links, and
//! a clone lacks their targets.

use crate::{
    check::{Facts, Refuses, Rule},
    mission::file_content,
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: file_content::KIND,
    about: "files are plain files, or links that stay in their mission",
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let unreadable = facts.files.iter().filter_map(|it| it.unreadable.as_ref());
    let is_known = |it: &Finding| facts.refused.iter().any(|known| known.file == it.file);
    unreadable.filter(|it| it.rule == RULE.name && !is_known(it)).cloned().collect()
}
