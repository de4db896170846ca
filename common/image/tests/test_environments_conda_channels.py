"""Channels on a conda base: their names in frozen specs, their places and credentials."""

import os
from pathlib import Path
from unittest import mock

from environments import Scratch
from platform_env.environments import conda, paths

PUBLIC = "https://conda.anaconda.org"


class ChannelsTest(Scratch):
    conda_base = True

    def places(self, alias: str) -> conda.Places:
        condarc = self.root / "condarc"
        condarc.write_text("custom_channels:\n  ours: http://ours.invalid\n")
        self.enterContext(mock.patch.object(paths, "CONDA_DIR", Path(self.conda_dir)))
        settings = {"CONDA_CHANNEL_ALIAS": alias, "CONDARC": str(condarc)}
        self.enterContext(mock.patch.dict(os.environ, settings))
        return conda.Places()

    def test_names_hold_neither_mirrors_nor_credentials(self) -> None:
        places = self.places("https://user:word@mirror.invalid/conda/t/token")
        for url, name in (
            ("https://mirror.invalid/conda/conda-forge", "conda-forge"),
            ("https://user:word@mirror.invalid/conda/t/token/bioconda", "bioconda"),
            ("https://conda.anaconda.org/conda-forge", "conda-forge"),
            ("http://ours.invalid/ours", "ours"),
            ("https://ours.invalid/theirs", "https://ours.invalid/theirs"),
            ("https://user:word@else.invalid/x", "https://else.invalid/x"),
        ):
            with self.subTest(url):
                self.assertEqual(places.name(url), name)

    def test_urls_have_the_credentials_of_the_settings(self) -> None:
        places = self.places("https://user:word@mirror.invalid/conda/t/token")
        self.assertEqual(places.url("ours"), "http://ours.invalid/ours")
        self.assertEqual(places.url("https://else.invalid/x/"), "https://else.invalid/x")
        alias = "https://user:word@mirror.invalid/conda/t/token"
        self.assertEqual(places.url("conda-forge"), f"{alias}/conda-forge")

    def test_an_unknown_channel_is_found_in_its_file(self) -> None:
        text = "channels:\n  - conda-forge\n  - nope\ndependencies:\n  - python\n"
        spec = self.write("unknown.yml", text)
        said = self.run_script("env-create", "unknown", spec, status=1)
        self.assertIn("HTTP 404 NOT FOUND for channel nope", said)
        self.assertIn(f"  {spec}:3: nope\n", said)

    def test_private_channel_with_a_password_and_with_a_token(self) -> None:
        spec = self.write(
            "dependencies.yml",
            "channels:\n  - private\n  - conda-forge\ndependencies:\n  - python\n  - secret-tool\n",
        )
        for name, alias in (
            ("word", self.channels.alias()),
            ("token", self.channels.alias(token=True)),
        ):
            with self.subTest(name):
                self.run_script("env-create", name, spec, CONDA_CHANNEL_ALIAS=alias)
                # A container that is asked for the frozen spec has no settings of build steps.
                text = self.run_script("env-export", name, CONDA_CHANNEL_ALIAS=PUBLIC)
                self.assertRegex(text, r"channels:\n  - private\n  - conda-forge\n")
                self.assertNotIn("127.0.0.1", text)
        self.assertIn("tk-1234-secret", [it["token"] for it in self.channels.requests])

    def test_private_channel_without_credentials(self) -> None:
        spec = self.write(
            "without.yml", "channels:\n  - private\ndependencies:\n  - python\n  - secret-tool\n"
        )
        alias = self.channels.alias("open")
        said = self.run_script("env-create", "w", spec, status=1, CONDA_CHANNEL_ALIAS=alias)
        self.assertIn("HTTP 401", said)
        self.assertFalse(self.prefix("w").exists())
