"""Frozen specs on a conda base: exported, built again, altered by hand."""

import re

from environments import Scratch
from test_environments_conda_specs import SPEC

IDNA = "idna-3.4-pyhd8ed1ab_0"


class FrozenTest(Scratch):
    conda_base = True

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        test = cls()
        test.run_script("env-create", "e", test.write("e/e.yml", SPEC))
        test.write("e/more.conda", "libecho\n")
        test.write("e/more.pip", "docopt\nidna\n")
        test.run_script("env-update", "e", "more.conda", "more.pip")
        cls.text = test.run_script("env-export", "e")

    def test_export_pins_every_package(self) -> None:
        self.assertRegex(
            self.text,
            rf"\n  - idna=3\.4=pyhd8ed1ab_0\[subdir=noarch,fn={IDNA}\.conda,sha256=\w{{64}}\]"
            r"  # via e\.yml\n",
        )
        self.assertRegex(self.text, r"\n  - libecho=1\.0=")
        self.assertIn("channels:\n  - conda-forge\n", self.text)
        self.assertNotIn("- idna==", self.text)
        self.assertRegex(self.text, r"  - pip:\n    - docopt==0\.6\.2 --hash=\S+  # via more.pip\n")

    def test_frozen_build_equals_the_floating_one(self) -> None:
        self.write("f/f-frozen.yml", self.text.replace("name: e", "name: f"))
        self.run_script("env-create", "f", USE_FROZEN="1")
        self.assertIn("create -y -n f --no-default-packages --file", self.calls())
        again = self.run_script("env-export", "f")
        self.assertEqual(again.replace("name: f", "name: e"), self.text)

    def test_what_was_altered_by_hand_is_named(self) -> None:
        """conda itself looks at the URL and the hash alone."""
        other = self.channels.sha256("idna-3.6-pyhd8ed1ab_0.conda")
        whole = rf"idna=3\.4=pyhd8ed1ab_0(.*)fn={IDNA}"
        for old, new, status, says in (
            (whole, r"idna=3.6=pyhd8ed1ab_0\1fn=idna-3.6-pyhd8ed1ab_0", 1, "Checksum"),
            (whole, r"idna=3.9=h1_0\1fn=idna-3.9-h1_0", 1, "HTTP 404"),
            (r"(idna=.*sha256=)\w{4}", r"\g<1>0000", 1, r"ChecksumMismatchError: [^#]*/idna-3\.4"),
            (r"(idna=.*sha256=)\w{64}", rf"\g<1>{other}", 1, "ChecksumMismatchError"),
            (f"fn={IDNA}", "fn=idna-3.9-h1_0", 2, "` is not the file idna-3.9"),
            ("idna=3.4=", "idna=3.6=", 2, f"idna=3.6=pyhd8ed1ab_0` is not the file {IDNA}"),
            ("idna=3.4=pyhd8ed1ab_0", "idna=3.4=h0_1", 2, f"idna=3.4=h0_1` is not the file {IDNA}"),
        ):
            with self.subTest(new):
                altered = re.sub(old, new, self.text, count=1)
                self.assertNotEqual(altered, self.text)
                self.write("g/g-frozen.yml", altered.replace("name: e", "name: g"))
                said = self.run_script("env-create", "g", status=status, USE_FROZEN="1")
                self.assertRegex(said, says)
                self.assertNotIn("user:word", said)
                self.assertFalse(self.prefix("g").exists())

    def test_clone_exports_the_same(self) -> None:
        self.run_script("env-clone", "e", "copy")
        copied = self.run_script("env-export", "copy")
        self.assertEqual(copied.replace("name: copy", "name: e"), self.text)

    def test_spec_of_an_embedded_base_is_refused(self) -> None:
        frozen = (
            "# frozen: 1\n# platform: linux/amd64\n# base: b\nname: x\nchannels:\n  - c\n"
            "dependencies:\n  - python=3.13.5\n"
        )
        self.write("x/x-frozen.yml", frozen)
        said = self.run_script("env-create", "x", status=2, USE_FROZEN="1")
        self.assertIn("frozen on the embedded base", said)
