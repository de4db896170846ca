"""The command lines that the test scripts have in common."""

import argparse

from platform_env import notebooks, paths, pool


def parser(description: str) -> argparse.ArgumentParser:
    """A parser that shows a script's docstring as it stands."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_environment(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("environment", metavar="ENV", help="an environment, or base")


def add_jobs(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument(
        "--jobs",
        type=_positive(int),
        default=pool.cores(),
        metavar="N",
        help="how many tests run at a time (default: the cores, %(default)s)",
    )


def add_timeout(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument(
        "--timeout",
        type=_positive(float),
        default=notebooks.LIMIT,
        metavar="SECONDS",
        help="for each notebook (default: %(default)g); execution.timeout in a notebook's "
        "metadata goes before it",
    )


def check_exists(environment: str) -> None:
    """End with a message when there is no such environment."""
    if not paths.exists(environment):
        there = ", ".join(["base", *paths.environments()])
        paths.die(f"there is no environment {environment!r}; there are: {there}", paths.WRONG)


def _positive(number: type) -> object:
    def convert(text: str) -> int | float:
        value = number(text)
        if not value > 0:
            raise ValueError
        return value

    convert.__name__ = f"positive {number.__name__}"  # argparse names it when it refuses a value
    return convert
