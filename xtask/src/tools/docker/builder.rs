//! Builders of buildx that are chosen by name, and what `docker buildx inspect` prints about them.
//! Reference: <https://docs.docker.com/build/builders/drivers/>.

use std::slice;

use super::{Docker, build::BuilderKind, remedy};
use crate::run::{failure::Failure, process};

/// Driver of the builder that an engine brings.
const ENGINE_DRIVER: &str = "docker";

/// Driver of a BuildKit that buildx does not start.
const REMOTE_DRIVER: &str = "remote";

impl Docker {
    /// Returns the builder `name`; `None` if this CLI does not have buildx. A builder in a container or in
    /// pods need not run: the first build starts it.
    ///
    /// # Errors
    /// The machine lacks such a builder, or it does not answer, or it is another engine's.
    pub(super) fn named_builder(&self, name: &str) -> anyhow::Result<Option<BuilderKind>> {
        if !self.has_buildx()? {
            return Ok(None);
        }
        let described = process::output(&self.query(["buildx", "inspect", name]))?;
        if described.status != 0 {
            return Err(match described.stderr.contains(&not_found(name)) {
                true => self.unknown_builder(name)?,
                false => not_described(name, &described.stderr),
            });
        }
        let (builder, described) = (name.to_owned(), described.stdout);
        match field(&described, "Driver").unwrap_or_default() {
            ENGINE_DRIVER if name == self.own_builder()? => Ok(Some(BuilderKind::Own { builder })),
            ENGINE_DRIVER => Err(lack(
                format!("BUILDER={name}: this builder belongs to the engine of another context"),
                format!("leave BUILDER empty, and choose that engine by DOCKER_CONTEXT={name}"),
            )),
            REMOTE_DRIVER if !is_running(&described) => {
                let place = field(&described, "Endpoint").unwrap_or("its address");
                Err(lack(
                    format!("BUILDER={name}: {place} does not answer"),
                    "start BuildKit there, or set another BUILDER".to_owned(),
                ))
            }
            _ => Ok(Some(BuilderKind::Separate { builder })),
        }
    }

    fn unknown_builder(&self, name: &str) -> anyhow::Result<anyhow::Error> {
        let known = names(&process::output(&self.query(["buildx", "ls"]))?.stdout).join(", ");
        Ok(lack(
            format!(
                "BUILDER={name}: docker does not have a builder of this name; expected one of {known}"
            ),
            format!(
                "`docker buildx create --name {name} --driver docker-container`, or correct BUILDER"
            ),
        ))
    }
}

/// Returns what buildx says of a name that no builder has.
fn not_found(name: &str) -> String {
    format!("no builder {name:?} found")
}

/// Returns the error about a builder that buildx cannot describe.
fn not_described(name: &str, said: &str) -> anyhow::Error {
    let said = process::last_lines(said, 3);
    let fix = remedy(slice::from_ref(&said));
    lack(
        format!("BUILDER={name}: `docker buildx inspect {name}` failed: {said}"),
        fix.unwrap_or_else(|| "correct what docker names, or set another BUILDER".to_owned()),
    )
}

fn lack(text: String, fix: String) -> anyhow::Error {
    Failure::Machine { text, fix }.into()
}

/// Returns the first value of a field `Name:   value`.
fn field<'a>(described: &'a str, name: &str) -> Option<&'a str> {
    let value = |it: &'a str| Some(it.strip_prefix(name)?.strip_prefix(':')?.trim());
    described.lines().find_map(value)
}

/// Returns whether one of the builder's nodes runs.
fn is_running(described: &str) -> bool {
    described.lines().any(|it| it.starts_with("Status:") && it.ends_with("running"))
}

/// Returns the names of builders in a table of `docker buildx ls`: nodes are indented, and a star marks
/// the current one.
fn names(table: &str) -> Vec<&str> {
    let lines = table.lines().skip(1).filter(|it| !it.starts_with(' '));
    lines.filter_map(|it| Some(it.split_whitespace().next()?.trim_end_matches('*'))).collect()
}

#[test]
fn what_buildx_prints() {
    let described = "Name:   far\nDriver: remote\n\nNodes:\nName:     far0\nEndpoint: tcp://far:1234\nStatus:   inactive\n";
    assert_eq!(field(described, "Driver"), Some("remote"));
    assert_eq!(field(described, "Endpoint"), Some("tcp://far:1234"));
    assert!(!is_running(described));
    assert!(is_running(&described.replace("inactive", "running")));
    let table = "NAME/NODE    DRIVER/ENDPOINT  STATUS   BUILDKIT PLATFORMS\nfar *        remote\n  far0       tcp://far:1234   inactive\ndefault*     docker\n \\_ default   \\_ default       running\n";
    assert_eq!(names(table), ["far", "default"]);
}
