"""Makes a conda installation: `python -m conda_base.root FOLDER SPEC…`.

The same code that becomes the package `conda` links it, so that the base holds what conda leaves:
conda-meta with its history, `python` pinned to its minor version, and a .condarc.
"""

import os
import sys
from pathlib import Path

os.environ["CONDA_ROOT"] = sys.argv[1]  # before the settings are read

from .conda import install, link, settings
from .wheels import MINOR

_CONDARC = "channels:\n  - conda-forge\nauto_update_conda: false\nshow_channel_urls: true\n"


def main() -> None:
    prefix, specs = Path(sys.argv[1]), sys.argv[2:]
    known = settings.load()
    packages = install.solved(known, prefix, ["conda-forge"], specs)
    link.execute(known, prefix, packages, specs)
    (prefix / "conda-meta" / "pinned").write_text(f"python {MINOR}.*\n", encoding="utf-8")
    (prefix / ".condarc").write_text(_CONDARC, encoding="utf-8")
    (prefix / "envs").mkdir(exist_ok=True)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # py-rattler's threads may outlive an orderly end
