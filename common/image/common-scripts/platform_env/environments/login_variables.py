"""Variables of the image that a login from an empty environment lacks: `su -`, ssh, cron.

A hub's terminal inherits them from its server. What a shell inherits, it keeps.
"""

import shlex
from collections.abc import Mapping

from platform_env.environments import paths

NAMES = ("JUPYTER_PREFER_ENV_PATH", "LANG", "LANGUAGE", "LC_ALL", "PYTHONNOUSERSITE")

_HEAD = "# Written by login-setup: the image's values, for login shells that inherit none.\n"


def record(variables: Mapping[str, str]) -> None:
    """Writes the file that environments.sh reads; only root may change it."""
    file = paths.IMAGE_BUILD / "login.sh"
    file.write_text(script(variables), "utf-8", "surrogateescape")
    file.chmod(0o644)


def script(variables: Mapping[str, str]) -> str:
    """Returns POSIX shell code that sets each recorded variable where it is unset."""
    lines = (
        f'[ -n "${{{name}+set}}" ] || export {name}={shlex.quote(variables[name])}\n'
        for name in NAMES
        if name in variables
    )
    return _HEAD + "".join(lines)
