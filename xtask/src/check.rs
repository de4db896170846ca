//! `check`: all checks of this repository that need no engine. Each rule is a pure function over
//! [`Facts`], in a file of its own; add it to [`RULES`].

mod kept;
mod facts;
pub(crate) mod dockerfile;
pub(crate) mod run_chain;
pub(crate) mod xargs_empty;
pub(crate) mod python_path;
pub(crate) mod world_writable;
pub(crate) mod common_script;
pub(crate) mod environment_file;
pub(crate) mod copy_context;
pub(crate) mod copy_before_solve;
pub(crate) mod environment_steps;
pub(crate) mod spec_never_installed;
pub(crate) mod list_kind;
pub(crate) mod spec_lines;
pub(crate) mod embedded_base;
pub(crate) mod insecure_channel;
pub(crate) mod frozen_spec;
pub(crate) mod nothing_tested;
pub(crate) mod test_list;
pub(crate) mod imports_names;
pub(crate) mod commands_names;
pub(crate) mod notebook_missing;
pub(crate) mod generated_dockerfile;
pub(crate) mod script_strict;
pub(crate) mod sourced_file;
pub(crate) mod setup_env_untracked;
pub(crate) mod dockerignore_literal;
pub(crate) mod checkout_complete;
pub(crate) mod context_in_git;
pub(crate) mod private_key;
pub(crate) mod secret_plaintext;
pub(crate) mod decrypted_copy;
pub(crate) mod flag_first;
pub(crate) mod download_unchecked;
pub(crate) mod unpinned;
pub(crate) mod home_files;
pub(crate) mod secret_in_layer;
pub(crate) mod notebook;
pub(crate) mod notebook_valid;
pub(crate) mod notebook_outputs;
pub(crate) mod notebook_kernel;
pub(crate) mod notebook_timeout;
pub(crate) mod hub_yaml;
pub(crate) mod hub_secret;
pub(crate) mod hub_values;
pub(crate) mod settings_template;
pub(crate) mod settings;
pub(crate) mod file_kind;
pub(crate) mod file_name;
pub(crate) mod text_file;
pub(crate) mod invisible;
pub(crate) mod large_file;
pub(crate) mod mission_name;
pub(crate) mod switch;
pub(crate) mod fix;
pub(crate) mod github;
pub(crate) mod sarif;

pub(crate) use facts::{Facts, File, MissionFacts};

use std::{collections::BTreeSet, path::Path};

use crate::{
    image::build_context::BuildContext,
    mission::checkout::{Checkout, Mission},
    run::finding::Finding,
    settings::config::Config,
};

/// A kind of mistake.
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    /// Requirement that the rule checks.
    pub(crate) about: &'static str,
    pub(crate) refuses: Refuses,
    pub(crate) check: fn(&Facts) -> Vec<Finding>,
}

/// Whether a mission with such a finding is refused before it is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refuses {
    Never,
    /// A frozen image is not built, unless the rule is disabled; a floating one is, with a warning.
    Frozen,
    /// No image is built, and the rule cannot be disabled.
    Always,
}

/// All rules, in the order of `check --help`.
pub(crate) const RULES: &[Rule] = &[
    dockerfile::RULE,
    run_chain::RULE,
    xargs_empty::RULE,
    python_path::RULE,
    world_writable::RULE,
    common_script::RULE,
    environment_file::RULE,
    copy_context::RULE,
    copy_before_solve::RULE,
    environment_steps::RULE,
    spec_never_installed::RULE,
    list_kind::RULE,
    spec_lines::RULE,
    embedded_base::RULE,
    insecure_channel::RULE,
    frozen_spec::RULE,
    nothing_tested::RULE,
    imports_names::RULE,
    commands_names::RULE,
    notebook_missing::RULE,
    generated_dockerfile::RULE,
    script_strict::RULE,
    sourced_file::RULE,
    setup_env_untracked::RULE,
    dockerignore_literal::RULE,
    checkout_complete::RULE,
    context_in_git::RULE,
    private_key::RULE,
    secret_plaintext::RULE,
    decrypted_copy::RULE,
    flag_first::RULE,
    download_unchecked::RULE,
    unpinned::RULE,
    home_files::RULE,
    secret_in_layer::RULE,
    notebook_valid::RULE,
    notebook_outputs::RULE,
    notebook_kernel::RULE,
    notebook_timeout::RULE,
    hub_yaml::RULE,
    hub_secret::RULE,
    hub_values::RULE,
    settings_template::RULE,
    settings::RULE,
    mission_name::RULE,
    file_name::RULE,
    file_kind::RULE,
    text_file::RULE,
    invisible::RULE,
    large_file::RULE,
    switch::RULE,
];

/// Returns the rules, as `check --help` lists them.
pub(crate) fn help() -> String {
    let lines = RULES.iter().map(|it| format!("  {:22} {}", it.name, it.about));
    format!("Rules:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// Returns the findings of all rules that no file disables, sorted.
pub(crate) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut res = switch::apply(facts, found(facts, |_| true));
    res.sort();
    res
}

/// Returns the reasons not to build or publish images of `missions` with their settings, or those
/// below all missions', read and checked once for all.
/// `contexts` are the files sent by their builds, by the folder of each context.
pub(crate) fn refusals(
    checkout: &Checkout,
    missions: &[(&Mission, &Config)],
    contexts: &[(&Path, &BuildContext)],
) -> anyhow::Result<Refusals> {
    let facts = Facts::of_build(checkout, missions, contexts)?;
    let always = found(&facts, |rule| rule.refuses == Refuses::Always);
    let mut frozen = found(&facts, |rule| rule.refuses == Refuses::Frozen);
    let rules: BTreeSet<&str> = frozen.iter().map(|it| it.rule).collect();
    frozen = switch::apply(&facts, frozen);
    frozen.retain(|it| rules.contains(it.rule));
    frozen.sort();
    Ok(Refusals { always, frozen })
}

/// Findings that prevent building: all images, or frozen ones. Sorted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusals {
    pub(crate) always: Vec<Finding>,
    pub(crate) frozen: Vec<Finding>,
}

impl Refusals {
    /// Returns the findings that concern the mission whose folder is `dir`, relative to the root:
    /// those in it, and those in files that missions share.
    pub(crate) fn of(&self, dir: &Path) -> Refusals {
        Refusals { always: about(&self.always, dir), frozen: about(&self.frozen, dir) }
    }
}

fn about(sorted: &[Finding], dir: &Path) -> Vec<Finding> {
    let below = |dir: &Path| {
        let first = sorted.partition_point(|it| it.file.as_path() < dir);
        let count = sorted[first..].partition_point(|it| it.file.starts_with(dir));
        first..first + count
    };
    let (missions, own) = (below(Path::new("missions")), below(dir));
    [&sorted[..missions.start], &sorted[own], &sorted[missions.end..]].concat()
}

fn found(facts: &Facts, wanted: impl Fn(&Rule) -> bool) -> Vec<Finding> {
    let rules = RULES.iter().filter(|it| wanted(it));
    let mut res: Vec<Finding> = rules.flat_map(|it| (it.check)(facts)).collect();
    res.sort();
    res.dedup();
    res
}

#[cfg(test)]
pub(crate) mod tests;
