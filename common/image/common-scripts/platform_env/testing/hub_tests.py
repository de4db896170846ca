"""Tests of the image as a hub starts it: by its entry point, as a user and with a home that are not
the image's."""

import dataclasses
import json
import os
import subprocess
import sys
import time

from platform_env.environments import paths
from platform_env.testing import entry_point, hub_stand_in, limits, login_shell, results
from platform_env.testing.kernel_tests import test_kernels
from platform_env.testing.plan import Plan
from platform_env.testing.results import SCRIPTS, Report, Result
from platform_env.testing.servers import Server, runtime
from platform_env.testing.stale_home import USER

OWN = "own command"
SINGLEUSER = "jupyterhub-singleuser"

# Seconds for reading the image's contents.
_CONTENTS_LIMIT = 300.0


def test_as_hub(plan: Plan, report: Report) -> None:
    """Tests everything that a hub's user relies on."""
    _keep_contents()
    login_shell.test_login_shell(plan, report)
    try:
        variables = entry_point.variables(plan.entry_point, USER)
    except entry_point.EntryPointError as error:
        report.add(Result("", "tests", "entry point", str(error)))
        return
    plan = dataclasses.replace(plan, variables=variables)
    command = plan.command or ["start-notebook.py"]
    started = time.monotonic()
    server = Server([*plan.entry_point, *command], {}, USER, runtime(variables))
    try:
        problem = server.problem(plan.health)
        if plan.wants("", "server", OWN):
            told = problem or server.failed_hooks()
            report.add(Result("", "server", OWN, told, time.monotonic() - started))
        test_kernels(None if problem else server, plan, report)
    finally:
        server.stop()
    if plan.wants("", "server", SINGLEUSER):
        _test_singleuser(plan, report)


def _test_singleuser(plan: Plan, report: Report) -> None:
    """Tests that a server of JupyterHub starts, as far as that can be seen without a hub."""
    started = time.monotonic()
    with hub_stand_in.running() as variables:
        server = Server([*plan.entry_point, SINGLEUSER], variables, USER, runtime(plan.variables))
        try:
            problem = server.problem(plan.health)
        finally:
            server.stop()
    report.add(Result("", "server", SINGLEUSER, problem, time.monotonic() - started))


def _keep_contents() -> None:
    """Writes `image.json` among the results; an image that cannot report its contents has none."""
    folder = results.folder()
    if folder is None:
        return
    try:
        done = subprocess.run(
            [sys.executable, "-ISB", SCRIPTS / "tester", "contents"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limits.stretched(_CONTENTS_LIMIT),
            check=True,
            **USER.arguments(),
        )
        told = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError) as error:
        paths.say(f"the image does not tell what it holds: {error}")
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "image.json").write_text(json.dumps(told, indent=1) + os.linesep)
