//! Tests of images: selection, containers, Jobs of a cluster, receipts, JUnit's XML, the report's page, and summaries as Markdown.

pub(crate) mod selection;
pub(crate) mod shard;
pub(crate) mod image_test;
pub(crate) mod jobs;
pub(crate) mod receipt;
pub(crate) mod carry;
pub(crate) mod differences;
pub(crate) mod junit;
pub(crate) mod results;
pub(crate) mod page;
pub(crate) mod markdown;
pub(crate) mod sanitise;
