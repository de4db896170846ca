//! `secrets-init`: a new deployment's `.sops.yaml` and first encrypted file.

use std::path::{Path, PathBuf};

use anyhow::bail;
use fs_err as fs;

use crate::{
    run::{failure, files, memory_folder::MemoryFolder, printable::Shown as _, terminal},
    secrets::{
        encrypted::EncryptedFile,
        rules::{self, Rules},
        skeleton,
    },
    task::{
        Session, args,
        secrets::{Place, counted},
        shared::secret_change,
    },
    tools::{
        git,
        sops::{self, Subject, recipients::Recipients},
    },
};

/// Files to write.
struct Plan {
    /// Name of the encrypted file.
    name: PathBuf,
    /// Path for people.
    shown: PathBuf,
    /// Text of `.sops.yaml`.
    rules: String,
    recipients: Recipients,
}

pub(crate) fn run(session: &Session, args: &args::SecretsInit) -> anyhow::Result<u8> {
    let place = Place::cloned(session, args.of.mission.as_deref()).map_err(failure::request)?;
    secret_change::require_tools(session)?;
    let _lock = session.lock_secrets()?;
    let plan = plan(&place, args).map_err(failure::request)?;
    let files = [Path::new(rules::FILE), &plan.name];
    let message = format!("Begin with {}", plan.name.shown());
    let Some(permit) = session.permit else {
        let tmp = Path::new("<private folder>");
        terminal::print(sops::encrypt_cmd(tmp, tmp, &plan.name, String::new()));
        git::commit(&place.dir, &files, &message).iter().for_each(terminal::print);
        return Ok(0);
    };
    let text = encrypted(&plan)?;
    let rules_path = place.dir.join(rules::FILE);
    let path = place.dir.join(&plan.name);
    files::write_all(permit, &[(&rules_path, plan.rules.as_bytes()), (&path, text.as_bytes())])?;
    secret_change::commit(permit, &place, &files, &message)?;
    session.ui.say(format!(
        "committed: {} for {}; `cargo xtask secrets-edit` completes it, `cargo xtask secrets-push` publishes it",
        plan.shown.shown(),
        counted(plan.recipients.all().count(), "recipient")
    ));
    Ok(0)
}

/// Decides what to write; existing files are not overwritten.
fn plan(place: &Place, args: &args::SecretsInit) -> anyhow::Result<Plan> {
    let name = place.name(None)?;
    let shown = place.shown.join(&name);
    place.check_links(&name)?;
    place.check_links(Path::new(rules::FILE))?;
    if place.dir.join(&name).exists() {
        bail!("{} is there already; `cargo xtask secrets-edit` changes it", shown.shown());
    }
    secret_change::can_commit(place)?;
    let given = Recipients::given(&args.age, &args.kms)?;
    let rules = match (place.rules_file(), given.is_empty()) {
        (None, true) => bail!(
            "missing recipients; pass `--age <public key>` (`age-keygen -y FILE` prints yours) or `--kms <ARN>`, each as often as needed"
        ),
        (None, false) => rules::text(&given),
        (Some(path), true) => fs::read_to_string(path)?,
        (Some(_), false) => bail!(
            "{}/{} already lists the recipients of files; leave --age and --kms out, or change it there (docs/secrets.md)",
            place.shown.shown(),
            rules::FILE
        ),
    };
    let Some(recipients) = Rules::parse(&rules)?.recipients(&name).cloned() else {
        bail!("no rule of {} is about {}", rules::FILE, name.shown());
    };
    Ok(Plan { name, shown, rules, recipients })
}

/// Returns the encrypted skeleton. Its plain text only goes through a pipe.
fn encrypted(plan: &Plan) -> anyhow::Result<String> {
    let folder = MemoryFolder::new()?;
    folder.file(rules::FILE, &plan.rules)?;
    let tmp = folder.path();
    let about = Subject { file: &plan.shown, recipients: &plan.recipients };
    let text = sops::answer(&sops::encrypt_cmd(tmp, tmp, &plan.name, skeleton::text()?), about)?;
    match EncryptedFile::parse(&text) {
        Ok(it) if it.plain.is_empty() && !it.values.is_empty() => Ok(text),
        _ => bail!("sops did not encrypt {}; nothing was written", plan.shown.shown()),
    }
}
