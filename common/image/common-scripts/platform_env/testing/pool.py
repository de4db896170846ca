"""Runs jobs side by side, each with a time limit; the one place that knows about either."""

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Protocol

from platform_env.testing.disk import Watch
from platform_env.testing.results import Result

# How often running jobs are looked at: far below the time that any of them takes.
PAUSE = 0.02


class Job(Protocol):
    """Something that runs by itself once it was started; what goes wrong is told by `result`."""

    limit: float
    late: str  # what to say when it was killed for exceeding its limit

    def prepare(self) -> None:
        """Let it do what it can before its turn, such as start a kernel."""

    def start(self) -> None:
        """Start it; its time begins."""

    def ended(self) -> bool:
        """Whether it is over."""

    def kill(self) -> None:
        """End it and everything that it started, and remove what it left."""

    def result(self, seconds: float, stopped: str) -> Result:
        """What came of it; `stopped` says why it was killed, and is '' when it was not."""


def cores() -> int:
    """How many jobs this process may run at a time."""
    return len(os.sched_getaffinity(0))


def run_all(jobs: Iterable[Job], width: int, watch: Watch) -> Iterator[Result]:
    """Run all jobs, `width` at a time, and give each result as soon as it is there.

    As many more are prepared meanwhile: starting kernels is more waiting than work. When the disk
    is full, the running ones are stopped.
    """
    waiting = deque(jobs)
    ready: deque[Job] = deque()
    running: dict[Job, float] = {}
    try:
        while waiting or ready or running:
            while ready and len(running) < width:
                job = ready[0]
                running[job] = time.monotonic()
                ready.popleft()
                job.start()
                running[job] = time.monotonic()
            if waiting and len(ready) < width:
                ready.append(waiting.popleft())
                ready[-1].prepare()
                continue
            yield from _ended(running, watch.message())
            time.sleep(PAUSE)
    finally:
        for job in (*ready, *running):
            job.kill()


def _ended(running: dict[Job, float], full: str) -> Iterator[Result]:
    """Take the jobs that are over, or must be, out of those that run."""
    for job, started in list(running.items()):
        ended = job.ended()
        seconds = time.monotonic() - started
        late = job.late if seconds > job.limit else ""
        if ended or late or full:
            job.kill()
            del running[job]
            yield job.result(seconds, stopped="" if ended else full or late)
