"""Lists that add packages to the base: solved beside what its image holds, and frozen."""

import shutil
import subprocess
from pathlib import Path

from crafted import Crafted
from environments import SCRIPTS, Scratch
from loopback import Server


class BaseScratch(Scratch):
    """A base image with packages of its own; each test has a new one."""

    conda = False  # whether it looks like a conda installation

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.index = Server(cls.root / "index")
        cls.addClassCleanup(cls.index.stop)
        cls.env |= {**cls.index.variables, "UV_CACHE_DIR": str(cls.root / "uv-cache")}
        ext = cls.index.add_wheel("ext", "1.0", requires=["lab>=4,<5", "helper"])
        cls.hash = subprocess.run(["sha256sum", ext], check=True, capture_output=True, text=True)
        cls.hash = cls.hash.stdout.split()[0]
        cls.index.add_wheel("helper", "1.0")
        cls.index.add_wheel("other", "1.0")
        cls.index.add_wheel("newer", "1.0", requires=["lab>=5"])
        cls.index.add_wheel("lab", "9.0")
        cls.index.add_wheel("pip", "99.0")

    def setUp(self) -> None:
        self.image(lab="4.4", client="8.0")

    def image(self, **packages: str) -> None:
        """Makes the base image again, with these packages."""
        shutil.rmtree(self.conda_dir)
        self.make_conda_dir()
        self.made = Crafted(self.conda_dir)
        for name, version in packages.items():
            self.made.info(name, version)
        if not self.conda:
            shutil.rmtree(self.conda_dir / "conda-meta")
        for file in self.specs.glob("base/*"):
            file.unlink()

    def packages(self) -> dict[str, str]:
        found = (it.name.removesuffix(".dist-info") for it in self.made.site.glob("*.dist-info"))
        return dict(name.rsplit("-", 1) for name in found)

    def update(self, *texts: str, status: int = 0, **env: str) -> str:
        names = [self.write(f"base/{at}.pip", it).name for at, it in enumerate(texts)]
        return self.run_script("env-update", "base", *names, status=status, **env)

    def frozen(self, text: str, status: int = 0, **packages: str) -> str:
        """Makes the base image again, and adds what is frozen; the solved lists are not there."""
        self.image(**packages)
        self.write("base/base-frozen.yml", text)
        env = {"USE_FROZEN": "1"}
        return self.run_script("env-update", "base", "0.pip", status=status, **env)

    def freeze(self) -> str:
        self.update("ext\nlab>=4\n")
        return self.run_script("env-export", "base")


class EmbeddedTest(BaseScratch):
    def test_only_what_is_added_is_pinned(self) -> None:
        text = self.freeze()
        self.assertEqual(
            self.packages(), {"lab": "4.4", "client": "8.0", "ext": "1.0", "helper": "1.0"}
        )
        self.assertFalse(any("/lab" in path for path in self.index.requests), self.index.requests)
        head, _, pins = text.partition("dependencies:\n")
        self.assertIn("# base: local python-3.13\n# in-base: lab\nname: base\n", head)
        self.assertRegex(
            pins,
            r"^  - python=3\.13\.\d+\n  - pip:\n    - ext==1\.0 --hash=\S+  # via 0\.pip\n"
            r"    - helper==1\.0 --hash=\S+  # via ext\n$",
        )

    def test_frozen_is_the_same(self) -> None:
        text = self.freeze()
        self.frozen(text, lab="4.4.1", client="9.0")
        self.assertEqual((self.packages()["lab"], self.packages()["ext"]), ("4.4.1", "1.0"))
        self.assertEqual(self.run_script("env-export", "base"), text)
        # A second step of the same Dockerfile.
        self.run_script("env-update", "base", "1.pip", USE_FROZEN="1")

    def test_an_altered_hash(self) -> None:
        said = self.frozen(self.freeze().replace(self.hash, "0" * 64), status=1, lab="4.4")
        self.assertIn("ext", said)

    def test_conflicts_with_the_base_image_are_named(self) -> None:
        text = self.freeze()
        said = self.frozen(text, status=1, helper="2.0")
        self.assertRegex(
            said, r"base-frozen\.yml:\d+: helper 1\.0 would replace helper 2\.0 of the base image"
        )
        self.assertIn("base-frozen.yml:1: lab was part of the base image", said)
        self.assertIn("freeze base again", said)
        self.assertNotIn("ext", self.packages())
        said = self.frozen(text, status=1, lab="5.0")
        self.assertIn("base is inconsistent:\next 1.0 requires lab<5,>=4, found lab 5.0\n", said)

    def test_what_the_base_image_has_by_now_stays(self) -> None:
        self.frozen(self.freeze(), lab="4.4", helper="1.0")
        self.assertNotIn("helper==", self.run_script("env-export", "base"))

    def test_never_frozen(self) -> None:
        said = self.run_script("env-update", "base", "0.pip", status=2, USE_FROZEN="1")
        self.assertIn("freeze base first", said)

    def test_the_base_images_packages_are_constraints(self) -> None:
        for line in ("lab<4", "newer"):
            said = self.update(f"{line}\n", status=1)
            self.assertIn("the base image: lab==4.4", said)
        said = self.update(f"ext\nlab==4.4 --hash=sha256:{'0' * 64}\n", status=1)
        self.assertIn("certain files", said)
        self.assertEqual(self.packages(), {"lab": "4.4", "client": "8.0"})

    def test_what_no_list_asks_for_any_more_is_removed(self) -> None:
        self.freeze()
        self.update("other\n")
        self.assertEqual(self.packages(), {"lab": "4.4", "client": "8.0", "other": "1.0"})
        self.assertNotIn("in-base", self.run_script("env-export", "base"))

    def test_disagreements_in_the_base_image_are_notes(self) -> None:
        self.made.info("broken", "1.0", ["client<8"])
        self.update("other\n")

    def test_hashed_lists_are_the_same_in_both_modes(self) -> None:
        hashed = f"ext==1.0 --hash=sha256:{self.hash}\n"
        said = self.update(hashed, status=1)
        self.assertIn("ext 1.0 requires helper, which is not installed", said)
        self.made.info("helper", "1.0")
        self.update(hashed, "other\n")
        text = self.run_script("env-export", "base")
        self.assertNotIn("ext==", text)
        self.image(lab="4.4", helper="1.0")
        self.write("base/base-frozen.yml", text)
        self.write("base/0.pip", hashed)
        self.run_script("env-update", "base", "0.pip", "1.pip", USE_FROZEN="1")
        self.assertEqual(
            self.packages(), {"lab": "4.4", "helper": "1.0", "ext": "1.0", "other": "1.0"}
        )
        self.assertEqual(self.run_script("env-export", "base"), text)

    def test_a_hashed_list_does_not_change_what_was_solved(self) -> None:
        self.freeze()
        said = self.update(f"helper==2.0 --hash=sha256:{'0' * 64}\n", status=2)
        self.assertIn("`helper==2.0` would overwrite helper 1.0, which was solved", said)

    def test_a_clone_has_the_additions(self) -> None:
        self.image()
        self.update("other\n")
        self.run_script("env-clone", "base", "copy")
        self.assertRegex(self.run_script("env-export", "copy"), r"other==1\.0 .*# via 0\.pip\n")


class CondaTest(BaseScratch):
    """The same beside packages of conda."""

    conda = True

    def image(self, **packages: str) -> None:
        super().image(**packages)
        (Path(self.env["IMAGE_BUILD_DIR"]) / "base-digest").write_text(f"sha256:{'1' * 64}\n")
        if "lab" in packages:
            info = next(self.made.site.glob("lab-*.dist-info"))
            self.made.conda(f"py-lab-{packages['lab']}-h0_0", info)

    def test_frozen_is_the_same(self) -> None:
        text = self.freeze()
        self.assertIn(f"# base: sha256:{'1' * 64}\n# in-base: lab\n", text)
        self.assertRegex(text, r"dependencies:\n  - python=3\.13\.\d+\n  - pip:\n    - ext==1\.0 ")
        self.frozen(text, lab="4.5")
        self.assertEqual(self.run_script("env-export", "base"), text)
        said = self.frozen(text.replace("ext==", "lab=="), status=1, lab="4.5")
        self.assertIn("lab 1.0 would replace lab 4.5 (conda package py-lab-4.5-h0_0)", said)

    def test_what_conda_owns_is_a_constraint(self) -> None:
        said = self.update("lab<4\n", status=1)
        self.assertIn("conda package py-lab-4.4-h0_0: lab==4.4", said)

    def test_conda_lines_are_refused(self) -> None:
        path = self.write("base/base.yml", "name: base\ndependencies:\n  - numpy\n")
        said = self.run_script("env-update", "base", path.name, status=2)
        self.assertIn("base.yml:3: numpy", said)

    def test_another_family(self) -> None:
        text = self.freeze().replace(f"sha256:{'1' * 64}", "local python-3.13")
        said = self.frozen(text, status=2, lab="4.4")
        self.assertIn("frozen on the embedded base", said)


class OrderTest(BaseScratch):
    def test_environments_are_in_the_order_of_their_creation(self) -> None:
        path = self.write("x.yml", "dependencies: [python]\n")
        for name in ("b", "c", "a"):
            self.run_script("env-create", name, path)
        shutil.rmtree(self.prefix("c"))
        order = self.conda_dir / "share" / "environment" / "order"
        self.assertEqual(order.read_text().split(), ["b", "c", "a"])
        self.run_script("env-create", "c", path)
        code = "from platform_env.environments import paths; print(*paths.in_order())"
        told = subprocess.run(
            ["/opt/conda/bin/python", "-B", "-c", code],
            env={**self.env, "PYTHONPATH": str(SCRIPTS)},
            capture_output=True,
            text=True,
        )
        self.assertEqual(told.stdout.split(), ["b", "c", "a"], told.stderr)
