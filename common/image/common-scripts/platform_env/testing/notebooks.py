"""Notebooks that are tests: those in an environment's folder, and those that its list names."""

import dataclasses
import glob
import json
import math
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from platform_env.environments import paths
from platform_env.testing import results
from platform_env.testing.results import Result

_FIX = "open and save it in JupyterLab, or restore it from git"


@dataclasses.dataclass(frozen=True)
class Notebook:
    """A notebook to run in an environment."""

    environment: str
    path: Path

    @property
    def name(self) -> str:
        """Returns the path below the environment's tests, or the whole path elsewhere."""
        tests = tests_folder(self.environment)
        inside = self.path.is_relative_to(tests)
        return str(self.path.relative_to(tests) if inside else self.path)

    def result(self, message: str, seconds: float) -> Result:
        again = ("test-notebooks", self.environment, str(self.path))
        return Result(self.environment, "notebook", self.name, message, seconds, again)

    def executed(self) -> Path | None:
        """Returns the file for the executed notebook, if results are kept."""
        folder = results.folder()
        if folder is None:
            return None
        return folder / "notebooks" / self.environment / self.name.lstrip("/")

    def _metadata(self) -> dict[str, Any]:
        try:
            return json.loads(self.path.read_text(encoding="utf-8")).get("metadata", {})
        except json.JSONDecodeError as error:
            where = f"{self.path}:{error.lineno}"
            raise ValueError(f"{where}: not a valid notebook: {error.msg}; {_FIX}") from error
        except (OSError, ValueError, AttributeError) as error:
            raise ValueError(f"{self.path}: not a valid notebook: {error}; {_FIX}") from error

    def check_kernel(self, known: Collection[str]) -> None:
        """Raises ValueError when the notebook names a kernel that is not known.

        Tests run in the kernel of their environment; a user's JupyterLab looks for this one.
        """
        kernelspec = self._metadata().get("kernelspec")
        name = kernelspec.get("name") if isinstance(kernelspec, dict) else None
        if isinstance(name, str) and name not in known:
            raise ValueError(
                f"{self.path}: unknown kernel {name!r}; "
                f"choose one of these in JupyterLab: {', '.join(sorted(known))}"
            )

    def limit(self, default: float) -> float:
        """Returns the seconds in its metadata (`execution`, `timeout`), or the default.

        There -1 and null mean no limit, as for nbclient.
        """
        try:
            own = self._metadata().get("execution", {}).get("timeout", default)
        except AttributeError as error:
            raise ValueError(f"{self.path}: not a valid notebook: {error}") from error
        if own is None or own == -1:
            return math.inf
        if isinstance(own, bool) or not isinstance(own, int | float) or not own > 0:
            raise ValueError(
                f"{self.path}: metadata execution.timeout is {own!r}: write a number of seconds, "
                "or -1 for no limit"
            )
        return float(own)


def tests_folder(environment: str) -> Path:
    """Returns the folder of an environment's tests."""
    return paths.spec_folder(environment) / "tests"


def find(environment: str) -> list[Path]:
    """Returns every notebook in an environment's tests, without the copies that Jupyter makes."""
    found = tests_folder(environment).rglob("*.ipynb")
    return sorted(path for path in found if ".ipynb_checkpoints" not in path.parts)


def matching(pattern: str, folder: Path) -> list[Path]:
    """Returns the notebooks that a path or a glob names, relative to a folder."""
    exact = folder / pattern
    if exact.is_file():
        return [exact]
    found = glob.glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207 -- or absolute
    return [folder / name for name in sorted(found) if name.endswith(".ipynb")]


def unique(environment: str, found: Iterable[Path]) -> list[Notebook]:
    """Returns each notebook once, however often and by whatever path it is named."""
    first = {path.resolve(): path for path in reversed(list(found))}
    plain = [path.parent.resolve() / path.name for path in reversed(first.values())]
    return [Notebook(environment, path) for path in plain]
