"""Commands that change environments: create, env create, install."""

import shutil
import sys
from argparse import Namespace
from pathlib import Path

from . import clone, files, install, link, target
from .errors import USAGE, fail
from .settings import Settings


def create(known: Settings, given: Namespace) -> int:
    if given.clone and (given.file or given.packages):
        fail("TooManyArgumentsError", "Did not expect any new packages or files for `--clone`.", 2)
    listed = [files.read(file) for file in given.file]
    if not (given.name or given.prefix):
        given.name = next((it.name for it in listed if it.name), None)
    if not (given.name or given.prefix):
        message = "one of the arguments -n/--name -p/--prefix is required"
        fail("ArgumentError", message, USAGE)
    prefix = target.prefix(known, given)
    if (given.name in ("base", "root")) or prefix == known.root:
        fail("CondaValueError", f"'{prefix}' is a reserved environment")
    _make_room(known, given, prefix)
    if given.clone:
        clone.clone(known, _clone_source(known, given.clone), prefix)
    else:
        _packages(known, given, prefix, listed)
    _register(prefix)
    shown = given.name or prefix
    print(f"#\n# To activate this environment, use\n#\n#     $ conda activate {shown}\n#")
    return 0


def _register(prefix: Path) -> None:
    """As conda's core/envs_manager.py: the user's environments, by their folders."""
    file = Path.home() / ".conda" / "environments.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    known = file.read_text().splitlines() if file.is_file() else []
    if str(prefix) not in known:
        file.write_text("".join(f"{it}\n" for it in [*known, prefix]))


def env_create(known: Settings, given: Namespace) -> int:
    given.yes = True  # conda's own default here: an existing environment goes without a question
    return create(known, given)


def install_packages(known: Settings, given: Namespace) -> int:
    if not (given.packages or given.file):
        fail("CondaValueError", "too few arguments, must supply command line packages or --file")
    prefix = target.environment(known, given)
    _packages(known, given, prefix, [files.read(file) for file in given.file])
    return 0


def _packages(known: Settings, given: Namespace, prefix: Path, listed: list[files.Listed]) -> None:
    specs = [*given.packages, *(spec for it in listed for spec in it.specs)]
    urls = [url for it in listed for url in it.urls]
    channels = [*given.channel, *(name for it in listed for name in it.channels)]
    if urls and specs:
        fail("CondaValueError", "cannot mix specifications with conda package filenames")
    if urls:
        install.explicit(known, prefix, urls)
        return
    defaults = [] if given.override_channels else known.channels
    packages = install.solved(known, prefix, [*channels, *defaults], specs)
    _confirm(known, given, "Proceed", "yes")
    link.execute(known, prefix, packages, specs)


def _make_room(known: Settings, given: Namespace, prefix: Path) -> None:
    if (prefix / "conda-meta" / "history").is_file():
        question = (
            f"WARNING: A conda environment already exists at '{prefix}'\n\n"
            "Remove existing environment?"
        )
        _confirm(known, given, question, "no")
        shutil.rmtree(prefix)
    elif prefix.exists():
        question = (
            f"WARNING: A directory already exists at the target location '{prefix}'\n"
            "but it is not a conda environment.\nContinue creating environment"
        )
        _confirm(known, given, question, "no")


def _clone_source(known: Settings, name: str) -> Path:
    source = Path(name).resolve() if "/" in name else known.prefix(name)
    return target.check(source)


def _confirm(known: Settings, given: Namespace, question: str, default: str) -> None:
    """Asks; an empty standard input answers with the default, as with conda."""
    if given.yes or known.always_yes:
        return
    print(f"{question} ({'[y]/n' if default == 'yes' else 'y/[n]'})? ", end="", flush=True)
    answer = sys.stdin.readline().strip().lower() or default
    if answer not in ("y", "yes"):
        fail("CondaSystemExit", "Exiting.", 0)
