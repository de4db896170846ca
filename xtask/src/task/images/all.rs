//! `image-all`: builds, tests and publishes; any failure means that nothing is published.

use crate::{
    image::build::BuildPolicy,
    task::{
        Session, args,
        shared::images::{self, Push, Request},
    },
    testing::image_test::TestRequest,
};

pub(crate) fn run(session: &Session, args: &args::ImageAll) -> anyhow::Result<u8> {
    let missing = if args.build.refresh { BuildPolicy::Refresh } else { BuildPolicy::Build };
    let test = Some(TestRequest::all(args.again));
    let parallel = args.build.parallel.clone();
    let request = Request { missing, test, push: Push::Tested, parallel };
    images::run(session, &args.build.missions, &request)
}
