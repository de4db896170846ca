//! `image-build`: builds the images of missions.

use crate::{
    build::Missing,
    task::{
        Desk, args,
        shared::images::{self, Request},
    },
};

pub(crate) fn run(desk: &Desk, args: &args::ImageBuild) -> anyhow::Result<u8> {
    let missing = if args.refresh { Missing::Refresh } else { Missing::Build };
    images::run(desk, &args.missions, &Request { missing, test: None, push: false })
}
