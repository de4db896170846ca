//! What can be said of secrets without decrypting any: rules, keys, changes, and mistakes.

pub(crate) mod key;
pub(crate) mod encrypted;
pub(crate) mod changes;
pub(crate) mod rules;
pub(crate) mod recipients;
pub(crate) mod skeleton;
pub(crate) mod plaintext;
pub(crate) mod private_key;
