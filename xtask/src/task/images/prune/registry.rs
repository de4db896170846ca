//! Old images in registries, with their receipts.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;

use super::{Place, Row};
use crate::{
    image::{
        recipe::COMMON,
        retention::{self, Candidate, Policy, Verdict},
        runner::Runner,
    },
    registry::{
        self, Host,
        api::{Access, Api},
        published::{self, ListedImage, Listing},
    },
    run::{process::Permit, terminal},
    settings::config::Config,
    task::MissionConfig,
    tools::image_name::Digest,
};

/// Remedies for a registry that does not delete. The one on this machine was started by an earlier
/// version; the next push starts another, on the same volume.
const ALLOW: &str = "start it with REGISTRY_STORAGE_DELETE_ENABLED=true, or use the registry's own rules for old images";
const ALLOW_LOCAL: &str = "`docker rm --force science-platform-registry`, then `cargo xtask image-push`, which starts it again with all its images";

/// A repository of images of one name.
struct Repository {
    host: Host,
    config: Config,
    /// Mission, or `common`.
    name: String,
}

/// Repositories of missions, and of the common image if all missions are looked at.
pub(super) struct Registries(Vec<Repository>);

/// Manifests of one repository, an image's and its receipt's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Removal {
    /// Index of the repository.
    at: usize,
    digests: Vec<Digest>,
}

impl Registries {
    pub(super) fn new(
        runner: &Runner,
        named: &[MissionConfig],
        is_all: bool,
    ) -> anyhow::Result<Registries> {
        let mut res: Vec<Repository> = Vec::new();
        for it in named {
            let host = registry::running(runner, &it.config)?;
            let host = host.context(
                "the registry on this machine does not run; `cargo xtask image-push` starts it",
            )?;
            res.push(Repository { host, config: it.config.clone(), name: it.mission.name.clone() });
        }
        if is_all {
            let hosts: BTreeMap<String, (Host, Config)> = res
                .iter()
                .map(|it| (it.host.name.clone(), (it.host.clone(), it.config.clone())))
                .collect();
            let common = hosts.into_values();
            res.extend(common.map(|(host, config)| Repository {
                host,
                config,
                name: COMMON.to_owned(),
            }));
        }
        Ok(Registries(res))
    }
}

impl Repository {
    fn api(&self, access: Access) -> anyhow::Result<Api> {
        published::api(&self.config, &self.host, &self.name, access)
    }

    fn candidate(&self, it: &ListedImage) -> Candidate {
        let tags: Vec<String> = it.tags.iter().map(ToString::to_string).collect();
        let title = format!("{}:{}", self.name, it.tag);
        let below = it.parent.iter().map(|it| (it.to_string(), format!("{title} was built on it")));
        let published = it.receipt.iter().flat_map(|it| &it.published);
        let named =
            published.map(|it| (it.digest.to_string(), format!("in the receipt of {title}")));
        Candidate {
            name: format!("{}/{}", self.host.name, self.name),
            digests: vec![it.digest.to_string(), it.image.to_string()],
            created: it.created.clone(),
            is_mission: self.name != COMMON,
            is_certified: it.receipt.is_some(),
            is_candidate: it.is_candidate(),
            needed: match (tags.is_empty(), it.is_own) {
                (false, _) => Some(format!("named {}", tags.join(", "))),
                (_, false) => Some("not known to be an image of this tool".to_owned()),
                _ => None,
            },
            refers: below.chain(named).collect(),
        }
    }

    /// Returns the receipts of images that are gone: with each, a run was ended while it removed.
    fn orphans(&self, api: &Api, listing: &Listing) -> anyhow::Result<Vec<(Digest, Digest)>> {
        let listed: BTreeSet<&Digest> = listing.images.iter().map(|it| &it.digest).collect();
        let others = listing.receipts.iter().filter(|(image, _)| !listed.contains(image));
        let (images, receipts): (Vec<Digest>, Vec<Digest>) =
            others.map(|(image, receipt)| (image.clone(), receipt.clone())).unzip();
        let present = api.targets(&images)?;
        let pairs = images.into_iter().zip(receipts).zip(present);
        Ok(pairs.filter(|(_, it)| it.is_empty()).map(|(pair, _)| pair).collect())
    }
}

impl Place for Registries {
    type Removal = Removal;

    fn plan(&self, policy: Policy) -> anyhow::Result<Vec<(Row, Option<Removal>)>> {
        let mut res = Vec::new();
        let (mut images, mut candidates) = (Vec::new(), Vec::new());
        let mut orphans = Vec::new();
        for (at, repository) in self.0.iter().enumerate() {
            let api = repository.api(Access::Read)?;
            let listing = published::listing(&api, &repository.name)?;
            orphans.extend(repository.orphans(&api, &listing)?.into_iter().map(|it| (at, it)));
            candidates.extend(listing.images.iter().map(|it| repository.candidate(it)));
            let Listing { images: listed, mut receipts } = listing;
            images.extend(listed.into_iter().map(|it| (at, receipts.remove(&it.digest), it)));
        }
        let verdicts = retention::verdicts(&candidates, policy);
        for ((at, receipt, image), verdict) in images.into_iter().zip(&verdicts) {
            let goes = matches!(verdict, Verdict::Goes(_));
            let name = self.0[at].host.repository(&self.0[at].name).tagged(&image.tag).to_string();
            let digests = [image.digest].into_iter().chain(receipt).collect();
            let removal = goes.then_some(Removal { at, digests });
            res.push((Row::new(name, &image.created, verdict), removal));
        }
        for (at, (image, receipt)) in orphans {
            let repository = self.0[at].host.repository(&self.0[at].name);
            let why = Verdict::Goes(format!("a receipt whose image {} is gone", image.short()));
            let row = Row::new(repository.at(&receipt).to_string(), "", &why);
            res.push((row, Some(Removal { at, digests: vec![receipt] })));
        }
        Ok(res)
    }

    fn print(&self, removal: &Removal) {
        let Repository { host, name, .. } = &self.0[removal.at];
        for it in &removal.digests {
            terminal::print(format_args!("DELETE {}", host.repository(name).at(it)));
        }
    }

    fn note(&self) -> Option<&'static str> {
        let is_local = self.0.iter().any(|it| it.host.is_local());
        is_local.then_some(
            "to free the disk while nothing is pushed: `docker exec science-platform-registry docker-registry garbage-collect /etc/docker/registry/config.yml`",
        )
    }

    fn remove(&self, permit: Permit, removals: &[Removal]) -> anyhow::Result<Vec<String>> {
        let mut res = vec![String::new(); removals.len()];
        for (at, repository) in self.0.iter().enumerate() {
            let of_repository: Vec<usize> =
                (0..removals.len()).filter(|&it| removals[it].at == at).collect();
            if of_repository.is_empty() {
                continue;
            }
            let api = repository.api(Access::Delete)?;
            let allow = if repository.host.is_local() { ALLOW_LOCAL } else { ALLOW };
            // An image first: a receipt whose image is gone is recognised by the next run.
            for part in 0..2 {
                let due = of_repository.iter().copied().filter(|&it| res[it].is_empty());
                let (rows, digests): (Vec<usize>, Vec<Digest>) = due
                    .filter_map(|it| Some((it, removals[it].digests.get(part)?.clone())))
                    .unzip();
                let deleted = api.delete(permit, &digests, allow)?;
                for (row, outcome) in rows.into_iter().zip(deleted) {
                    res[row] = outcome.err().map(|err| format!("{err:#}")).unwrap_or_default();
                }
            }
        }
        Ok(res)
    }
}
