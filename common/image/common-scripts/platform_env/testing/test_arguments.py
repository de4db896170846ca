"""The command lines that the test scripts have in common."""

import argparse
import dataclasses

from platform_env.environments import paths
from platform_env.testing import pool
from platform_env.testing.plan import NOTEBOOK_LIMIT, Plan


def parser(description: str) -> argparse.ArgumentParser:
    """Returns a parser that shows a script's docstring unchanged."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_environment(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("environment", metavar="ENV", help="an environment, or base")


def add_jobs(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument(
        "--jobs",
        type=_positive(int),
        metavar="N",
        help=f"how many tests run at a time (default: the cores, {pool.cores()})",
    )


def add_timeout(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument(
        "--timeout",
        type=_positive(float),
        metavar="SECONDS",
        help=f"for each notebook (default: {NOTEBOOK_LIMIT:g}); execution.timeout in a notebook's "
        "metadata goes before it",
    )


def add_selection(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument(
        "--only",
        action="append",
        metavar="GLOB",
        help="only tests with such a name, e.g. '*.ipynb'; may be given more than once",
    )
    for kind in ("import", "notebook"):
        arguments.add_argument(
            f"--{kind}s",
            dest="kinds",
            action="append_const",
            const=kind,
            help=f"only the {kind}s",
        )


def plan(asked: argparse.Namespace) -> Plan:
    """Returns the requested plan."""
    return Plan(**parts(asked))


def parts(asked: argparse.Namespace) -> dict[str, object]:
    """Returns the parts of a plan that were set."""
    names = {field.name for field in dataclasses.fields(Plan)}
    return {name: it for name, it in vars(asked).items() if name in names and it is not None}


def check_exists(environment: str) -> None:
    """Exits with a message when the environment does not exist."""
    if not paths.exists(environment):
        there = ", ".join(["base", *paths.environments()])
        paths.die(f"unknown environment {environment!r}; there are: {there}", paths.WRONG)


def _positive(number: type) -> object:
    def convert(text: str) -> int | float:
        value = number(text)
        if not value > 0:
            raise ValueError
        return value

    convert.__name__ = f"positive {number.__name__}"  # argparse names it when it refuses a value
    return convert
