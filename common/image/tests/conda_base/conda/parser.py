"""The command line, with the options that conda documents for these commands and no others."""

import argparse
from collections.abc import Sequence

from .errors import unsupported

# Documented options that change what happens in ways the stand-in does not copy.
_NOT_COPIED = {
    "solving": (
        ("--no-deps", 0),
        ("--only-deps", 0),
        ("--no-pin", 0),
        ("--strict-channel-priority", 0),
        ("--no-channel-priority", 0),
        ("--solver", 1),
        ("--platform", 1),
        ("--subdir", 1),
        ("--exclude-newer", 1),
        ("--use-local", 0),
        ("--repodata-fn", 1),
        ("--download-only", 0),
        ("--copy", 0),
        ("--dev", 0),
    ),
    "network": (("--use-index-cache", 0), ("--insecure", 0), ("--offline", 0)),
    "output": (("--dry-run", 0), ("--json", 0), ("--console", 1)),
    "install": (
        ("--revision", 1),
        ("--freeze-installed", 0),
        ("--no-update-deps", 0),
        ("--update-deps", 0),
        ("--satisfied-skip-solve", 0),
        ("--update-all", 0),
        ("--all", 0),
        ("--update-specs", 0),
        ("--force-reinstall", 0),
        ("--override-frozen", 0),
    ),
    "list": (
        ("--fields", 1),
        ("--reverse", 0),
        ("--canonical", 0),
        ("--full-name", 0),
        ("--export", 0),
        ("--revisions", 0),
        ("--size", 0),
        ("--no-pip", 0),
        ("--auth", 0),
        ("--md5", 0),
    ),
    "info": (("--all", 0), ("--system", 0), ("--size", 0), ("--unsafe-channels", 0)),
    "config": (
        ("--show-sources", 0),
        ("--validate", 0),
        ("--describe", 0),
        ("--write-default", 0),
        ("--get", 1),
        ("--append", 2),
        ("--prepend", 2),
        ("--add", 2),
        ("--set", 2),
        ("--remove", 2),
        ("--remove-key", 1),
        ("--stdin", 0),
        ("--system", 0),
        ("--env", 0),
        ("--file", 1),
    ),
    "run": (("--dev", 0), ("--debug-wrapper-scripts", 0)),
}


class _NotCopied(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None) -> None:
        unsupported(f"the option {option_string}")


def build() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="conda")
    parser.add_argument("-V", "--version", action="store_true")
    commands = parser.add_subparsers(metavar="COMMAND", dest="cmd", required=True)
    _create(commands.add_parser("create"))
    _install(commands.add_parser("install"))
    _config(commands.add_parser("config"))
    _list(commands.add_parser("list"))
    _info(commands.add_parser("info"))
    _run(commands.add_parser("run"))
    for name in ("activate", "deactivate"):
        commands.add_parser(name).add_argument("args", nargs="*")
    env = commands.add_parser("env").add_subparsers(dest="env_cmd", required=True)
    _env_create(env.add_parser("create"))
    _json(env.add_parser("list"))
    return parser


def _refuse(parser: argparse.ArgumentParser, *groups: str) -> None:
    for group in groups:
        for option, count in _NOT_COPIED[group]:
            parser.add_argument(option, action=_NotCopied, nargs=count)


def _target(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("-n", "--name")
    group.add_argument("-p", "--prefix")


def _quiet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true")
    parser.add_argument("-v", "--verbose", action="count", default=0)


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true")
    _quiet(parser)


def _solving(parser: argparse.ArgumentParser) -> None:
    _target(parser)
    _quiet(parser)
    parser.add_argument("-y", "--yes", action="store_true")
    parser.add_argument("-c", "--channel", action="append", default=[])
    parser.add_argument("-O", "--override-channels", action="store_true")
    parser.add_argument("-f", "--file", action="append", default=[])
    parser.add_argument("packages", nargs="*", metavar="package_spec")
    _refuse(parser, "solving", "network", "output")


def _create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clone", metavar="ENV")
    parser.add_argument("--no-default-packages", action="store_true")
    _solving(parser)


def _install(parser: argparse.ArgumentParser) -> None:
    _solving(parser)
    _refuse(parser, "install")


def _env_create(parser: argparse.ArgumentParser) -> None:
    _target(parser)
    _quiet(parser)
    parser.add_argument("-f", "--file", nargs="*", default=["environment.yml"])
    parser.add_argument("--no-default-packages", action="store_true")
    parser.add_argument("-y", "--yes", action="store_true")
    parser.set_defaults(packages=[], channel=[], override_channels=False, clone=None)
    _refuse(parser, "network", "output")


def _config(parser: argparse.ArgumentParser) -> None:
    _json(parser)
    parser.add_argument("--show", nargs="*")
    _refuse(parser, "config")


def _list(parser: argparse.ArgumentParser) -> None:
    _target(parser)
    _json(parser)
    parser.add_argument("--explicit", action="store_true")
    parser.add_argument("--sha256", action="store_true")
    parser.add_argument("regex", nargs="?")
    _refuse(parser, "list")


def _info(parser: argparse.ArgumentParser) -> None:
    _json(parser)
    parser.add_argument("--base", action="store_true")
    parser.add_argument("-e", "--envs", action="store_true")
    _refuse(parser, "info")


def _run(parser: argparse.ArgumentParser) -> None:
    _target(parser)
    parser.add_argument("-v", "--verbose", action="count", default=0)
    parser.add_argument("--cwd")
    parser.add_argument("-s", "--no-capture-output", "--live-stream", action="store_true")
    parser.add_argument("executable_call", nargs=argparse.REMAINDER)
    _refuse(parser, "run")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    return build().parse_args(arguments)
