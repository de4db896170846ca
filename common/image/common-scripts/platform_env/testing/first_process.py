"""A container's first process: it waits for every process whose parent has ended."""

import os
import signal
from collections.abc import Callable


def with_first_process(main: Callable[[], int]) -> int:
    """Runs `main` in a child, where signals reach it, and returns its status."""
    child = os.fork()
    if child == 0:
        return main()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os.kill(child, number))
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
