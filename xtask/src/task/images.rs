//! Tasks about images: build, test, publish, inspect, use.

pub(crate) mod update;
pub(crate) mod base;
pub(crate) mod build;
pub(crate) mod test;
pub(crate) mod r#try;
pub(crate) mod push;
pub(crate) mod all;
pub(crate) mod promote;
pub(crate) mod report;
pub(crate) mod receipt;
pub(crate) mod merge;
pub(crate) mod list;
pub(crate) mod prune;
pub(crate) mod exec;
pub(crate) mod lab;
pub(crate) mod explain;
