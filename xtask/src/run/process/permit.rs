//! Permission to change something, which a dry run lacks.

/// Proof that this run may change something. Every function that does so (runs a [`super::Change`],
/// writes or removes a file) takes a permit as an argument, and only [`Permit::of_process`] makes
/// one, so a dry run cannot reach that code.
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
