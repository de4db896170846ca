//! `image-push`: publishes images with a complete, passing receipt; `--candidate` pushes them untested.

use crate::{
    image::build::BuildPolicy,
    task::{
        Session, args,
        shared::images::{self, Push, Request},
    },
};

pub(crate) fn run(session: &Session, args: &args::ImagePush) -> anyhow::Result<u8> {
    let push = if args.candidate { Push::Candidates } else { Push::Tested };
    images::run(
        session,
        &args.missions,
        &Request {
            missing: BuildPolicy::Refuse,
            test: None,
            push,
            parallel: args::Parallel::default(),
        },
    )
}
