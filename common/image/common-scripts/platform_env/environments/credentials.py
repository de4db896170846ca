"""Credentials for package indexes, for the only files that the scripts download themselves."""

import base64
import netrc
import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit


def headers(url: str) -> dict[str, str]:
    """Returns the Authorization header for a URL, from netrc or an index URL on the same host."""
    parts = urlsplit(url)
    user, password = parts.username, parts.password
    if user is None:
        user, password = (
            _from_netrc(parts.hostname or "") or _from_indexes(parts.netloc) or (None, None)
        )
    if user is None:
        return {}
    text = f"{unquote(user)}:{unquote(password or '')}"
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def _from_netrc(host: str) -> tuple[str, str] | None:
    try:
        entry = netrc.netrc(os.environ.get("NETRC")).authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return None
    return (entry[0], entry[2] or "") if entry else None


def _from_indexes(netloc: str) -> tuple[str, str] | None:
    for index in _index_urls():
        parts = urlsplit(index)
        if parts.username and parts.netloc.rpartition("@")[2] == netloc:
            return parts.username, parts.password or ""
    return None


def _index_urls() -> list[str]:
    """Returns every URL in uv's and pip's index settings."""
    texts = [value for name, value in os.environ.items() if re.match(r"(UV|PIP)_.*INDEX", name)]
    for variable in ("UV_CONFIG_FILE", "PIP_CONFIG_FILE"):
        file = os.environ.get(variable)
        if file and os.access(file, os.R_OK):
            texts.append(Path(file).read_text(encoding="utf-8"))
    return re.findall(r"https?://[^\s\"']+", "\n".join(texts))
