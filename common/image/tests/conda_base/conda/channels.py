"""Channels by name or URL, and their URLs with and without credentials."""

import re
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

SUBDIRS = ("linux-64", "noarch")


@dataclass(frozen=True)
class Channel:
    """Place of a channel; as in conda, `location` and `name` carry neither password nor token."""

    scheme: str
    location: str
    name: str
    auth: str | None = None
    token: str | None = None

    @property
    def base_url(self) -> str:
        return f"{self.scheme}://{self.location}/{self.name}"

    def url(self, subdir: str) -> str:
        """Returns the URL of a subdir, with credentials."""
        auth = f"{self.auth}@" if self.auth else ""
        token = f"/t/{self.token}" if self.token else ""
        return f"{self.scheme}://{auth}{self.location}{token}/{self.name}/{subdir}"

    def shown(self) -> dict[str, str | None]:
        """Returns what `conda config --show --json` prints of a channel."""
        return {
            "scheme": self.scheme,
            "auth": self.auth,
            "location": self.location,
            "token": self.token,
            "name": self.name,
            "platform": None,
            "package_filename": None,
        }


def split(url: str) -> Channel:
    """Returns scheme, credentials and the rest of a URL, as a channel without a name."""
    found = re.search(r"/t/([a-zA-Z0-9-]*)", url)
    bare = url.replace(found[0], "", 1) if found else url
    parts = urlsplit(bare.rstrip("/"))
    auth, _, host = parts.netloc.rpartition("@")
    return Channel(parts.scheme, host + parts.path, "", auth or None, found[1] if found else None)


def without_credentials(url: str) -> str:
    parts = split(url)
    return f"{parts.scheme}://{parts.location}"


@dataclass(frozen=True)
class Places:
    """The settings that say where channels are."""

    alias: Channel
    custom: dict[str, Channel]

    def channel(self, text: str) -> Channel:
        """Returns the channel of a name or URL, with the credentials that settings add to it."""
        if "://" not in text:
            place = self.custom.get(text, self.alias)
            return replace(place, name=text.strip("/"))
        parts = split(text)
        for name, place in self.custom.items():
            if parts.location == f"{place.location}/{name}":
                return replace(place, scheme=parts.scheme, name=name)
        prefix = f"{self.alias.location}/"
        if parts.location.startswith(prefix):
            auth, token = parts.auth or self.alias.auth, parts.token or self.alias.token
            name = parts.location.removeprefix(prefix)
            return Channel(parts.scheme, self.alias.location, name, auth, token)
        host, _, path = parts.location.partition("/")
        return Channel(parts.scheme, host, path, parts.auth, parts.token)

    def canonical_name(self, base_url: str) -> str:
        """Returns the name of a channel in history: short where the settings know its place."""
        channel = self.channel(base_url)
        known = channel.name in self.custom or channel.location == self.alias.location
        return channel.name if known else channel.base_url
