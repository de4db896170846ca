"""Valid requests of a spec on the embedded base, where Python is the distribution's own."""

import re
from dataclasses import replace

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from . import installed, paths, specs
from .specs import Line, Spec

_REMEDY = (
    "the embedded base has no conda: ask for it in a .pip list, or build on a conda base "
    "(BASE_IMAGE in setup-env)"
)


def adopt(spec: Spec) -> None:
    """Accepts the lines about conda packages: the base's own Python, and pip as a pip package."""
    version = installed.full_python_version(paths.prefix("base"))
    for line in spec.conda:
        name = specs.conda_name(line)
        if name not in ("python", "pip"):
            raise line.error(f"`{line.text}` is a conda package", _REMEDY)
        if name == "python" and version not in specifier(line):
            raise line.error(
                f"`{line.text}` is not the base's Python, which is {version}",
                "write `python`, or build on a conda base (BASE_IMAGE in setup-env)",
            )
        if name == "pip":
            spec.pip.append(replace(line, text=f"pip{specifier(line)}"))


def specifier(line: Line) -> SpecifierSet:
    """Returns conda's version syntax as Python's: `=3.13`, `3.13.*` are prefixes, `==` is exact."""
    text = specs.conda_version(line).replace(" ", "")
    if text in ("", "*"):
        return SpecifierSet()
    if re.fullmatch(r"=?[^=<>!~*,|]+(\.?\*)?", text):
        text = "==" + text.lstrip("=").rstrip("*").rstrip(".") + ".*"
    try:
        return SpecifierSet(text)
    except InvalidSpecifier as error:
        raise line.error(
            f"`{line.text}` cannot be read without conda", "write name, name=X.Y or name>=X.Y"
        ) from error
