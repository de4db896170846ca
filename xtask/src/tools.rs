//! Modules of external programs: command lines, output formats, exit statuses and fixes.

pub(crate) mod platform;
pub(crate) mod image_name;
pub(crate) mod docker;
pub(crate) mod retries;
pub(crate) mod curl;
pub(crate) mod mmdebstrap;
pub(crate) mod kubectl;
pub(crate) mod helm;
pub(crate) mod git;
pub(crate) mod cargo;
pub(crate) mod python;
pub(crate) mod linters;
pub(crate) mod apt;
pub(crate) mod ip;
pub(crate) mod iptables;
pub(crate) mod dockerd;
pub(crate) mod system;
pub(crate) mod sops;
pub(crate) mod aws;
