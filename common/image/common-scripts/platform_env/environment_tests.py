"""The standard tests of an environment: all of them run, whatever fails."""

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from platform_env import imports, kernels, notebooks, paths
from platform_env.commands import Command
from platform_env.lists import Entry, read_list
from platform_env.pool import run_all
from platform_env.results import Report, Result

# Seconds for `tests/test`, which may be a whole test suite.
SCRIPT_LIMIT = 3600.0
CONSISTENCY_LIMIT = 300.0

WHAT_TO_ADD = (
    "it has no tests: add {tests}/imports (one package per line), "
    "a notebook {tests}/*.ipynb, or an executable {tests}/test"
)


def test_imports(environment: str, packages: Iterable[str], jobs: int, report: Report) -> None:
    """Import each package, once."""
    packages = list(dict.fromkeys(packages))
    for result in imports.wrong_names(environment, packages):
        report.add(result)
    variables = kernels.activated(environment)
    with tempfile.TemporaryDirectory() as empty:
        modules = imports.import_jobs(environment, packages, variables, Path(empty))
        for result in run_all(modules, jobs):
            report.add(result)


def test_notebooks(
    environment: str, found: Sequence[Path], jobs: int, limit: float, report: Report
) -> None:
    """Run each notebook, once."""
    if not found:
        return
    from platform_env.notebook_jobs import NotebookJob  # imports nbclient, which takes a second

    notebook_jobs = [
        NotebookJob(notebook, limit) for notebook in notebooks.unique(environment, found)
    ]
    for result in run_all(notebook_jobs, jobs):
        report.add(result)


def test_environment(environment: str, jobs: int, limit: float, report: Report) -> None:
    """Run every standard test of an environment."""
    tests = notebooks.tests_folder(environment)
    _check_consistency(environment, report)
    if not has_tests(environment):
        report.add(_lacking(environment, "tests", WHAT_TO_ADD.format(tests=tests)))
        return
    try:
        variables = kernels.activated(environment)
    except kernels.KernelError as error:
        report.add(_lacking(environment, "kernel", str(error)))
        return
    test_imports(environment, _listed_packages(environment, report), jobs, report)
    listed = _listed_notebooks(environment, report)
    test_notebooks(environment, listed + notebooks.find(environment), jobs, limit, report)
    _run_script(environment, variables, report)


def has_tests(environment: str) -> bool:
    """Whether there is anything to test an environment with."""
    tests = notebooks.tests_folder(environment)
    named = any((tests / name).exists() for name in ("imports", "notebooks", "test"))
    return named or bool(notebooks.find(environment))


def unmatched(environment: str, pattern: str, origin: str) -> Result:
    """The failure of a pattern that names no notebook."""
    message = f"{origin}: no notebook is there: correct the line, or add the notebook"
    return Result(environment, "notebook", pattern, message)


def _lacking(environment: str, name: str, message: str) -> Result:
    return Result(environment, "tests", name, message)


def _read(environment: str, name: str, report: Report) -> list[Entry]:
    """The entries of a list in the tests; one that is there and has none tests nothing."""
    path = notebooks.tests_folder(environment) / name
    if not path.exists():
        return []
    entries = read_list(path)
    if not entries:
        message = f"{path} has no entries: add some, one per line, or remove the file"
        report.add(_lacking(environment, name, message))
    return entries


def _listed_packages(environment: str, report: Report) -> list[str]:
    return [entry.text for entry in _read(environment, "imports", report)]


def _listed_notebooks(environment: str, report: Report) -> list[Path]:
    found = []
    for entry in _read(environment, "notebooks", report):
        matches = notebooks.matching(entry.text, notebooks.tests_folder(environment))
        found += matches
        if not matches:
            report.add(unmatched(environment, entry.text, entry.origin))
    return found


def _check_consistency(environment: str, report: Report) -> None:
    """Whether the packages' requirements are met."""

    def describe(message: str, seconds: float) -> Result:
        return Result(environment, "consistency", "pip check", message, seconds)

    python = paths.python(environment)
    check = Command(
        ["uv", "pip", "check", "--no-cache", "--python", python],
        env=os.environ,
        cwd=Path("/"),
        limit=CONSISTENCY_LIMIT,
        describe=describe,
    )
    for result in run_all([check], 1):
        report.add(result)


def _run_script(environment: str, variables: Mapping[str, str], report: Report) -> None:
    """Run `tests/test` in its folder, activated as the kernel is."""
    script = notebooks.tests_folder(environment) / "test"
    if not script.exists():
        return

    def describe(message: str, seconds: float) -> Result:
        return Result(environment, "script", "test", message, seconds)

    if not os.access(script, os.X_OK):
        report.add(describe(f"{script} is not executable: chmod +x it, and commit that", 0.0))
        return
    job = Command([script], env=variables, cwd=script.parent, limit=SCRIPT_LIMIT, describe=describe)
    for result in run_all([job], 1):
        report.add(result)
