//! `image-all`: builds, tests and publishes; any failure means that nothing is published.

use crate::{
    build::Missing,
    image_test::Asked,
    task::{
        Desk, args,
        shared::images::{self, Request},
    },
};

pub(crate) fn run(desk: &Desk, args: &args::ImageAll) -> anyhow::Result<u8> {
    let missing = if args.build.refresh { Missing::Refresh } else { Missing::Build };
    let test = Some(Asked::all(args.again));
    images::run(desk, &args.build.missions, &Request { missing, test, push: true })
}
