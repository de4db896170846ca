"""The container's server: reachable from outside, with GEN_CERT and NB_UMASK as documented."""

import os
import subprocess
from pathlib import Path

from jupyter_core.paths import jupyter_runtime_dir

c = get_config()  # noqa: F821
c.ServerApp.ip = "0.0.0.0"
c.ServerApp.open_browser = False
c.FileContentsManager.delete_to_trash = False


def self_signed_certificate() -> str:
    """Return a file with a private key and its certificate, made for this container."""
    file = Path(jupyter_runtime_dir()) / "certificate.pem"
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "365"]
        request += ["-subj", "/CN=localhost", "-keyout", str(file), "-out", str(file)]
        subprocess.run(request, check=True, stderr=subprocess.DEVNULL)
    return str(file)


if os.environ.get("GEN_CERT") in ("yes", "1"):
    c.ServerApp.certfile = self_signed_certificate()

if os.environ.get("NB_UMASK"):
    os.umask(int(os.environ["NB_UMASK"], 8))
