"""Frozen specs as others read them: by conda's rules for environment files and by pip's for
requirements. The real ones of this repository (in /missions), and one as a conda base gives it."""

import os
import re
import unittest
from pathlib import Path

import environments  # noqa: F401 - puts the scripts' package on the path
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from platform_env.environments import frozen
from test_environment_specs import COMMIT, HASH

MISSIONS = Path(os.environ.get("MISSIONS") or "/missions")

# <https://docs.conda.io/projects/conda-build/en/stable/resources/package-spec.html>: a channel,
# then name=version=build with nothing fuzzy in it, then fields in brackets.
_MATCH_SPEC = re.compile(
    r"(?:(?P<channel>[^\s:\[\]]+)::)?(?P<name>[a-z0-9_][a-z0-9_.-]*)=(?P<version>[^\s=*<>!|,\[\]]+)"
    r"(?:=(?P<build>[^\s=*\[\]]+))?(?:\[(?P<fields>[^\[\]]*)\])?"
)
_FIELDS = {
    *("name", "version", "build", "build_number", "channel", "subdir", "fn", "url"),
    *("md5", "sha256", "license", "license_family", "features", "track_features"),
}
# A requirements file's line: the comment and the options of a requirement are not part of it.
_COMMENT = re.compile(r"(^|\s+)#.*$")
_OPTION = re.compile(r"\s--hash=sha256:[0-9a-f]{64}(?=\s|$)")


def as_on_conda() -> str:
    """Returns a spec of `env-export` on a conda base, with everything that it can contain."""
    spec = frozen.Frozen("linux/amd64", f"sha256:{HASH}", "x", ["conda-forge", "bioconda"])
    spec.conda = [
        frozen.CondaPin(name, "3.13.5", "h0_0_cp313", "linux-64", f"{name}.conda", HASH, channel)
        for name, channel in (("python", ""), ("_openmp_mutex", ""), ("libx.y", "bioconda"))
    ]
    spec.pip = [
        frozen.Pin("b", "1!2.0+local", HASH, via=["a", "x.pip"]),
        frozen.Pin("c", url="git+https://host/c", commit=COMMIT, subdirectory="sub/folder"),
    ]
    spec.build = [frozen.Pin("setuptools", "84.2.1", HASH)]
    return frozen.render(spec)


class ReadersTest(unittest.TestCase):
    def texts(self) -> list[str]:
        files = sorted(MISSIONS.glob("*/environments/*/*-frozen.yml"))
        self.assertTrue(files, f"{MISSIONS} is not the repository's")
        return [as_on_conda(), *(file.read_text() for file in files)]

    def test_conda(self) -> None:
        for text in self.texts():
            document = yaml.safe_load(text)
            self.assertEqual(list(document), ["name", "channels", "dependencies"])
            self.assertTrue(all(isinstance(channel, str) for channel in document["channels"]))
            for entry in document["dependencies"]:
                if isinstance(entry, dict):
                    self.assertEqual(list(entry), ["pip"])
                    self.assertTrue(all(isinstance(line, str) for line in entry["pip"]))
                else:
                    self.check_match_spec(entry)

    def check_match_spec(self, text: str) -> None:
        found = _MATCH_SPEC.fullmatch(text)
        self.assertTrue(found, text)
        for field in (found["fields"] or "version=x").split(","):
            key, equals, value = field.partition("=")
            self.assertIn(key, _FIELDS, text)
            self.assertTrue(equals and value, text)

    def test_pip(self) -> None:
        """conda writes the lines of `pip:` into a requirements file; build lines are such, too."""
        for text in self.texts():
            entries = yaml.safe_load(text)["dependencies"]
            lines = [line for entry in entries if isinstance(entry, dict) for line in entry["pip"]]
            has_commit = any(" @ git+" in line for line in lines)
            self.assertEqual(lines[0] == "--no-require-hashes", has_commit)
            for line in lines[1 if has_commit else 0 :]:
                self.check_requirement(line)
            for line in re.findall(r"^# build: (.*)$", text, re.MULTILINE):
                self.check_requirement(line)

    def check_requirement(self, line: str) -> None:
        line = _COMMENT.sub("", line)
        requirement = Requirement(_OPTION.sub("", line))
        self.assertEqual(requirement.name, canonicalize_name(requirement.name))
        self.assertFalse(requirement.extras or requirement.marker, line)
        if requirement.url:
            self.assertRegex(requirement.url, r"^git\+\w+://.*@[0-9a-f]{40}(#subdirectory=\S+)?$")
        else:
            self.assertEqual([pin.operator for pin in requirement.specifier], ["=="], line)
            self.assertEqual(len(_OPTION.findall(line)), 1, line)
