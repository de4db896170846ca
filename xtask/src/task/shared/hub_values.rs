//! Values of a mission's hub in one environment, with its secrets.

use std::path::Path;

use crate::{
    hub::{
        chart::{self, Chart},
        deployed, lock, secrets, validate,
        values::{self, LOCAL, Layer, Source, Values},
    },
    run::{failure, printable::Shown as _, text_file},
    task::{MissionConfig, Session, secrets::Place},
    tools::{git, sops},
};

/// Whether the secrets of the environment are decrypted and merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secrets<'a> {
    Merged,
    /// As they are in this commit of the secrets repository.
    At(&'a str),
    LeftOut,
}

/// Returns the merged values of `environment`.
///
/// # Errors
/// A layer is missing or not valid, or its secrets cannot be decrypted.
pub(crate) fn read(
    session: &Session,
    of: &MissionConfig,
    environment: &str,
    with: Secrets<'_>,
) -> anyhow::Result<Values> {
    let layers = values::read(&session.checkout, &of.mission, environment);
    let values = merged(session, of, environment, with, layers.map_err(failure::request)?)?;
    let chart = chart(session)?;
    let found = validate::findings(&values, &chart);
    if !found.is_empty() {
        return Err(values::refusal(found));
    }
    for note in validate::notes(&values, &chart) {
        session.ui.say(format!("note: {note}"));
    }
    Ok(values)
}

/// Returns the values for people and for a render without a cluster: a deployment chooses the image
/// that no layer sets.
pub(crate) fn for_show(values: Values, of: &MissionConfig, environment: &str) -> Values {
    match environment == LOCAL || values.has_image() {
        true => values,
        false => values.with_image(&deployed::placeholder(&of.mission.name)),
    }
}

/// Returns the merged values with the files of `revision`, and the secrets of today. They are not
/// validated.
pub(crate) fn read_at(
    session: &Session,
    of: &MissionConfig,
    environment: &str,
    with: Secrets<'_>,
    revision: &str,
) -> anyhow::Result<Values> {
    let dir = session.checkout.relative(&of.mission.dir).join("hub");
    let mut layers = Vec::new();
    for file in values::files(&dir, environment) {
        let Some(bytes) = git::file(&session.checkout.root, revision, &file)? else { continue };
        let text = text_file::text(&file, bytes).map_err(|it| values::refusal(vec![it]))?;
        layers.push(Layer { source: Source { file, is_secret: false }, text });
    }
    merged(session, of, environment, with, layers)
}

fn merged(
    session: &Session,
    of: &MissionConfig,
    environment: &str,
    with: Secrets<'_>,
    mut layers: Vec<Layer>,
) -> anyhow::Result<Values> {
    let is_local = environment == LOCAL;
    let commit = if let Secrets::At(it) = with { Some(it) } else { None };
    if with != Secrets::LeftOut && !is_local {
        layers.extend(decrypted(session, of, environment, commit)?);
    }
    let values = Values::merged(layers).map_err(values::refusal)?;
    secrets::hide(&values);
    Ok(if is_local { values } else { values.deployed() })
}

/// Reads what values are checked against.
fn chart(session: &Session) -> anyhow::Result<Chart> {
    let root = &session.checkout.root;
    let read = |name: &str| match root.join(name).exists() {
        true => text_file::read_text(root, Path::new(name)).map(Some),
        false => Ok(None),
    };
    let names = [chart::SCHEMA, chart::DEFAULTS, chart::TRAITS, lock::LOCK];
    let texts = names.map(|it| read(it).map(|text| (it, text)));
    let texts: Vec<_> =
        texts.into_iter().collect::<anyhow::Result<_>>().map_err(failure::request)?;
    let text = |name: &str| texts.iter().find(|it| it.0 == name)?.1.clone();
    Chart::parse(text).map_err(values::refusal)
}

/// Returns the decrypted secrets; `None` for a mission without a secrets repository, and with a note
/// for one that is not cloned.
fn decrypted(
    session: &Session,
    MissionConfig { mission, config }: &MissionConfig,
    environment: &str,
    commit: Option<&str>,
) -> anyhow::Result<Option<Layer>> {
    let dir = Path::new("secrets").join(&mission.name);
    if !session.checkout.root.join(&dir).exists() {
        if config.secrets_repo.is_some() {
            session.ui.say(format!(
                "note: the values lack secrets: missing {}; `cargo xtask secrets-clone -m {}` makes it",
                dir.shown(),
                mission.name
            ));
        }
        return Ok(None);
    }
    let place = Place::cloned(session, Some(&mission.name)).map_err(failure::request)?;
    let name = format!("{environment}.yaml");
    let target = match commit {
        Some(commit) => place.target_at(Path::new(&name), commit),
        None => place.target(Some(Path::new(&name))),
    };
    let target = target.map_err(failure::request)?;
    sops::require()?;
    let text = sops::decrypt(&place.dir, target.subject(), None, false, target.text.clone())?;
    Ok(Some(Layer { source: Source { file: target.shown, is_secret: true }, text }))
}
