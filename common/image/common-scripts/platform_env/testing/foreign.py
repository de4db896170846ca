"""Files that tests may have written: links, pipes and endless files are not read."""

import os
import stat
from pathlib import Path


def read(path: Path, limit: int = 1_000_000) -> str:
    """Returns the text of a plain file of at most `limit` bytes.

    Raises OSError for anything else that has its name.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_size > limit:
            raise OSError(f"{path} is not a regular file of at most {limit} bytes")
        return file.read(limit).decode(errors="replace")
