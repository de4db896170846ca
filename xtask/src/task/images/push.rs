//! `image-push`: publishes images with a complete, passing receipt.

use crate::{
    image::build::BuildPolicy,
    task::{
        Session, args,
        shared::images::{self, Request},
    },
};

pub(crate) fn run(session: &Session, missions: &args::Missions) -> anyhow::Result<u8> {
    images::run(
        session,
        missions,
        &Request {
            missing: BuildPolicy::Refuse,
            test: None,
            push: true,
            parallel: args::Parallel::default(),
        },
    )
}
