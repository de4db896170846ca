//! The right to change something: a dry run has none.

/// Proof that this run may change something. Whatever does so (running a [`super::Change`], writing or
/// removing a file) takes it as an argument, and nothing else makes one, so that in a dry run such code
/// cannot be reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permit(());

impl Permit {
    /// Returns the permit of this process, `None` in a dry run. Only `main` may call it (`clippy.toml`).
    pub(crate) fn of_process(dry_run: bool) -> Option<Permit> {
        (!dry_run).then_some(Permit(()))
    }

    #[cfg(test)]
    pub(crate) fn of_test() -> Permit {
        Permit(())
    }
}
