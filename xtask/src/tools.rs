//! Modules of external programs: command lines, output formats, exit statuses and fixes.

pub(crate) mod platform;
pub(crate) mod image_name;
pub(crate) mod docker;
pub(crate) mod retries;
pub(crate) mod curl;
pub(crate) mod mmdebstrap;
pub(crate) mod git;
pub(crate) mod sops;
pub(crate) mod aws;
