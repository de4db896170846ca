"""Notebooks that are tests: those in an environment's folder, and those that its list names."""

import dataclasses
import glob
from collections.abc import Collection, Iterable
from pathlib import Path

from platform_env.environments import paths
from platform_env.testing import notebook_format, results
from platform_env.testing.results import Result


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

    def settings(self, default: float, known: Collection[str]) -> float:
        """Returns its time limit, or the default. Raises ValueError for one that is not a limit,
        for a file that is not JSON, and for a kernel that is not known.

        Tests run in the kernel of their environment; a user's JupyterLab looks for the one named.
        """
        try:
            notebook = notebook_format.read(self.path.read_bytes())
            problem = notebook_format.unknown_kernel(notebook, known)
            limit = notebook_format.limit(notebook, default)
        except OSError as error:
            raise ValueError(f"{self.path}: not a valid notebook: {error}") from error
        except notebook_format.Invalid as error:
            raise ValueError(f"{self.path}:{error.problem}") from error
        if problem:
            raise ValueError(f"{self.path}:{problem}")
        return limit


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
