"""A frozen spec that is not what was frozen, or whose artefacts are gone: the build fails and names
the package, with an empty cache and with one that has everything. Needs no network."""

import re
import shutil
import tempfile
from pathlib import Path

import loopback
from environments import Scratch


class AlteredTest(Scratch):
    """One environment, with a wheel, a source archive and a git commit, is frozen once."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = loopback.Server(cls.root / "served")
        cls.addClassCleanup(cls.server.stop)
        for version in ("1.0", "1.1"):
            cls.server.add_wheel("apple", version)
            cls.server.add_backend(version)
        cls.server.add_wheel("pip", "26.0")
        cls.server.add_source("pear", "1.0")
        cls.repository = loopback.Repository(cls.server, "fig")
        cls.repository.commit("second")
        cls.commit = cls.repository.push("topic")
        cls.env |= cls.server.variables
        cls.text = cls().freeze()

    def freeze(self) -> str:
        """Returns the frozen spec of an environment, built from once: the cache is warm."""
        fig = f"fig @ {self.repository.url}@topic"
        path = self.write("fruit/fruit.pip", f"apple==1.0\npear\n{fig}\n")
        self.run_script("env-create", "fruit")
        self.run_script("env-update", "fruit", path)
        text = self.run_script("env-export", "fruit")
        self.build(text, 0)
        return text

    def build(self, text: str, status: int, **env: str) -> str:
        shutil.rmtree(self.prefix("altered"), ignore_errors=True)
        altered = text.replace("name: fruit", "name: altered")
        self.write("altered/altered-frozen.yml", altered)
        return self.run_script("env-create", "altered", status=status, USE_FROZEN="1", **env)

    def fails(self, text: str, says: str) -> None:
        """Checks the failure with the warm cache, and with an empty one."""
        with self.subTest(says, cache="warm"):
            self.assertIn(says, self.build(text, 1))
            self.assertFalse(self.prefix("altered").exists())
        self.fails_when_cold(text, says)

    def fails_when_cold(self, text: str, says: str) -> None:
        with self.subTest(says, cache="empty"), tempfile.TemporaryDirectory() as cache:
            self.assertIn(says, self.build(text, 1, UV_CACHE_DIR=cache))
            self.assertFalse(self.prefix("altered").exists())

    def altered(self, old: str, new: str) -> str:
        text = re.sub(old, new, self.text)
        self.assertNotEqual(text, self.text)
        return text

    def test_it_builds_unaltered(self) -> None:
        with tempfile.TemporaryDirectory() as cache:
            self.build(self.text, 0, UV_CACHE_DIR=cache)
        again = self.run_script("env-export", "altered")
        self.assertEqual(again.replace("name: altered", "name: fruit"), self.text)

    def test_hashes(self) -> None:
        self.fails(self.altered(r"(- apple==.*sha256:)\w{4}", r"\g<1>0000"), "apple==1.0")
        self.fails(self.altered(r"(- pear==.*sha256:)\w{4}", r"\g<1>0000"), "pear==1.0")
        self.fails(self.altered(r"(# build: yeast==.*sha256:)\w{4}", r"\g<1>0000"), "yeast==1.")

    def test_versions(self) -> None:
        self.fails(self.altered(r"- apple==1\.0", "- apple==1.1"), "apple==1.1")
        self.fails(self.altered(r"- apple==1\.0", "- apple==1.2"), "apple==1.2")
        self.fails(self.altered(r"- pear==1\.0", "- pear==1.1"), "pear==1.1")
        self.fails(self.altered(r"# build: yeast==1\.1", "# build: yeast==1.0"), "yeast==1.0")

    def test_commits(self) -> None:
        self.fails(self.altered(self.commit, "0" * 40), "fig")

    def test_build_requirements_do_not_float(self) -> None:
        self.fails(self.altered(r"# build: yeast.*\n", ""), "pear==1.0")

    def test_withdrawn(self) -> None:
        packages = self.server.folder / "packages"
        for file, says in (
            ("apple/apple-1.0-py3-none-any.whl", "apple==1.0"),
            ("pear/pear-1.0.tar.gz", "pear"),
            ("yeast/yeast-1.1-py3-none-any.whl", "yeast==1.1"),
        ):
            kept = (packages / file).rename(self.root / "kept")
            try:
                self.fails(self.text, says)
            finally:
                kept.rename(packages / file)

    def test_replaced(self) -> None:
        """Another file under the same name, with the hash that the index now gives."""
        path = self.server.folder / "packages" / "apple" / "apple-1.0-py3-none-any.whl"
        kept = path.read_bytes()
        try:
            self.server.add_wheel("apple", "1.0", "x = 1\n")
            self.fails_when_cold(self.text, "apple==1.0")
            # The cache still has the frozen file.
            self.build(self.text, 0)
            module = next(self.prefix("altered").glob("lib/python3.*/site-packages/apple.py"))
            self.assertEqual(module.read_text(), "")
        finally:
            path.write_bytes(kept)

    def test_commit_that_is_gone(self) -> None:
        kept = Path(shutil.copytree(self.repository.folder, self.root / "kept.git"))
        try:
            self.repository.forget("topic")
            self.fails(self.text, "fig")
        finally:
            shutil.rmtree(self.repository.folder)
            kept.rename(self.repository.folder)
