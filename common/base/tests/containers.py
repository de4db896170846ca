"""Containers of the image under test.

BASE_IMAGE=science-platform/base DOCKER=docker python3 -m unittest discover common/base/tests
"""

import itertools
import os
import subprocess
import time
import unittest

IMAGE = os.environ["BASE_IMAGE"]
DOCKER = os.environ["DOCKER"]

# A container of this says that its start scripts are done, and does nothing until it is stopped.
IDLE = ("bash", "-c", "echo idle; exec sleep infinity")

# Seconds.
IDLE_LIMIT = 120

numbers = itertools.count()


def docker(*arguments: str, timeout: float = 900) -> subprocess.CompletedProcess[str]:
    command = [DOCKER, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout
    )


def wait_until_idle(name: str) -> None:
    """Wait until the start scripts of a container of `IDLE` are done."""
    end = time.monotonic() + IDLE_LIMIT
    while "idle\n" not in (logs := docker("logs", name)).stdout:
        if time.monotonic() > end:
            raise AssertionError(f"{name} does not start: {logs.stdout}{logs.stderr}")
        time.sleep(0.1)


def new_name() -> str:
    return f"test-base-{os.getpid()}-{next(numbers)}"


class ContainerTest(unittest.TestCase):
    def run_command(
        self, command: list[str], *options: str, status: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a new container, through the image's entry point."""
        name = new_name()
        options = ("--rm", "--no-healthcheck", "--name", name, *options)
        try:
            run = docker("run", *options, IMAGE, *command)
        except subprocess.TimeoutExpired:
            docker("rm", "--force", name)
            raise
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)
        return run

    def run_in(
        self, script: str, *options: str, status: int = 0
    ) -> subprocess.CompletedProcess[str]:
        return self.run_command(["bash", "-c", script], *options, status=status)

    def output(self, script: str, *options: str) -> str:
        return self.run_in(script, *options).stdout.strip()

    def started(self, *options: str) -> str:
        """Start a container that does nothing, for `docker exec`; it is removed after the test."""
        name = new_name()
        self.addCleanup(docker, "rm", "--force", "--volumes", name)
        run = docker("run", "--detach", "--no-healthcheck", "--name", name, *options, IMAGE, *IDLE)
        self.assertEqual(run.returncode, 0, run.stderr)
        wait_until_idle(name)
        return name
