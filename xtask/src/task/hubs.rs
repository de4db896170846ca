//! Tasks about hubs.
