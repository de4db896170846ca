"""The standard tests of environments: all of them run, whatever fails, and share the cores."""

import functools
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from platform_env.environments import kernels, paths
from platform_env.environments.lists import Entry, read_list
from platform_env.testing import imports, notebooks, programs
from platform_env.testing.advice import advised
from platform_env.testing.commands import Command
from platform_env.testing.disk import Watch
from platform_env.testing.notebook_jobs import NotebookJob
from platform_env.testing.plan import Plan
from platform_env.testing.pool import Job, run_all
from platform_env.testing.results import SCRIPTS, Report, Result
from platform_env.testing.untouched import untouched, untouched_notebooks

# Seconds for `tests/test`, which may be a whole test suite.
SCRIPT_LIMIT = 3600.0
CONSISTENCY_LIMIT = 300.0

WHAT_TO_ADD = (
    "it has no tests: add {tests}/imports (one package per line), "
    "a notebook {tests}/*.ipynb, or an executable {tests}/test"
)


def test_environments(environments: Iterable[str], plan: Plan, report: Report) -> None:
    """Runs every selected standard test of the environments."""
    jobs = [job for it in environments for job in _environment_jobs(it, plan, report)]
    run_jobs(jobs, plan, report)


def test_imports(environment: str, packages: Iterable[str], plan: Plan, report: Report) -> None:
    """Imports each selected package, once."""
    run_jobs(_import_jobs(environment, packages, plan, report), plan, report)


def test_notebooks(environment: str, found: Sequence[Path], plan: Plan, report: Report) -> None:
    """Runs each selected notebook, once."""
    run_jobs(_notebook_jobs(environment, found, plan, report), plan, report)


def run_jobs(jobs: Sequence[Job], plan: Plan, report: Report) -> None:
    """Runs jobs of all kinds; the notebooks that took longest last time come first."""
    long = [job for job in jobs if isinstance(job, NotebookJob)]
    long.sort(
        key=lambda job: plan.seconds(job.notebook.environment, job.notebook.name), reverse=True
    )
    quick = [job for job in jobs if not isinstance(job, NotebookJob)]
    # The first notebook waits for the import of nbclient: other jobs use the cores meanwhile.
    first, rest = quick[: plan.jobs], quick[plan.jobs :]
    for result in run_all([*first, *long, *rest], plan.jobs, watch(plan.disk)):
        report.add(advised(result, plan))


@functools.cache
def watch(limit: float) -> Watch:
    """Returns the folders that tests may fill: the mission's, and those of the tests themselves."""
    folders = [paths.ENVIRONMENTS, Path(tempfile.gettempdir()), Path.home()]
    return Watch(folders, limit)


def has_tests(environment: str) -> bool:
    """Returns whether an environment has any tests."""
    tests = notebooks.tests_folder(environment)
    named = any((tests / name).exists() for name in ("imports", "commands", "notebooks", "test"))
    return named or bool(notebooks.find(environment))


def unmatched(environment: str, pattern: str, origin: str) -> Result:
    """Returns the failure of a pattern that names no notebook."""
    message = f"{origin}: no notebook is there: correct the line, or add the notebook"
    return Result(environment, "notebook", pattern, message)


def _environment_jobs(environment: str, plan: Plan, report: Report) -> Iterator[Job]:
    """Yields the tests of an environment; tests that cannot be run are reported at once."""
    if not plan.wants_any(environment) or environment in plan.carried:
        return
    yield from _consistency_jobs(environment, plan)
    if not has_tests(environment):
        tests = notebooks.tests_folder(environment)
        report.add(_lacking(environment, "tests", WHAT_TO_ADD.format(tests=tests)))
        return
    try:
        variables = kernels.activated(environment, plan.variables)
    except kernels.KernelError as error:
        report.add(_lacking(environment, "kernel", str(error)))
        return
    packages = [entry.text for entry in _read(environment, "imports", report)]
    yield from _import_jobs(environment, packages, plan, report)
    yield from _program_jobs(environment, variables, plan, report)
    listed = _listed_notebooks(environment, plan, report)
    yield from _notebook_jobs(environment, listed + notebooks.find(environment), plan, report)
    yield from _script_jobs(environment, variables, plan, report)


def _lacking(environment: str, name: str, message: str) -> Result:
    return Result(environment, "tests", name, message)


def _read(environment: str, name: str, report: Report) -> list[Entry]:
    """Returns the entries of a list in the tests; an empty list is a failure."""
    path = notebooks.tests_folder(environment) / name
    if not path.exists():
        return []
    entries = read_list(path)
    if not entries:
        message = f"{path} has no entries: add some, one per line, or remove the file"
        report.add(_lacking(environment, name, message))
    return entries


def _listed_notebooks(environment: str, plan: Plan, report: Report) -> list[Path]:
    found = []
    for entry in _read(environment, "notebooks", report):
        matches = notebooks.matching(entry.text, notebooks.tests_folder(environment))
        found += matches
        if not matches and plan.wants(environment, "notebook", entry.text):
            report.add(unmatched(environment, entry.text, entry.origin))
    return found


def _import_jobs(
    environment: str, packages: Iterable[str], plan: Plan, report: Report
) -> list[Job]:
    chosen = [it for it in dict.fromkeys(packages) if plan.wants(environment, "import", it)]
    allowed = [it for it in chosen if (environment, "import", it) in plan.passed]
    if allowed:
        skipped = untouched(environment, allowed)
        report.skip((environment, "import", it) for it in sorted(skipped))
        chosen = [it for it in chosen if it not in skipped]
    for result in imports.wrong_names(environment, chosen):
        report.add(result)
    variables = kernels.activated(environment, plan.variables)
    return list(imports.import_jobs(environment, chosen, variables))


def _program_jobs(
    environment: str, variables: Mapping[str, str], plan: Plan, report: Report
) -> Iterator[Job]:
    names = dict.fromkeys(entry.text for entry in _read(environment, "commands", report))
    for name in names:
        if plan.wants(environment, "command", name):
            yield programs.job(environment, name, variables)


def _notebook_jobs(
    environment: str, found: Sequence[Path], plan: Plan, report: Report
) -> list[Job]:
    every = notebooks.unique(environment, found)
    chosen = [it for it in every if plan.wants(environment, "notebook", it.name)]
    allowed = [it.path for it in chosen if (environment, "notebook", it.name) in plan.passed]
    if allowed:
        skipped = untouched_notebooks(environment, allowed)
        report.skip((environment, "notebook", it.name) for it in chosen if it.path in skipped)
        chosen = [it for it in chosen if it.path not in skipped]
    return [NotebookJob(it, plan) for it in chosen]


def _consistency_jobs(environment: str, plan: Plan) -> Iterator[Job]:
    """Yields the job that checks whether the packages fit together; notes are for builds."""
    if not plan.wants(environment, "consistency", "pip check"):
        return

    def describe(message: str, seconds: float) -> Result:
        return Result(environment, "consistency", "pip check", message, seconds)

    # Nothing of the packages runs, not even what their .pth files say.
    yield Command(
        [sys.executable, "-ISB", SCRIPTS / "tester", "consistency", environment],
        env=plan.variables,
        limit=CONSISTENCY_LIMIT,
        describe=describe,
    )


def _script_jobs(
    environment: str, variables: Mapping[str, str], plan: Plan, report: Report
) -> Iterator[Job]:
    """Yields `tests/test` in its folder, activated like the kernel."""
    script = notebooks.tests_folder(environment) / "test"
    if not script.exists() or not plan.wants(environment, "script", "test"):
        return

    def describe(message: str, seconds: float) -> Result:
        return Result(environment, "script", "test", message, seconds)

    if not os.access(script, os.X_OK):
        report.add(describe(f"{script} is not executable: chmod +x it, and commit that", 0.0))
        return
    yield Command(
        [script],
        env=variables,
        cwd=script.parent,
        limit=SCRIPT_LIMIT,
        describe=describe,
        filled=True,
    )
