"""Tests of what the image holds: that its users may write where they must, and that nothing is in
its home directory that they need, since a hub's volume hides that."""

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from platform_env.environments import home_files, image_tests, paths
from platform_env.testing.plan import Plan
from platform_env.testing.results import Report, Result

# Number of a test's findings that are printed.
_SHOWN = 10


def test_files(plan: Plan, report: Report) -> None:
    """Runs the selected tests; as root, who can look everywhere."""
    home = Path(os.environ["HOME"])
    tests = {
        ("home", "files"): lambda: home_files.problem(home),
        ("home", "kernelspecs"): lambda: _hidden_kernels(home),
        ("permissions", "HOME"): lambda: _closed(home),
        ("permissions", "CONDA_DIR"): lambda: _closed(paths.CONDA_DIR),
        ("permissions", "/opt/environments"): lambda: _closed(paths.ENVIRONMENTS),
    }
    for kind, name in image_tests.PREPARE:
        if plan.wants("", kind, name):
            started = time.monotonic()
            message = tests[kind, name]()
            report.add(Result("", kind, name, message, time.monotonic() - started))


def _closed(top: Path) -> str:
    return _message(list(_closed_folders(top)))


def _closed_folders(top: Path) -> Iterator[str]:
    """Yields the folders from `top` on in which users of the shared group cannot make files."""
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
    """Returns kernelspecs in the image's home directory."""
    places = (".local/share/jupyter/kernels", ".jupyter/data/kernels", ".ipython/kernels")
    found = sorted(str(it.parent) for place in places for it in home.glob(f"{place}/*/kernel.json"))
    if not found:
        return ""
    advice = f"a hub's volume hides them: install them with --prefix {paths.CONDA_DIR}"
    return "\n".join([*found, advice])
