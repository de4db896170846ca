//! The plan of a run: which images are built and tested, and what each needs, as plain data.

use std::collections::BTreeMap;

use crate::{
    image::{
        build::{self, BuildPolicy},
        mission_images::MissionImages,
    },
    run::graph::Node,
    testing::image_test::{self, TestRequest},
};

/// Work on the images of some missions: one graph, with nodes in the order of the missions.
pub(super) struct Plan<'a> {
    pub(super) nodes: Vec<Node>,
    /// Work of each node.
    pub(super) work: Vec<Work<'a>>,
    pub(super) missions: Vec<MissionPlan<'a>>,
    /// Bytes of memory for all test containers, if set.
    pub(super) memory: Option<u64>,
}

#[derive(Clone, Copy)]
pub(super) enum Work<'a> {
    /// The image at `position` in the chain of `of`.
    Build {
        of: &'a MissionImages,
        position: usize,
    },
    Test {
        of: &'a MissionImages,
    },
}

/// Nodes of a mission.
pub(super) struct MissionPlan<'a> {
    pub(super) of: &'a MissionImages,
    /// Builds of its chain; the first of them are other missions', too.
    pub(super) chain: Vec<usize>,
    pub(super) test: Option<usize>,
}

impl Plan<'_> {
    /// Returns the name of a build's image.
    pub(super) fn image(&self, node: usize) -> &str {
        match self.work[node] {
            Work::Build { of, position } => &of.chain[position].name,
            Work::Test { of } => &of.mission.name,
        }
    }
}

/// Plans the work on `chosen`: each image once, after its parent, and the tests that `asked` selects after
/// their image.
pub(super) fn plan<'a>(
    chosen: &'a [MissionImages],
    missing: BuildPolicy,
    asked: Option<&TestRequest>,
) -> Plan<'a> {
    let memory = chosen.iter().filter_map(|it| it.config.testing.total_memory).min();
    let mut res = Plan { nodes: Vec::new(), work: Vec::new(), missions: Vec::new(), memory };
    let mut known = BTreeMap::new();
    for of in chosen {
        let last = of.chain.len() - 1;
        // The newest image is used as it is.
        let first = if missing == BuildPolicy::TakeNewest { last } else { 0 };
        let mut chain: Vec<usize> = Vec::new();
        for position in first..=last {
            let key = build::key(&of.chain, &of.chain[position]);
            let node = *known.entry(key).or_insert_with(|| {
                res.nodes
                    .push(Node { needs: chain.last().copied().into_iter().collect(), memory: 0 });
                res.work.push(Work::Build { of, position });
                res.nodes.len() - 1
            });
            chain.push(node);
        }
        let test = asked.filter(|it| it.concerns(&of.mission)).map(|_| {
            let needs = chain.last().copied().into_iter().collect();
            res.nodes.push(Node { needs, memory: image_test::memory(&of.config) });
            res.work.push(Work::Test { of });
            res.nodes.len() - 1
        });
        res.missions.push(MissionPlan { of, chain, test });
    }
    res
}
