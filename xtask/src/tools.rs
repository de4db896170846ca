//! One module per external program: its command lines, output formats, exit statuses and remedies.

pub(crate) mod platform;
pub(crate) mod image_name;
pub(crate) mod docker;
pub(crate) mod retries;
pub(crate) mod git;
pub(crate) mod sops;
pub(crate) mod aws;
