//! Output of `docker build --progress plain`: `#<vertex> <text>`, where the text is the step's
//! name, `<seconds> <output>`, `CACHED`, `DONE <seconds>` or `ERROR: <reason>`. Source: BuildKit,
//! `util/progress/progressui`.

use std::collections::BTreeSet;

/// Returns the step that `line` names, shortened: `[3/7] RUN …` of `[stage-1 3/7] RUN …`, without
/// mounts. BuildKit's internal steps are left out; names of stages stay if an author gave them.
pub(crate) fn step(line: &str) -> Option<String> {
    let (_, text) = vertex(line)?;
    let is_step =
        (text.starts_with('[') && !text.starts_with("[internal]")) || text == "exporting to image";
    if !is_step {
        return None;
    }
    let words = text.split_whitespace().filter(|it| !it.starts_with("--mount="));
    let short = without_number(&words.collect::<Vec<_>>().join(" "));
    let cut: String = short.chars().take(STEP_WIDTH).collect();
    Some(if cut.len() < short.len() { cut + "…" } else { cut })
}

/// Returns a step without the name that BuildKit gives to a stage, `stage-<n>`.
fn without_number(step: &str) -> String {
    let rest = step.strip_prefix("[stage-");
    let rest = rest.map(|it| it.trim_start_matches(|c: char| c.is_ascii_digit()));
    match rest.and_then(|it| it.strip_prefix(' ')) {
        Some(rest) => format!("[{rest}"),
        None => step.to_owned(),
    }
}

const STEP_WIDTH: usize = 90;

/// Returns the name of the failed step and the last `n` lines of its output.
pub(crate) fn failed_step(lines: &[String], n: usize) -> Option<String> {
    let vertices = || lines.iter().filter_map(|it| vertex(it));
    // A build goes on without the layers of others, and without others that get its own.
    let caches = vertices()
        .filter(|it| it.1.starts_with("importing cache manifest") || it.1.starts_with(EXPORTING));
    let caches: BTreeSet<&str> = caches.map(|it| it.0).collect();
    let has_failed = |it: &(&str, &str)| it.1.starts_with("ERROR") && !caches.contains(it.0);
    let (failed, _) = vertices().find(has_failed)?;
    let of_failed = || vertices().filter(|it| it.0 == failed);
    let output: Vec<&str> = of_failed().filter_map(|(_, text)| output(text)).collect();
    let name = lines
        .iter()
        .filter(|it| vertex(it).is_some_and(|it| it.0 == failed))
        .find_map(|it| step(it))?;
    let last = &output[output.len().saturating_sub(n)..];
    (!last.is_empty()).then(|| format!("{name}\n{}", last.join("\n")))
}

/// Start of the name of the step that stores layers elsewhere.
const EXPORTING: &str = "exporting cache";

/// Returns why a build that had to store layers elsewhere did not. buildx leaves out a store whose variables it
/// does not know.
pub(crate) fn failed_export(lines: &[String]) -> Option<&str> {
    let vertices = || lines.iter().filter_map(|it| vertex(it));
    let exports = vertices().filter(|it| it.1.starts_with(EXPORTING));
    let exports: BTreeSet<&str> = exports.map(|it| it.0).collect();
    if exports.is_empty() {
        return Some("buildx left the store out; fix: a newer buildx");
    }
    vertices().find_map(|(number, text)| {
        text.strip_prefix("ERROR: ").filter(|_| exports.contains(number))
    })
}

/// Returns the output of all steps.
pub(crate) fn outputs(lines: &[String]) -> Vec<&str> {
    lines.iter().filter_map(|it| output(vertex(it)?.1)).collect()
}

/// Splits `#12 0.555 text` into `12` and `0.555 text`.
fn vertex(line: &str) -> Option<(&str, &str)> {
    let (number, text) = line.strip_prefix('#')?.split_once(' ')?;
    number.bytes().all(|it| it.is_ascii_digit()).then_some((number, text))
}

/// Returns `text` of `0.555 text`.
fn output(text: &str) -> Option<&str> {
    let (seconds, text) = text.split_once(' ')?;
    let is_time = seconds.contains('.') && seconds.parse::<f64>().is_ok();
    is_time.then_some(text)
}

#[test]
fn steps() {
    let check = |line, expected: Option<&str>| assert_eq!(step(line).as_deref(), expected);
    check(
        "#12 [stage-3 6/6] RUN --mount=type=cache,id=x     pip  install",
        Some("[6/6] RUN pip install"),
    );
    check("#9 [builder 1/4] RUN make", Some("[builder 1/4] RUN make"));
    check("#9 [stage-data 1/4] RUN make", Some("[stage-data 1/4] RUN make"));
    check("#1 [internal] load build context", None);
    check("#12 0.555 [not] a step", None);
    check("# comment", None);
    check("#13 exporting to image", Some("exporting to image"));
}

#[test]
fn layers_that_are_not_stored() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let export = "#8 exporting cache to registry\n#8 sending cache export done\n";
    let failed = lines(&format!("#7 DONE 0.1s\n{export}#8 ERROR: 401 Unauthorized"));
    assert_eq!(failed_export(&failed), Some("401 Unauthorized"));
    assert_eq!(failed_export(&lines(&format!("#7 ERROR: x\n{export}#8 DONE 0.1s"))), None);
    assert!(failed_export(&lines("#7 exporting to image\n#7 DONE 0.1s")).is_some());
}

#[test]
fn the_failing_step_speaks() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let log = lines(
        "#8 [a 1/2] RUN x\n#9 [b 1/2] RUN --mount=y z\n#8 0.1 fine\n#9 0.2 first\n#9 0.3 second\n#8 DONE 0.3s\n#9 ERROR: exit code: 1\n------\n",
    );
    assert_eq!(failed_step(&log, 1).as_deref(), Some("[b 1/2] RUN z\nsecond"));
    let gone = lines("#7 importing cache manifest from r/x\n#7 ERROR: r/x: not found");
    assert_eq!(failed_step(&[gone, log].concat(), 1).as_deref(), Some("[b 1/2] RUN z\nsecond"));
    assert_eq!(failed_step(&lines("#8 [a 1/2] RUN x\n#8 DONE 0.3s"), 9), None);
}
