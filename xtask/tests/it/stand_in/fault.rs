//! Wrapper of a program on `PATH`: records each call, and makes the planned one fail.
//! `real/<program>` is the program itself.

use std::{
    env, fs,
    fs::File,
    io::{self, IsTerminal as _, Read as _, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode, ExitStatus, Stdio, id},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::plan::{Call, FOLDER, Fault, Plan, Recorded, masked};

/// Set for programs that should do their work.
const PLAIN: &str = "STAND_IN_PLAIN";

/// Returns the exit status; `None` when the stand-in for docker should answer.
pub(crate) fn layer(store: &Path, argv: &[String]) -> Option<ExitCode> {
    let dir = store.join(FOLDER);
    let program = Path::new(&argv[0]).file_name()?.to_str()?;
    let plain = env::var_os(PLAIN).is_some();
    if !dir.is_dir() || plain && program == "docker" {
        return None;
    }
    let layer = Layer { dir, store: store.to_owned(), argv, program };
    let plan = fs::read_to_string(layer.dir.join("plan.json")).ok();
    let plan = plan.map(|it| serde_json::from_str(&it).expect("plan.json"));
    match plan.filter(|_| !plain) {
        Some(plan) => match layer.follow(&plan) {
            Ok(status) => status,
            Err(err) => {
                eprintln!("the stand-in for {program}: {err}");
                Some(ExitCode::from(125))
            }
        },
        None => layer.pass(),
    }
}

struct Layer<'a> {
    dir: PathBuf,
    store: PathBuf,
    argv: &'a [String],
    program: &'a str,
}

impl Layer<'_> {
    fn follow(&self, plan: &Plan) -> io::Result<Option<ExitCode>> {
        let Recorded { call, number, .. } = self.record()?;
        match plan {
            Plan::Record => {
                let (status, stdout) = self.work(None)?;
                fs::create_dir_all(self.dir.join("out"))?;
                fs::write(self.dir.join("out").join(number.to_string()), &stdout)?;
                print(&stdout)?;
                Ok(Some(code(status)))
            }
            Plan::Fault(planned, fault) if *planned == call => {
                fs::write(self.dir.join("came"), "")?;
                self.fail(*fault).map(Some)
            }
            Plan::Fault(..) => Ok(self.pass()),
        }
    }

    fn record(&self) -> io::Result<Recorded> {
        let lock = File::options().create(true).append(true).open(self.dir.join("lock"))?;
        lock.lock()?;
        let text = fs::read_to_string(self.dir.join("calls")).unwrap_or_default();
        let old: Vec<Recorded> =
            text.lines().map(|it| serde_json::from_str(it).expect("a call")).collect();
        let scratch = self.store.parent().unwrap_or(&self.store);
        let args = self.argv[1..].iter().map(|it| masked(it, scratch));
        let (program, line) = (self.program.to_owned(), args.collect::<Vec<_>>().join(" "));
        let is_equal = |it: &&Recorded| it.call.program == program && it.call.line == line;
        let nth = old.iter().filter(is_equal).count();
        let call = Call { program, line, nth };
        let res = Recorded { call, pid: id(), number: old.len() };
        let mut file = File::options().create(true).append(true).open(self.dir.join("calls"))?;
        writeln!(file, "{}", serde_json::to_string(&res)?)?;
        Ok(res)
    }

    /// Runs the real program; returns `None` for docker, which is this one.
    fn pass(&self) -> Option<ExitCode> {
        if self.program == "docker" {
            return None;
        }
        let err = self.real().args(&self.argv[1..]).exec();
        eprintln!("the stand-in for {}: {err}", self.program);
        Some(ExitCode::from(127))
    }

    fn real(&self) -> Command {
        let link = self.dir.join("real").join(self.program);
        let mut command = Command::new(fs::read_link(&link).unwrap_or(link));
        if self.program == "docker" {
            command.arg0(&self.argv[0]);
        }
        command
    }

    /// Runs the program; with `input` as its stdin.
    fn work(&self, input: Option<&[u8]>) -> io::Result<(ExitStatus, Vec<u8>)> {
        let mut command = self.real();
        command.args(&self.argv[1..]).env(PLAIN, "1").stdout(Stdio::piped());
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn()?;
        if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
            // A program that does not read all of it reports the reason by its status.
            let _ = pipe.write_all(input);
        }
        let mut stdout = Vec::new();
        child.stdout.take().expect("a pipe").read_to_end(&mut stdout)?;
        Ok((child.wait()?, stdout))
    }

    fn fail(&self, fault: Fault) -> io::Result<ExitCode> {
        let say = |what: &str| eprintln!("{}: the test's fault: {what}", self.program);
        match fault {
            Fault::Fails => {
                say("it fails");
                return Ok(ExitCode::FAILURE);
            }
            Fault::FailsAfterwards => {
                print(&self.work(None)?.1)?;
                say("it fails afterwards");
                return Ok(ExitCode::FAILURE);
            }
            Fault::Hangs | Fault::Interrupted => self.hang()?,
            Fault::HangsAfterwards => {
                print(&self.work(None)?.1)?;
                self.hang()?;
            }
            Fault::PrintsGarbage => print(b"\xff\xfe}] garbage\x07\n\n\tgarbage: [{\n")?,
            Fault::IsKilled => kill(Pid::this(), Signal::SIGKILL)?,
            Fault::DoesNothing => (),
            Fault::OnlySaysSo => print(&fs::read(self.dir.join("replay"))?)?,
            Fault::DoesHalf => self.do_half()?,
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Waits until it is killed, or the test's folder is gone: a killed test must leave no process.
    fn hang(&self) -> io::Result<()> {
        let child = Command::new("/bin/sleep").arg("1200").stdin(Stdio::null()).spawn()?;
        fs::write(self.dir.join("child"), child.id().to_string())?;
        fs::write(self.dir.join("hung.new"), id().to_string())?;
        fs::rename(self.dir.join("hung.new"), self.dir.join("hung"))?;
        while self.dir.exists() {
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn do_half(&self) -> io::Result<()> {
        let mut input = Vec::new();
        if !io::stdin().is_terminal() {
            io::stdin().read_to_end(&mut input)?;
        }
        let read = |it: &PathBuf| fs::read(it).unwrap_or_default();
        let paths = self.argv[1..].iter().map(PathBuf::from);
        let before: Vec<(PathBuf, Vec<u8>)> = paths.map(|it| (it.clone(), read(&it))).collect();
        let (_, stdout) = self.work(Some(half(&input)))?;
        for (path, old) in before {
            let new = read(&path);
            if path.is_file() && new != old {
                fs::write(path, half(&new))?;
            }
        }
        print(half(&stdout))
    }
}

fn half(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len() / 2]
}

fn print(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout();
    stdout.write_all(bytes)?;
    stdout.flush()
}

fn code(status: ExitStatus) -> ExitCode {
    ExitCode::from(u8::try_from(status.code().unwrap_or(137)).unwrap_or(1))
}
