//! Starting programs, writing files, signals, retries, terminal output, findings and failures.

pub(crate) mod process;
pub(crate) mod files;
pub(crate) mod unpack;
pub(crate) mod memory_folder;
pub(crate) mod failure;
pub(crate) mod finding;
pub(crate) mod terminal;
pub(crate) mod ui;
pub(crate) mod lock;
pub(crate) mod graph;
pub(crate) mod printable;
pub(crate) mod mask;
pub(crate) mod redact;
pub(crate) mod private_key;
pub(crate) mod text_file;
pub(crate) mod unified;
pub(crate) mod suggest;
pub(crate) mod random;
