//! `image-build`: builds the images of missions.

use crate::{
    image::build::BuildPolicy,
    task::{
        Session, args,
        shared::images::{self, Push, Request},
    },
};

pub(crate) fn run(session: &Session, args: &args::ImageBuild) -> anyhow::Result<u8> {
    let missing = if args.refresh { BuildPolicy::Refresh } else { BuildPolicy::Build };
    let parallel = args.parallel.clone();
    images::run(session, &args.missions, &Request { missing, test: None, push: Push::No, parallel })
}
