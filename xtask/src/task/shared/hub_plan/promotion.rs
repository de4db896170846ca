//! A promotion: what the last release of another environment was, for this one.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};

use crate::{
    hub::{
        deployed::Registries,
        gate, history,
        lock::{LOCK, Lock},
        preflight::Row,
        record::{self, Outcome, Record},
        servers,
        values::Values,
    },
    run::failure,
    task::{
        MissionConfig, Session,
        shared::{
            hub_target::{Hub, Records},
            hub_values::{self, Secrets},
        },
    },
    tools::{
        git,
        helm::{Revision, Status},
        image_name::ImageRef,
    },
};

/// A release of another environment.
#[derive(Debug)]
pub(crate) struct Promotion {
    environment: String,
    pub(super) record: Record,
    /// Commit that it was deployed from.
    commit: String,
    new_secrets: bool,
}

impl Promotion {
    /// Finds what the environment `from` runs, and that it was tested there.
    ///
    /// # Errors
    /// `from` is `environment` itself, or does not run the release of its newest record, or that release was not deployed from a
    /// commit, or not tested.
    pub(crate) fn find(
        session: &Session,
        of: &MissionConfig,
        environment: &str,
        from: &str,
        new_secrets: bool,
    ) -> anyhow::Result<Promotion> {
        if from == environment {
            let text = format!(
                "`--from {from}` names the environment itself; name the one that was deployed before"
            );
            return Err(failure::request(anyhow::anyhow!(text)));
        }
        let hub = Hub::read(session, Some(&of.mission.name), Some(from))?;
        hub.check_identity()?;
        let history = hub.helm()?.history()?;
        let record = promoted(&history, hub.records()?).map_err(|err| {
            let text = format!(
                "{} cannot be promoted: {err:#}\n    fix: `cargo xtask hub-deploy {}` makes a release that can be",
                hub.name(),
                hub.args()
            );
            failure::request(anyhow::anyhow!(text))
        })?;
        let commit = record.git.commit.clone().unwrap_or_default();
        let known = git::revision(&session.checkout.root, &commit)?;
        if known.is_none() {
            let text = format!(
                "{} was deployed from commit {commit}, which this checkout lacks\n    fix: `git fetch origin {commit}`",
                hub.name()
            );
            return Err(failure::request(anyhow::anyhow!(text)));
        }
        Ok(Promotion { environment: from.to_owned(), record, commit, new_secrets })
    }

    /// Returns the values of `environment` in the commit of the release.
    pub(super) fn values(
        &self,
        session: &Session,
        of: &MissionConfig,
        environment: &str,
    ) -> anyhow::Result<Values> {
        let secrets = match (&self.record.git.secrets_commit, self.new_secrets) {
            (Some(commit), false) => Secrets::At(commit),
            (None, false) => Secrets::LeftOut,
            (_, true) => Secrets::Merged,
        };
        hub_values::read_at(session, of, environment, secrets, &self.commit)
    }

    /// Returns the chart's lock in the commit of the release.
    pub(super) fn lock(&self, session: &Session) -> anyhow::Result<Lock> {
        let bytes = git::file(&session.checkout.root, &self.commit, Path::new(LOCK))?;
        let text = String::from_utf8(bytes.unwrap_or_default()).unwrap_or_default();
        let lock = Lock::parse(&text).with_context(|| format!("commit {}", self.commit));
        let lock = lock.map_err(failure::request)?;
        if lock.sha256.as_deref() != Some(&self.record.chart.sha256) {
            let text = format!(
                "{LOCK} in commit {} is not the lock of the promoted release, {} {}",
                self.commit, self.record.chart.name, self.record.chart.version
            );
            return Err(failure::request(anyhow::anyhow!(text)));
        }
        Ok(lock)
    }

    /// Returns the mission's image of the release, as nodes of this environment name it.
    pub(super) fn image(&self, mission: &str, registries: &Registries) -> anyhow::Result<ImageRef> {
        let own = |it: &&record::Image| it.mission.as_deref() == Some(mission);
        let image = self.record.images.iter().find(own);
        let image = image.with_context(|| format!("the release has no image of {mission}"))?;
        let image: ImageRef = image.reference.parse()?;
        Ok(ImageRef { repository: registries.for_nodes(mission), ..image })
    }

    /// Returns the row that compares the images of both environments.
    pub(super) fn row(&self, values: &Values) -> Row {
        const WHAT: &str = "promotion";
        let named = gate::images(values);
        let is_known = |it: &str| {
            self.record.images.iter().any(|image| servers::is_same(&image.reference, it))
        };
        let others: Vec<&str> =
            named.users.iter().map(|it| it.reference.as_str()).filter(|it| !is_known(it)).collect();
        if !others.is_empty() {
            return Row::refused(
                WHAT,
                format!("{} does not run {}", self.environment, others.join(", ")),
                format!(
                    "deploy {0} with these images first, or deploy without `--from {0}`",
                    self.environment
                ),
            );
        }
        let commit: String = self.commit.chars().take(12).collect();
        Row::ok(
            WHAT,
            format!("{} revision {}, commit {commit}", self.environment, self.record.revision),
        )
    }

    /// Returns what the record keeps of the promoted release.
    pub(super) fn from(&self) -> record::From {
        record::From { environment: self.environment.clone(), revision: self.record.revision }
    }
}

/// Returns the record of what runs, if that can be promoted.
fn promoted(history: &[Revision], mut records: Records) -> anyhow::Result<Record> {
    let newest = history.last().context("no release was deployed there")?;
    ensure!(
        newest.status == Status::Deployed,
        "the newest revision {} is {}",
        newest.revision,
        newest.status
    );
    let revision = newest.revision;
    let record = records.by_revision.remove(&revision).transpose();
    let record =
        record.with_context(|| format!("the record of revision {revision} cannot be read"))?;
    // A record stays when a release is removed, and another program makes one.
    let record = record.filter(|it| history::is_about(it, &newest.updated)).with_context(|| {
        format!("revision {revision} has no record: `cargo xtask hub-deploy` did not make that one")
    })?;
    if record.result != Outcome::Deployed {
        bail!("the deployment of revision {} did not succeed", record.revision);
    }
    ensure!(
        record.smoke.as_ref().is_some_and(|it| it.passed),
        "revision {} was not looked at by a smoke test",
        record.revision
    );
    let commit = record.git.commit.as_deref().unwrap_or_default();
    ensure!(
        git::is_state(commit) && !commit.ends_with("-dirty"),
        "revision {} was deployed from files that are in no commit",
        record.revision
    );
    Ok(record)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::hub::record::{Git, tests::record};

    fn revision(revision: u32, status: Status) -> Revision {
        Revision {
            revision,
            updated: "2026-11-22T11:00:30Z".to_owned(),
            status,
            chart: "jupyterhub-4.4.0".to_owned(),
            app_version: "5.5.0".to_owned(),
            description: String::new(),
        }
    }

    fn tried(status: Status, record: Option<Record>) -> Result<u32, String> {
        let by_revision = record.map(|it| (7, Ok(it)));
        let records = Records { stored: None, by_revision: BTreeMap::from_iter(by_revision) };
        let history = [revision(6, Status::Superseded), revision(7, status)];
        promoted(&history, records).map(|it| it.revision).map_err(|it| format!("{it:#}"))
    }

    #[test]
    fn only_what_runs_and_was_tested_is_promoted() {
        assert_eq!(tried(Status::Deployed, Some(record(7))), Ok(7));
        for (status, changed, part) in [
            (Status::Failed, Some(record(7)), "newest revision 7 is failed"),
            (Status::Deployed, None, "no record"),
            (Status::Deployed, Some(Record { smoke: None, ..record(7) }), "smoke test"),
            (
                Status::Deployed,
                Some(Record { result: Outcome::SmokeFailed, ..record(7) }),
                "did not succeed",
            ),
            (Status::Deployed, Some(Record { git: Git::default(), ..record(7) }), "in no commit"),
        ] {
            let err = tried(status, changed).unwrap_err();
            assert!(err.contains(part), "{err}");
        }
        let none = Records { stored: None, by_revision: BTreeMap::new() };
        assert_eq!(promoted(&[], none).unwrap_err().to_string(), "no release was deployed there");
    }
}
