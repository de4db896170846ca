//! Flags of many tasks. The type of a task's arguments names the flags that the task honours, so that
//! clap refuses the others and help lists no others.

use clap::{Arg, ArgAction, ArgAction::SetTrue, ArgMatches, Args, Command, Error, FromArgMatches};

pub(crate) const DRY_RUN: u8 = 1;
pub(crate) const JSON: u8 = 2;
pub(crate) const VERBOSE: u8 = 4;
/// `--set`, for each task that reads the checkout.
pub(crate) const SET: u8 = 8;
/// `--frozen` and `--floating`.
pub(crate) const MODE: u8 = 16;

/// Flags that may also precede the task.
pub(crate) const BEFORE_TASK: u8 = DRY_RUN | JSON | VERBOSE | SET;

const HEADING: &str = "Common options";

/// Arguments of one task: its own, and the common flags named by `FLAGS`.
#[derive(Debug, Default)]
pub(crate) struct With<const FLAGS: u8, A> {
    pub(crate) own: A,
    pub(crate) given: Given,
}

/// Values of the common flags.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) dry_run: bool,
    pub(crate) json: bool,
    pub(crate) verbose: bool,
    pub(crate) set: Vec<String>,
    /// The setting that `--frozen` or `--floating` means, as `--set` takes it.
    pub(crate) mode: Option<&'static str>,
}

/// Arguments of a task that has none of its own.
#[derive(Debug, Default, Args)]
pub(crate) struct NoArgs {}

impl<const FLAGS: u8, A> With<FLAGS, A> {
    /// Returns the flags that the task honours, and their values.
    pub(crate) fn common(&self) -> (u8, &Given) {
        (FLAGS, &self.given)
    }
}

impl<const FLAGS: u8, A: Args> Args for With<FLAGS, A> {
    fn augment_args(cmd: Command) -> Command {
        A::augment_args(cmd).args(args(FLAGS))
    }

    fn augment_args_for_update(cmd: Command) -> Command {
        A::augment_args_for_update(cmd).args(args(FLAGS))
    }
}

impl<const FLAGS: u8, A: FromArgMatches> FromArgMatches for With<FLAGS, A> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<With<FLAGS, A>, Error> {
        Ok(With { own: A::from_arg_matches(matches)?, given: Given::read(FLAGS, matches) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.own.update_from_arg_matches(matches)?;
        self.given = Given::read(FLAGS, matches);
        Ok(())
    }
}

impl Given {
    fn read(flags: u8, matches: &ArgMatches) -> Given {
        let is_set = |flag: u8, id: &str| flags & flag != 0 && matches.get_flag(id);
        let set = (flags & SET != 0).then(|| matches.get_many("set")).flatten();
        let mode = match (is_set(MODE, "frozen"), is_set(MODE, "floating")) {
            (true, _) => Some("USE_FROZEN=1"),
            (_, true) => Some("USE_FROZEN=0"),
            _ => None,
        };
        Given {
            dry_run: is_set(DRY_RUN, "dry_run"),
            json: is_set(JSON, "json"),
            verbose: is_set(VERBOSE, "verbose"),
            set: set.into_iter().flatten().cloned().collect(),
            mode,
        }
    }

    /// Returns the given flags that `flags` lacks.
    pub(crate) fn not_in(&self, flags: u8) -> Vec<&'static str> {
        let given = [
            (DRY_RUN, "--dry-run", self.dry_run),
            (JSON, "--json", self.json),
            (VERBOSE, "--verbose", self.verbose),
            (SET, "--set", !self.set.is_empty()),
        ];
        let lacking = given.iter().filter(|(flag, _, given)| *given && flags & flag == 0);
        lacking.map(|(_, name, _)| *name).collect()
    }
}

/// Returns the arguments that clap reads for `flags`.
fn args(flags: u8) -> Vec<Arg> {
    let flag = |id, help| Arg::new(id).long(id).help(help).action(SetTrue);
    let common = |arg: Arg| arg.help_heading(HEADING);
    let frozen = flag("frozen", "As --set USE_FROZEN=1: install exactly the frozen specs");
    let dry_run = "Print the commands instead of running them; values known only at run time are \
                   placeholders such as <image-id>";
    let set = "Use this value of a setting; overrides the environment and setup-env";
    let all = [
        (MODE, frozen.conflicts_with("floating")),
        (MODE, flag("floating", "As --set USE_FROZEN=0: solve the floating specs")),
        (DRY_RUN, common(flag("dry_run", dry_run).long("dry-run").short('n'))),
        (JSON, common(flag("json", "Print the result as JSON on stdout"))),
        (
            VERBOSE,
            common(flag("verbose", "Show the output of the programs, not only steps").short('v')),
        ),
        (
            SET,
            common(
                Arg::new("set")
                    .long("set")
                    .value_name("NAME=VALUE")
                    .help(set)
                    .action(ArgAction::Append),
            ),
        ),
    ];
    all.into_iter().filter(|(flag, _)| flags & flag != 0).map(|it| it.1).collect()
}
