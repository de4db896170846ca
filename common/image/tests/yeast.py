"""A build backend (PEP 517) that needs nothing else; the loopback index has it as a wheel.

The build's instructions are in package.json beside pyproject.toml, with modules that it imports.
"""

import importlib
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path


def wheel_name(name: str, version: str) -> str:
    return f"{name}-{version}-py3-none-any.whl"


def wheel(name: str, version: str, source: str = "", requires: Sequence[str] = ()) -> bytes:
    """Returns a wheel with one module."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {line}\n" for line in requires)
    tag = "Wheel-Version: 1.0\nGenerator: yeast\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {f"{name}.py": source, f"{info}/METADATA": metadata, f"{info}/WHEEL": tag}
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for file, text in files.items():
            archive.writestr(zipfile.ZipInfo(file), text)
    return data.getvalue()


def build_wheel(folder: str, config_settings: object = None, metadata: object = None) -> str:
    package = json.loads(Path("package.json").read_text())
    for module in package["imports"]:
        importlib.import_module(module)
    name = wheel_name(package["name"], package["version"])
    Path(folder, name).write_bytes(wheel(package["name"], package["version"]))
    return name
