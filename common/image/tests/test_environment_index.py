"""Test which index uv gets, and how long its answers count."""

import os
import tomllib
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import environments  # noqa: F401 - puts the scripts' package on the path
from platform_env.environments import uv


class IndexTest(unittest.TestCase):
    def settings(self, text: str, needs: uv.Needs = uv.NO_NEEDS, **variables: str) -> dict:
        """Returns uv's settings in a build with this configuration and these variables."""
        with TemporaryDirectory() as folder:
            file = Path(folder, "uv.toml")
            file.write_text(text, encoding="utf-8")
            variables = {"PATH": os.defpath, "UV_CONFIG_FILE": str(file), **variables}
            with mock.patch.dict(os.environ, variables, clear=True), uv._configured(needs) as env:
                return tomllib.loads(Path(env["UV_CONFIG_FILE"]).read_text(encoding="utf-8"))

    def test_pypi_without_another_index(self):
        for needs in ({}, {"bls-py": ["numpy"]}):
            found = self.settings("native-tls = true\n", needs)
            (index,) = found["index"]
            self.assertEqual((index["url"], index["default"]), ("https://pypi.org/simple", True))
            self.assertEqual(index["cache-control"]["api"], "max-age=600")
            self.assertIn("immutable", index["cache-control"]["files"])
            self.assertTrue(found["native-tls"])
            self.assertEqual(found.get("extra-build-dependencies", {}), needs)

    def test_another_index_stays_as_it_is(self):
        own = '[[index]]\nurl = "https://a.example/simple"\ndefault = true\n'
        self.assertEqual(self.settings(own), tomllib.loads(own))
        for name in ("UV_DEFAULT_INDEX", "PIP_INDEX_URL"):
            self.assertEqual(self.settings("", **{name: "https://a.example/simple"}), {})
