"""Tests of a mission: its own `test`, if it has one, and the standard ones."""

import dataclasses
import math
import os
import resource
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from platform_env.environments import paths
from platform_env.testing import asking, entry_point
from platform_env.testing.advice import advised
from platform_env.testing.all_tests import test_all
from platform_env.testing.commands import Command
from platform_env.testing.environment_tests import SCRIPT_LIMIT, watch
from platform_env.testing.plan import Plan
from platform_env.testing.pool import PAUSE
from platform_env.testing.results import Report, Result
from platform_env.testing.tested import IMAGE_USER

SCRIPT = paths.ENVIRONMENTS / "test"


def prepare_and_test(plan: Plan, report: Report) -> None:
    """Runs as a container's tester: keeps the mission's files unchanged, and tests like users."""
    if os.geteuid() == 0:
        guard(paths.ENVIRONMENTS)
    if plan.disk < math.inf:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(plan.disk), int(plan.disk)))
    try:
        variables = entry_point.variables(plan.entry_point, IMAGE_USER)
    except entry_point.EntryPointError as error:
        report.add(Result("", "tests", "entry point", str(error)))
        return
    test_mission(dataclasses.replace(plan, variables=variables), report)


def test_mission(plan: Plan, report: Report) -> None:
    """Runs selected tests; standard tests that `test` leaves out run after it."""
    if _is_own(SCRIPT) and plan.wants("", "mission", str(SCRIPT)):
        _run_script(plan, report)
    test_all(dataclasses.replace(plan, done=report.done()), report)


def _is_own(script: Path) -> bool:
    """Returns whether it is more than a link to the image's script."""
    return os.path.lexists(script) and script.resolve().name != "test-environments"


def _run_script(plan: Plan, report: Report) -> None:
    desk = asking.Desk()
    job = Command(
        [SCRIPT],
        env={**plan.variables, asking.VARIABLE: desk.address},
        cwd=paths.ENVIRONMENTS,
        limit=SCRIPT_LIMIT,
        describe=lambda message, seconds: Result("", "mission", str(SCRIPT), message, seconds),
        filled=True,
    )
    try:
        job.start()
        seconds, stopped = _attend(job, desk, plan, report)
    finally:
        job.kill()
        desk.close()
    report.add(advised(job.result(seconds, stopped), plan))


def _attend(job: Command, desk: asking.Desk, plan: Plan, report: Report) -> tuple[float, str]:
    """Serves the script's requests until it ends or must; its time is not counted meanwhile."""
    disk = watch(plan.disk)
    started = time.monotonic()

    def answer(asked: Mapping[str, Any], say: Callable[[str], None]) -> int:
        nonlocal started
        begun = time.monotonic()
        report.listener = say
        test_all(dataclasses.replace(plan, done=report.done(), **asked), report)
        report.listener = None
        started += time.monotonic() - begun
        failed = len(report.failures())
        say(f"{len(report.results) - failed} passed, {failed} failed")
        return paths.FAILED if failed else 0

    stopped = ""
    while not job.ended() and not stopped:
        desk.serve(answer, PAUSE)
        late = time.monotonic() - started > job.limit
        stopped = disk.message() or (job.late if late else "")
    return time.monotonic() - started, stopped


def guard(folder: Path) -> None:
    """Lets tests add files below a folder, but change no existing one: they are for all tests."""
    for place, _, files in os.walk(folder):
        os.chown(place, 0, paths.SHARED_GROUP)
        os.chmod(place, 0o3775)  # noqa: PTH101 -- as `chown`
        for path in (Path(place, name) for name in files):
            os.lchown(path, 0, paths.SHARED_GROUP)
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                path.chmod(0o755 if mode & stat.S_IXUSR else 0o644)
