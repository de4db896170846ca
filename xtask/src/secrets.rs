//! Facts about secrets that need no decryption: rules, keys, changes, and mistakes.

pub(crate) mod yaml;
pub(crate) mod encrypted;
pub(crate) mod plain;
pub(crate) mod changes;
pub(crate) mod commits;
pub(crate) mod rules;
pub(crate) mod skeleton;
pub(crate) mod plaintext;
