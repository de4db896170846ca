"""Spec files and frozen specs as text: valid and refused ones, with the line of the error."""

import random
import tempfile
import unittest
from pathlib import Path

import environments  # noqa: F401 - puts the scripts' package on the path
from platform_env.environments import embedded, frozen, specs, yml
from platform_env.environments.yml import SpecError

HASH = "a" * 64
COMMIT = "b" * 40
CONDA = f"numpy=2.0=h1_0[subdir=linux-64,fn=numpy-2.0-h1_0.conda,sha256={HASH}]"
HEAD = f"# frozen: 1\n# platform: linux/amd64\n# base: sha256:{HASH}\n"
BODY = "name: x\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.13.5\n"


class SpecTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="spec ")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def read(self, name: str, text: str) -> specs.Spec:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return specs.read(path)

    def refused(self, name: str, text: str, line: int, says: str) -> None:
        with self.assertRaises(SpecError, msg=text) as caught:
            self.read(name, text)
        self.assertIn(f"{name}:{line}: ", str(caught.exception))
        self.assertIn(says, str(caught.exception))

    def test_extension_cut(self) -> None:
        for name in ("foo.v2.pip", "py3.8/x.pip", "./x.pip", "with space.pip"):
            with self.subTest(name):
                self.assertEqual([line.text for line in self.read(name, "numpy\n").pip], ["numpy"])
        self.refused("x.pip.txt", "numpy\n", 1, ".txt names no kind")
        self.refused("noextension", "numpy\n", 1, "names no kind")

    def test_pip_list(self) -> None:
        text = (
            "# comment\n\nnumpy>=2 ; python_version > '3'  # why\nrequests[socks] \\\n  >=2\n"
            f"a @ git+https://host/a@main#subdirectory=b\nb==1 \\\n --hash=sha256:{HASH}\n"
        )
        lines = self.read("x.pip", text).pip
        self.assertEqual([line.number for line in lines], [3, 4, 6, 7])
        self.assertEqual(lines[1].text, "requests[socks] >=2")
        self.assertEqual(lines[2].text, "a @ git+https://host/a@main#subdirectory=b")
        self.assertEqual(lines[3].hashes, [HASH])
        self.assertEqual(self.read("y.pip", "\ufeffnumpy\r\n").pip[0].text, "numpy")

    def test_includes_and_constraints(self) -> None:
        self.read("more/c.pip", "numpy<3\n")
        self.read("more/b.pip", "scipy\n-c c.pip\n")
        spec = self.read("a.pip", "numpy\n-r more/b.pip\n")
        self.assertEqual([line.text for line in spec.pip], ["numpy", "scipy"])
        self.assertEqual([line.text for line in spec.constraints], ["numpy<3"])
        self.refused("loop.pip", "-r loop.pip\n", 1, "includes itself")

    def test_bad_pip_lines(self) -> None:
        for text, says in (
            ("numpy=1", "not a requirement"),
            ("numpy==", "not a requirement"),
            ("two words", "not a requirement"),
            ("numpy; sys_nonsense == 'x'", "not a requirement"),
            ("numpy; sys_platform ~= 'linux'", "not a requirement"),
            ("-e .", "cannot be repeated"),
            ("--index-url https://host/simple", "belong to the settings"),
            ("--extra-index-url=https://host/simple", "belong to the settings"),
            ("--no-require-hashes", "unsupported option"),
            ("--pre", "unsupported option"),
            ("-r missing.pip", "missing file"),
            ("-r", "missing file"),
            ("git+https://host/a", "does not begin with the package's name"),
            ("./local.whl", "does not begin with the package's name"),
            ("https://host/a.whl", "does not begin with the package's name"),
            ("a @ https://host/a.whl", "not a git URL"),
            ("a @ git+https://user:token@host/a", "holds credentials"),
            ("a==1 --hash=sha256:abc", "not a sha256"),
            ("a==1 --hash=md5:abc", "not a sha256"),
        ):
            with self.subTest(text):
                self.refused("x.pip", f"# first\n{text}\n", 2, says)

    def test_names_that_comments_would_tear_apart(self) -> None:
        self.refused("a,b.pip", "numpy\n", 1, "the name has `,`")
        self.refused("a; b.conda", "numpy\n", 1, "the name has `;`")

    def test_only_line_feeds_end_lines(self) -> None:
        """A comment must not bring what comes after another separator in it."""
        spec = self.read("x.pip", "numpy  # a\u2028b\r\n# c\x0cd\x85e\n")
        self.assertEqual([line.text for line in spec.pip], ["numpy"])
        spec = self.read("x.yml", "dependencies:\r\n  - numpy  # a\u2028b\r\n")
        self.assertEqual([line.text for line in spec.conda], ["numpy"])

    def test_credentials_are_not_repeated(self) -> None:
        with self.assertRaises(SpecError) as caught:
            self.read("x.pip", "a @ git+https://user:token@host/a\n")
        self.assertNotIn("token", str(caught.exception))

    def test_yml(self) -> None:
        spec = self.read(
            "x.yml",
            "---\nname: x  # why\nchannels: [conda-forge, 'b']\ndependencies:\n- python=3.13\n"
            '- "numpy>=2"\n- pip:\n  - scipy  # c\n\n  - a[b]>=1\n- pip\n',
        )
        self.assertEqual(spec.channels, ["conda-forge", "b"])
        self.assertEqual([line.text for line in spec.conda], ["python=3.13", "numpy>=2", "pip"])
        self.assertEqual(
            [(line.number, line.text) for line in spec.pip], [(8, "scipy"), (10, "a[b]>=1")]
        )

    def test_bad_yml(self) -> None:
        for text, line, says in (
            ("name: x\nprefix: /x\n", 2, "take it out"),
            ("nane: x\n", 1, "unknown key"),
            ("name: x\nname: y\n", 2, "a second time"),
            ("name x\n", 1, "expected"),
            ("name:\n", 1, "empty value"),
            ("channels: conda-forge\n", 1, "is a list"),
            ("- numpy\n", 1, "under no list"),
            ("dependencies:\n  - numpy\n   - scipy\n", 3, "indented differently"),
            ("dependencies:\n\t- numpy\n", 2, "a tab"),
            ("dependencies:\n  - pip:\n    - a\n  - pip:\n    - b\n", 4, "a second `pip:`"),
            ("dependencies:\n  - vcs:\n    - a\n", 2, "unknown list"),
            ("dependencies:\n  - pip:\n    - a\n      - b\n", 4, "indented differently"),
            ("dependencies:\n  - {a: b}\n", 2, "cannot read"),
            ("dependencies:\n  - &a b\n", 2, "cannot read"),
            ("dependencies:\n  - a: b\n", 2, "not a map"),
            ("dependencies:\n  - 'a\n", 2, "quotes"),
            ("dependencies:\n  -\n", 2, "empty value"),
            ("dependencies:\n  - pip:\n    - -e .\n", 3, "cannot be repeated"),
            ("dependencies:\n  numpy\n", 2, "one list entry per line"),
        ):
            with self.subTest(text):
                self.refused("x.yml", text, line, says)

    def test_bad_conda_list(self) -> None:
        self.assertEqual(self.read("x.conda", "# c\nconda-forge::a >=1  # d\n").conda[0].number, 2)
        self.refused("x.conda", "a\n@EXPLICIT\n", 2, "not a conda package spec")
        self.refused("x.conda", "-c conda-forge\n", 1, "not a conda package spec")

    def test_python_of_the_base(self) -> None:
        for text, accepts in (
            ("python", True),
            ("python *", True),
            ("python=3.13", True),
            ("python =3.13.*", True),
            ("python==3.13.5", True),
            ("python 3.13.5", True),
            ("python >=3.12,<4", True),
            ("conda-forge::python=3", True),
            ("python=3.1", False),
            ("python==3.13", False),
            ("python<3.13", False),
        ):
            with self.subTest(text):
                line = specs.conda_line(specs.Line("x.yml", 1, text))
                self.assertEqual("3.13.5" in embedded.specifier(line), accepts)

    def test_not_text(self) -> None:
        (self.folder / "x.pip").write_bytes(b"\xff\xfe")
        with self.assertRaises(SpecError):
            specs.read(self.folder / "x.pip")


class FrozenTest(unittest.TestCase):
    def parse(self, text: str) -> frozen.Frozen:
        return frozen.parse(Path("x-frozen.yml"), text)

    def refused(self, text: str, line: int, says: str) -> None:
        with self.assertRaises(SpecError, msg=text) as caught:
            self.parse(text)
        self.assertTrue(
            str(caught.exception).startswith(f"x-frozen.yml:{line}: "), caught.exception
        )
        self.assertIn(says, str(caught.exception))

    def pip(self, *lines: str) -> str:
        return HEAD + BODY + "  - pip:\n" + "".join(f"    - {line}\n" for line in lines)

    def test_frozen_floats(self) -> None:
        for line, says in (
            ("numpy", "not pinned"),
            ("numpy>=2", "not pinned"),
            ("numpy==2.*", "not pinned"),
            ("numpy==2", "not exactly one sha256"),
            ("numpy==2 --hash=md5:abc", "not exactly one sha256"),
            (f"numpy==2 --hash=sha256:{HASH[1:]}", "not exactly one sha256"),
            (f"numpy==2 --hash=sha256:{HASH} --hash=sha256:{HASH}", "not exactly one sha256"),
            ("a @ git+https://host/a", "full commit"),
            ("a @ git+https://host/a@main", "full commit"),
            (f"a @ git+https://host/a@{COMMIT[:12]}", "full commit"),
            (f"a @ git+https://u:p@host/a@{COMMIT}", "holds credentials"),
            (f"a @ https://host/a@{COMMIT}", "full commit"),
            ("-r other.pip", "not pinned"),
        ):
            with self.subTest(line):
                self.refused(self.pip(line), 10, says)

    def test_bad_frozen_files(self) -> None:
        for text, line, says in (
            ("", 1, "`# frozen:` is missing"),
            (BODY, 1, "`# frozen:` is missing"),
            (HEAD.replace("# frozen: 1", "# frozen: 2") + BODY, 1, "unsupported format"),
            (HEAD.replace("# platform", "# plat") + BODY, 1, "`# platform:` is missing"),
            (HEAD.replace("# base", "# bass") + BODY, 1, "`# base:` is missing"),
            (HEAD + "# build: setuptools\n" + BODY, 4, "not pinned"),
            (HEAD + "# build: setuptools==1\n" + BODY, 4, "not exactly one sha256"),
            (HEAD + BODY.replace("name: x\n", ""), 1, "`name:` is missing"),
            (HEAD + "name: x\ndependencies:\n  - python=3.13.5\n", 4, "`channels:` is missing"),
            (HEAD + BODY.replace("=3.13.5", "=3.13"), 8, "not pinned to one package file"),
            (HEAD + BODY.replace("  - python=3.13.5\n", ""), 4, "which python"),
            (HEAD + BODY + "  - numpy=2.0=h1_0\n", 9, "not pinned to one package file"),
            (HEAD + BODY + "  - numpy=2.0\n", 9, "not pinned to one package file"),
            (HEAD + BODY.replace("conda-forge", "https://h/t/x/c"), 6, "CONDA_CHANNEL_ALIAS"),
            (HEAD + BODY + f"  - https://u:p@h/c::{CONDA}\n", 9, "CONDA_CHANNEL_ALIAS"),
            (HEAD + "# missing: a b\n" + BODY, 4, "not a package name"),
            (HEAD + BODY + f"  - {CONDA}\n  - {CONDA}\n", 10, "listed on line 9"),
            (
                self.pip(f"a==1 --hash=sha256:{HASH}", f"A==1 --hash=sha256:{HASH}"),
                11,
                "listed on line 10",
            ),
        ):
            with self.subTest(text):
                self.refused(text, line, says)

    def test_round_trip(self) -> None:
        """Whatever is rendered is read back the same, and rendered to the same bytes."""
        for seed in range(300):
            spec = _any_frozen(random.Random(seed))
            text = frozen.render(spec)
            again = self.parse(text)
            self.assertEqual(frozen.render(again), text, seed)
            self.assertEqual(
                [pin.requirement for pin in again.build], sorted(p.requirement for p in spec.build)
            )

    def test_order_and_options(self) -> None:
        pins = [
            frozen.Pin("b", url="git+https://h/b", commit=COMMIT),
            frozen.Pin("z", "1", HASH, via=["x.pip", "a"]),
            frozen.Pin("a", "1", HASH),
        ]
        text = frozen.render(frozen.Frozen("linux/amd64", "d", "x", ["c"], "3.13.5", pip=pins))
        self.assertEqual(
            text.splitlines()[7:],
            [
                "  - python=3.13.5",
                "  - pip:",
                "    - --no-require-hashes",
                f"    - a==1 --hash=sha256:{HASH}",
                f"    - z==1 --hash=sha256:{HASH}  # via a, x.pip",
                f"    - b @ git+https://h/b@{COMMIT}",
            ],
        )

    def test_comments_of_conda_lines(self) -> None:
        """Defect 7: a conda line tells what needs it and what it provides, as pip lines do."""
        comment = "  # via a.yml, otherpkg; provides numpy-core==2.0.post1, x==1"
        lines = [
            f"{CONDA}{comment}",
            f"{CONDA.replace('numpy', 'z')}  # provides y==1",
            f"python=3.13.5=h0_0[subdir=linux-64,fn=p.conda,sha256={HASH}]",
        ]
        head = HEAD + "# missing: libwhy\n# missing: zlib-why\n"
        body = BODY.partition("  - python")[0]
        text = head + body + "".join(f"  - {line}\n" for line in (lines[0], lines[2], lines[1]))
        spec = self.parse(text)
        self.assertEqual(spec.missing, ["libwhy", "zlib-why"])
        self.assertEqual(spec.conda[0].via, ["a.yml", "otherpkg"])
        self.assertEqual(spec.conda[0].provides, ["numpy-core==2.0.post1", "x==1"])
        self.assertEqual((spec.conda[1].via, spec.conda[1].provides), ([], []))
        self.assertEqual((spec.conda[2].via, spec.conda[2].provides), ([], ["y==1"]))
        self.assertEqual(frozen.render(spec), text)


def _any_frozen(rng: random.Random) -> frozen.Frozen:
    def digest(length: int = 64) -> str:
        return "".join(rng.choice("0123456789abcdef") for _ in range(length))

    def names(count: int) -> list[str]:
        return sorted({f"p{rng.randrange(999)}-{rng.choice('abc')}" for _ in range(count)})

    def pin(name: str, vcs: bool = False) -> frozen.Pin:
        via = rng.sample(["a", "b", "x.pip", "y.v2.yml"], rng.randrange(3))
        if vcs and rng.random() < 0.3:
            folder = rng.choice(["", "sub/folder"])
            return frozen.Pin(
                name, url="git+https://h/p", commit=digest(40), subdirectory=folder, via=via
            )
        return frozen.Pin(name, rng.choice(["1", "2.0.1rc1", "1!2.0+local"]), digest(), via=via)

    def conda_pin(name: str) -> frozen.CondaPin:
        return frozen.CondaPin(
            name,
            "1.2",
            f"h{digest(7)}_0",
            rng.choice(["noarch", "linux-64"]),
            f"{name}-1.2.conda",
            digest(),
            rng.choice(["", "bioconda"]),
            rng.sample(["a", "b", "x.conda"], rng.randrange(3)),
            rng.sample(["p==1!2.0+l", "q-r==1.0.post1"], rng.randrange(3)),
        )

    spec = frozen.Frozen("linux/amd64", f"sha256:{digest()}", "x", ["conda-forge"])
    if rng.random() < 0.5:
        spec.python = "3.13.5"
    else:
        spec.conda = [conda_pin("python"), *map(conda_pin, names(rng.randrange(5)))]
        spec.missing = names(rng.randrange(3))
    spec.pip = [pin(name, vcs=True) for name in names(rng.randrange(9))]
    spec.build = [frozen.Pin(name, "1", digest()) for name in names(rng.randrange(3))]
    return spec


class SeparatorTest(unittest.TestCase):
    def test_comments_keep_urls_and_quotes(self) -> None:
        document = yml.parse(
            Path("x.yml"), "dependencies:\n  - pip:\n    - a @ git+https://h/a#b  # c\n"
        )
        self.assertEqual(
            (document.pip[0].text, document.pip[0].comment), ("a @ git+https://h/a#b", "c")
        )
