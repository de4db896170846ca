"""Credentials, which the host (`xtask/src/run/redact.rs`) and these scripts hide alike."""

import contextlib
import io
import json
import random
import unittest
from pathlib import Path

import environments  # noqa: F401 - puts the scripts' package on the path
from platform_env.environments import paths, redact

CASES: list[list[str]] = json.loads(Path(__file__).with_name("redact_cases.json").read_text())


class Redact(unittest.TestCase):
    def test_credentials_are_hidden(self) -> None:
        for given, expected in CASES:
            with self.subTest(given):
                self.assertEqual(redact.redact(given), expected)

    def test_no_credential_survives(self) -> None:
        choose = random.Random(7).choice
        for _ in range(3000):
            inner = "".join(
                choose(["", "a", ":", "'", ",", "=", "%40", "@", "é"]) for _ in range(4)
            )
            scheme = choose(["https://", "http://", "git+https://", "ssh://", ""])
            url = f"{scheme}me:S3cret{inner}S3cret@{choose(['host', '[::1]:80', 'host:3128'])}"
            secret = choose([url, choose(["ghp_", "glpat-", "hf_"]) + "S3cret" + "0" * 16])
            text = (
                choose(["", "x ", "A=", "'", "warning: ", "a,"]) + secret + choose(["", " b", "\n"])
            )
            self.assertNotIn("S3cret", redact.redact(text), text)

    def test_messages(self) -> None:
        with contextlib.redirect_stderr(io.StringIO()) as said:
            paths.say("proxy me:S3cret@host:3128, https://me:S3cret@index/simple")
        self.assertEqual(said.getvalue(), "proxy …@host:3128, https://…@index/simple\n")

    def test_bare_channels(self) -> None:
        for given in ("https://me:pw@host/c", "https://host/t/to-ken/c", "https://host/c"):
            self.assertEqual(redact.bare_channel(given), "https://host/c")
