//! `image-test`: runs the tests of missions in containers, and writes receipts.

use anyhow::bail;

use crate::{
    image::build::BuildPolicy,
    mission::test_kind::TestKind,
    run::failure,
    task::{
        Session, args,
        shared::{
            images::{self, Push, Request},
            local_hub,
        },
    },
    testing::{image_test::TestRequest, selection::Selection},
};

pub(crate) fn run(session: &Session, args: &args::ImageTest) -> anyhow::Result<u8> {
    let asked = asked(args).map_err(failure::request)?;
    if args.on.is_some() {
        return images::test_on_cluster(session, &args.missions, &asked, args.shards.unwrap_or(1));
    }
    check_environments(session, args, &asked).map_err(failure::request)?;
    let missing = if args.dev { BuildPolicy::TakeNewest } else { BuildPolicy::Refuse };
    let parallel = args::Parallel { jobs: args.jobs, fail_fast: args.fail_fast };
    let request = Request { missing, test: Some(asked), push: Push::No, parallel };
    match images::run(session, &args.missions, &request)? {
        0 if args.hub => local_hub::smoke(session, &args.missions),
        status => Ok(status),
    }
}

fn asked(args: &args::ImageTest) -> anyhow::Result<TestRequest> {
    let kinds = [(TestKind::Import, args.imports), (TestKind::Notebook, args.notebooks)];
    let kinds = kinds.iter().filter(|it| it.1).map(|it| it.0).collect();
    Ok(TestRequest {
        again: args.again,
        selection: Selection::new(&args.env, &args.only, kinds)?,
        failed: args.failed,
        jobs: args.jobs,
        timeout: args.timeout,
        dev: args.dev,
        part: args.shard,
        passed: std::collections::BTreeSet::new(),
    })
}

/// Checks that each selected environment belongs to a selected mission.
fn check_environments(
    session: &Session,
    args: &args::ImageTest,
    asked: &TestRequest,
) -> anyhow::Result<()> {
    let named = session.named(&args.missions)?;
    let known = || named.iter().flat_map(|it| it.mission.environments.iter().map(|it| &it.name));
    for it in asked.environments().iter().filter(|it| *it != "base") {
        if !known().any(|known| known == it) {
            let names: Vec<&str> = known().map(String::as_str).collect();
            bail!("--env {it}: unknown environment; expected one of: {}", names.join(", "));
        }
    }
    Ok(())
}
