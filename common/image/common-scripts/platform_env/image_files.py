"""Tests of what the image holds: that its users may write where they must, and that nothing is in
its home directory that they need, since a hub's volume hides that."""

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from platform_env import home_files, paths
from platform_env.plan import Plan
from platform_env.results import Report, Result

# How many of a test's findings are told.
_SHOWN = 10


def test_files(plan: Plan, report: Report) -> None:
    """Run those that are selected; as root, who can look everywhere."""
    home = Path(os.environ["HOME"])
    places = {"HOME": home, "CONDA_DIR": paths.CONDA_DIR, "/opt/environments": paths.ENVIRONMENTS}
    for name, folder in places.items():
        if plan.wants("", "permissions", name):
            started = time.monotonic()
            message = _message(list(_closed_folders(folder)))
            report.add(Result("", "permissions", name, message, time.monotonic() - started))
    if plan.wants("", "home", "kernelspecs"):
        report.add(Result("", "home", "kernelspecs", _hidden_kernels(home)))
    if plan.wants("", "home", "files"):
        report.add(Result("", "home", "files", home_files.problem(home)))


def _closed_folders(top: Path) -> Iterator[str]:
    """The folders from `top` on in which users of the shared group cannot make files."""
    for folder, _, _ in os.walk(top):
        found = Path(folder).stat()
        if found.st_gid != paths.SHARED_GROUP or found.st_mode & stat.S_IRWXG != stat.S_IRWXG:
            mode = stat.filemode(found.st_mode)
            yield f"{folder} is {mode}, owner {found.st_uid}, group {found.st_gid}"


def _message(closed: list[str]) -> str:
    if not closed:
        return ""
    more = [f"and {len(closed) - _SHOWN} more"] if len(closed) > _SHOWN else []
    what = (
        f"users of group {paths.SHARED_GROUP} cannot write there: run fix-permissions in the step"
    )
    return "\n".join([*closed[:_SHOWN], *more, f"{what} that makes them"])


def _hidden_kernels(home: Path) -> str:
    """Kernelspecs in the image's home directory."""
    places = (".local/share/jupyter/kernels", ".jupyter/data/kernels", ".ipython/kernels")
    found = sorted(str(it.parent) for place in places for it in home.glob(f"{place}/*/kernel.json"))
    if not found:
        return ""
    advice = f"a hub's volume hides them: install them with --prefix {paths.CONDA_DIR}"
    return "\n".join([*found, advice])
