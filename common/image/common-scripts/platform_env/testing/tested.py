"""The tested user and folders: no rights, and a home of its own that is removed with the test.

The tester is root, and starts what it tests as the image's user: that drops all capabilities. By
hand, everybody tests as they are.
"""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_env.environments import paths

CONTENTS = Path("/opt/default-home-contents")


@dataclass(frozen=True)
class User:
    """Ids of a user."""

    uid: int
    gid: int = paths.SHARED_GROUP

    def arguments(self) -> dict[str, Any]:
        """Returns the arguments of `subprocess.Popen` that start a process as this user."""
        if os.geteuid() != 0:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": [self.gid]}

    def take(self, path: Path) -> None:
        """Makes this user the owner of a file or folder; of a link, the link."""
        if os.geteuid() == 0:
            os.lchown(path, self.uid, self.gid)


# The image's user, jovyan.
IMAGE_USER = User(1000)


class Scratch:
    """Folder that one test may write: its home and its temporary files; it is removed."""

    def __init__(self, *, filled: bool = False) -> None:
        """Creates the folder; `filled`: the home has the files of a new user's."""
        self._folder = Path(tempfile.mkdtemp(prefix="test-"))
        self.home, self._temporary = self._folder / "home", self._folder / "tmp"
        self._folder.chmod(0o711)
        for folder in (self.home, self._temporary):
            folder.mkdir(mode=0o755)
            IMAGE_USER.take(folder)
        if filled and CONTENTS.is_dir():
            self._fill()

    def _fill(self) -> None:
        # As the user: root follows nobody's links.
        command = ["cp", "--recursive", "--no-dereference", f"{CONTENTS}/.", str(self.home)]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            **IMAGE_USER.arguments(),
        )
        if done.returncode != 0:
            paths.say(f"a test's home lacks files of {CONTENTS}: {done.stderr.strip()}")

    def variables(self) -> dict[str, str]:
        """Returns the environment variables that lead there, whatever the image sets."""
        home, temporary = str(self.home), str(self._temporary)
        return {
            "HOME": home,
            **dict.fromkeys(("TMPDIR", "TMP", "TEMP", "XDG_RUNTIME_DIR"), temporary),
            "XDG_CACHE_HOME": f"{home}/.cache",
            "XDG_CONFIG_HOME": f"{home}/.config",
            "XDG_DATA_HOME": f"{home}/.local/share",
            "XDG_STATE_HOME": f"{home}/.local/state",
            "IPYTHONDIR": f"{home}/.ipython",
            "JUPYTER_RUNTIME_DIR": f"{home}/.local/share/jupyter/runtime",
            "MPLCONFIGDIR": f"{home}/.config/matplotlib",
            "NUMBA_CACHE_DIR": f"{home}/.cache/numba",
        }

    def remove(self) -> None:
        """Removes all that the test left there."""
        shutil.rmtree(self._folder, ignore_errors=True)
