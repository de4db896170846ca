"""Packages of channels besides converted wheels, the difficult ones above all."""

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from .pack import PREFIX, Package
from .wheels import ABI, MINOR, SITE

_STAND_IN = Path(__file__).resolve().parent / "conda"
# A virtual environment's own packages come first; elsewhere the user's do.
_USER_SITE_FIRST = b"""\
import site
import sys

_add = site.addusersitepackages


def _add_first(known):
    before = [*sys.path]
    known = _add(known)
    added = [it for it in sys.path if it not in before]
    own = next(at for at, it in enumerate(before) if it.endswith("/site-packages"))
    sys.path[:] = [*before[:own], *added, *before[own:]]
    return known


site.addusersitepackages = _add_first
"""
_PYTHON = f"python >={MINOR},<3.{int(MINOR.partition('.')[2]) + 1}.0a0"


def distribution(
    name: str, version: str, requires: Sequence[str] = (), folder: str = "", metadata: str = ""
) -> dict[str, bytes]:
    """Returns the files of a Python distribution, for a noarch package: a module and metadata."""
    info = folder or f"{name.replace('-', '_')}-{version}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {it}" for it in requires]
    text = metadata or "\n".join([*lines, ""])
    file = f"{info}/METADATA" if info.endswith(".dist-info") else f"{info}/PKG-INFO"
    files = {f"{name.replace('-', '_')}.py": f"__version__ = {version!r}\n", file: text}
    if info.endswith(".dist-info"):
        files |= {f"{info}/INSTALLER": "conda\n", f"{info}/RECORD": ""}
    return {f"site-packages/{it}": text.encode() for it, text in files.items()}


def noarch(
    name: str,
    version: str,
    files: Mapping[str, bytes],
    depends: Sequence[str] = (),
    entry_points: Sequence[str] = (),
    build: str = "pyhd8ed1ab_0",
) -> Package:
    """Returns a noarch Python package."""
    needs = ["python", *depends]
    return Package(
        name, version, build, "noarch", needs, files, {}, entry_points, is_noarch_python=True
    )


def simple(name: str, version: str, requires: Sequence[str] = (), **more: Sequence[str]) -> Package:
    """Returns a noarch package of one distribution with the same name and version."""
    return noarch(name, version, distribution(name, version, requires), **more)


def python() -> Package:
    """Returns Python: the image's own, in the form of a virtual environment at the prefix.

    A user's site-packages come before the prefix's, as in conda's; the system's have nothing.
    """
    version = platform.python_version()
    config = f"home = /usr/bin\ninclude-system-site-packages = true\nversion = {version}\n"
    return Package(
        "python",
        version,
        f"h4c6b5f1_100_cp{ABI}",
        depends=["ca-certificates", "tzdata"],
        files={
            "pyvenv.cfg": config.encode(),
            f"{SITE}/_user_site_first.pth": b"import _user_site_first\n",
            f"{SITE}/_user_site_first.py": _USER_SITE_FIRST,
        },
        links={
            f"bin/python{MINOR}": f"/usr/bin/python{MINOR}",
            "bin/python3": f"python{MINOR}",
            "bin/python": f"python{MINOR}",
        },
        build_number=100,
    )


def data(name: str, version: str, file: str, text: str = "data\n") -> Package:
    """Returns a package without any Python."""
    return Package(name, version, "hd8ed1ab_0", "noarch", files={file: text.encode()})


def conda() -> Package:
    """Returns the stand-in; its programs start as conda's do: neither -E nor -s."""
    start = (
        f"#!{PREFIX}/bin/python\nimport sys\n\nfrom conda.main import run\n\n"
        'if __name__ == "__main__":\n    sys.argv[0] = sys.argv[0].removesuffix(".py")\n    run()\n'
    )
    files = {f"{SITE}/conda/{it.name}": it.read_bytes() for it in sorted(_STAND_IN.glob("*.py"))}
    info = distribution("conda", "26.7.1", ["pyyaml", "py-rattler"])
    files |= {f"lib/python{MINOR}/{it}": text for it, text in info.items() if "dist-info" in it}
    hook = (_STAND_IN / "conda.sh").read_text(encoding="utf-8").replace("@PREFIX@", PREFIX)
    files |= {"bin/conda": start.encode(), "condabin/conda": start.encode()}
    files["etc/profile.d/conda.sh"] = hook.encode()
    needs = [_PYTHON, "py-rattler", "pyyaml"]
    return Package("conda", "26.7.1", f"py{ABI}h7900ff3_0", depends=needs, files=files)


def _blas(variant: str, number: int) -> Package:
    return Package("blas", "2.131", variant, depends=[f"lib{variant}"], build_number=number)


def _difficult() -> list[Package]:
    """Returns packages whose Python metadata says something else than conda does."""
    odd = (
        "Metadata-Version: 2.1\nName: odd-version\nVersion: 1.0-fork_2\n"
        "Requires-Dist: idna (>=1.0.*\nRequires-Dist: ???\n"
    )
    return [
        # The distribution has another name, and a version that PyPI lacks.
        noarch("py-opencv", "4.10.0", distribution("opencv-python", "4.10.0")),
        # PyPI has no such distribution at all.
        simple("platform-private-lib", "1.0"),
        # The metadata requires what the package does not depend on,
        simple("demanding", "1.0", ["humanize<1", "platform-private-lib>=1"]),
        # and what its dependency rules out.
        simple("contradicting", "1.0", ["idna>=99", "idna<100"], depends=["idna"]),
        noarch(
            "eggy",
            "1.2",
            distribution("eggy", "1.2", folder=f"eggy-1.2-py{MINOR}.egg-info"),
        ),
        noarch("odd-version", "1.0", distribution("odd-version", "1.0", metadata=odd)),
        # The channel's patched repodata lacks the second dependency.
        simple("patched", "1.0", depends=["idna", "libecho"]),
    ]


def all_packages() -> list[Package]:
    """Returns every package that is not a converted wheel."""
    activate = b"export ACTIVATING=yes\n"
    return [
        python(),
        conda(),
        data("ca-certificates", "2026.8.1", "ssl/README.txt"),
        data("tzdata", "2026a", "share/zoneinfo/README.txt"),
        data("libecho", "1.0", "lib/libecho.txt"),
        data("libopenblas", "0.3.30", "lib/libopenblas.txt"),
        data("libmkl", "2025.2", "lib/libmkl.txt"),
        _blas("mkl", 1),
        _blas("openblas", 2),
        Package(
            "activating",
            "1.0",
            files={
                "etc/conda/activate.d/activating.sh": activate,
                "etc/conda/deactivate.d/activating.sh": b"unset ACTIVATING\n",
            },
        ),
        noarch(
            "echo-tool",
            "1.0",
            {
                **distribution("echo-tool", "1.0"),
                "site-packages/echo_tool.py": b"def main():\n    print('echo')\n",
            },
            entry_points=["echo-tool = echo_tool:main"],
        ),
        *_difficult(),
    ]


# What the channel's repodata says otherwise than the packages themselves.
PATCHES = {"patched-1.0-pyhd8ed1ab_0.conda": {"depends": ["python", "idna"]}}


def private_packages() -> list[Package]:
    """Returns the packages of the channel that wants credentials."""
    return [simple("secret-tool", "1.0", depends=["idna"])]
