"""The container's server: reachable from outside, with GEN_CERT and NB_UMASK as documented.

Jupyter only logs an exception of this file, and starts without its settings: sys.exit ends it.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from jupyter_core.paths import jupyter_runtime_dir

c = get_config()  # noqa: F821
c.ServerApp.ip = ""  # all addresses, IPv4 and IPv6
c.ServerApp.open_browser = False
c.FileContentsManager.delete_to_trash = False


def self_signed_certificate() -> str:
    """Return a file with a private key and its certificate, made for this container and user."""
    folder = Path(jupyter_runtime_dir())
    file = folder / f"certificate-{os.geteuid()}.pem"
    if not file.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as made:  # with mode 600
            request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "365"]
            request += ["-subj", "/CN=localhost", "-keyout", made.name, "-out", made.name]
            subprocess.run(request, check=True, stderr=subprocess.DEVNULL)
        Path(made.name).replace(file)
    return str(file)


def umask(text: str) -> int:
    """Return the umask of an octal number, which takes no right from the owner of files."""
    try:
        mask = int(text, 8)
    except ValueError:
        mask = -1
    if not 0 <= mask <= 0o077:
        sys.exit(f"NB_UMASK is '{text}'; expected an octal number from 000 to 077, such as 022")
    return mask


if os.environ.get("GEN_CERT", "").lower() not in ("", "no", "0", "false"):
    try:
        c.ServerApp.certfile = self_signed_certificate()
    except (OSError, subprocess.SubprocessError) as error:
        sys.exit(f"GEN_CERT: no certificate could be made: {error}")

if os.environ.get("NB_UMASK"):
    os.umask(umask(os.environ["NB_UMASK"]))
