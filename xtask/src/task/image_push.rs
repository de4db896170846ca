//! `image-push`: publishes what has a complete, passing receipt.

use crate::{
    build::Missing,
    task::{
        Desk, args,
        shared::images::{self, Request},
    },
};

pub(crate) fn run(desk: &Desk, missions: &args::Missions) -> anyhow::Result<u8> {
    images::run(desk, missions, &Request { missing: Missing::Refuse, test: None, push: true })
}
