"""Files in the image's home: a hub's volume hides them, so that users never see a step's files.

The common image records what its home has; a test compares the home of an image built on it.
"""

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

RECORD = Path("/etc/image-build/home-files.json")

# Number of a test's findings that are printed.
_SHOWN = 10
# Size from which a file is identified by it alone.
_LARGE = 10_000_000


def record(home: Path) -> dict[str, str]:
    """Returns everything below a home, by its path there."""
    return {str(path.relative_to(home)): _kind(path) for path in _below(home)}


def problem(home: Path) -> str:
    """Returns the files of a home that the common image's lacks, or has in another form."""
    try:
        recorded = json.loads(RECORD.read_text())
    except (OSError, ValueError) as error:
        return f"the common image's record of its home cannot be read: {error}"
    found = list(_new(home, recorded))
    if not found:
        return ""
    more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    advice = (
        "a hub's volume hides them: put what users need into default-home-contents or below /opt"
    )
    return "\n".join(
        [*found[:_SHOWN], *more, f"{advice}, and remove the rest in the step that made it"]
    )


def _new(home: Path, recorded: dict[str, str]) -> Iterator[str]:
    for path in _below(home):
        name = str(path.relative_to(home))
        known = recorded.get(name)
        if known is None:
            # For a new folder, only the folder.
            if path.parent == home or str(path.parent.relative_to(home)) in recorded:
                yield str(path)
        elif known != _kind(path):
            yield f"{path} (changed)"


def _below(home: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(home):
        yield from (Path(folder, name) for name in sorted([*folders, *files]))


def _kind(path: Path) -> str:
    """Returns the kind of a path, with a link's target or a file's size and digest."""
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        return f"link {path.readlink()}"
    if not stat.S_ISREG(found.st_mode):
        return stat.filemode(found.st_mode)[0]
    small = found.st_size < _LARGE
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if small else ""
    return f"file {found.st_size} {digest}"


@contextlib.contextmanager
def kept(*folders: Path) -> Iterator[None]:
    """Restores folders of small files at the end, whatever is written there meanwhile."""
    before = _contents(folders)
    try:
        yield
    finally:
        # The content of a folder before the folder.
        for path, content in sorted(_contents(folders).items(), reverse=True):
            if path in before and content != before[path]:
                path.write_bytes(before[path])
            elif path not in before:
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def _contents(folders: Sequence[Path]) -> dict[Path, bytes]:
    tops = {it for folder in folders for it in (folder.parent, folder) if it.exists()}
    paths = [*tops, *(path for folder in folders for path in _below(folder))]
    return {path: path.read_bytes() if path.is_file() else b"" for path in paths}


if __name__ == "__main__":
    RECORD.write_text(json.dumps(record(Path(os.environ["HOME"])), indent=1))
