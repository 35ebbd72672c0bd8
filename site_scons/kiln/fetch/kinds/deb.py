# SPDX-License-Identifier: Apache-2.0
"""A Debian package of any architecture: `name`, `version`, `arch`, and `path` below the archive's root.

First by path from each archive that the host's sources name: an archive keeps a file while any of its releases uses
it, so Debian 13 can bring the very bytes that Debian 12 lists, and no index (9 MB) is needed. Then through the index.
`signed` names what the index has instead, for a pin that says `accept: signed`.
"""

from __future__ import annotations

import re
from dataclasses import replace

from kiln.errors import FetchError
from kiln.fetch import apt
from kiln.fetch.ask import Ask
from kiln.fetch.newer import Newer, Wish
from kiln.fetch.part import Part, Wrong, copy
from kiln.fetch.stream import Unreachable
from kiln.pin import Pin

_VERSION = re.compile(r"-\d[\w.+~]*(-\d+)?(?=-|$)")  # the part of a kernel's name that moves


def place(pin: Pin) -> str:
    """Package, version and architecture."""
    return f"Debian {pin.name} {pin.version} ({pin.arch})"


def fetch(pin: Pin, part: Part, ask: Ask) -> None:
    """Bring exactly the pinned package."""
    with ask.cache.lock(f"apt-{pin.arch}"):
        private = apt.private(ask.cache, pin.arch)
        if not _by_path(private, pin, part):
            _by_index(private, pin, part)


def signed(pin: Pin, ask: Ask) -> Pin:
    """The pin of what the signed index has today under that name, or under the name with the version that moved."""
    with ask.cache.lock(f"apt-{pin.arch}"):
        private = apt.private(ask.cache, pin.arch)
        private.update()
        found = private.versions(pin.name) or private.versions(_moved(private, pin))
    if not found:
        raise FetchError(f"the distribution has no {pin.name} and nothing in its place")
    new = found[0]
    return replace(pin, name=new.name, version=new.version, path=new.path, sha256=new.sha256, size=new.size,
                   file=new.path.rpartition("/")[2], accept="", mirrors=())


def newest(pin: Pin, wish: Wish, ask: Ask) -> Newer:
    """What the signed index has today."""
    new = signed(pin, ask)
    return Newer(version=new.version, file=new.file, path=new.path, name=new.name, sha256=new.sha256)


def _by_path(private: apt.Apt, pin: Pin, part: Part) -> bool:
    wrong = None
    for site in private.sites() if pin.path else ():
        try:
            copy(private.download(f"{site.rstrip('/')}/{pin.path}", private.root / "came.deb"), part)
            return True
        except Wrong as error:
            wrong = error
        except Unreachable:
            raise
        except FetchError:
            continue
    if wrong:
        raise wrong
    return False


def _by_index(private: apt.Apt, pin: Pin, part: Part) -> None:
    private.update()
    listed = private.versions(pin.name)
    exact = [one for one in listed if one.version == pin.version]
    if not exact:
        now = f"which has {listed[0].version} now" if listed else "which has no package of that name now"
        raise FetchError(f"is no longer in the distribution, {now}", hint=f"move the pin: scons update={pin.pin or pin.name}")
    copy(private.get(exact[0], private.root / "came"), part)


def _moved(private: apt.Apt, pin: Pin) -> str:
    """linux-image-6.1.0-56-cloud-arm64 -> what linux-image-cloud-arm64 depends on today."""
    bare = _VERSION.sub("", pin.name, count=1)
    alike = re.compile(re.escape(bare).replace(r"\-", "-").replace("-", r"(?:-\d[\w.+~]*(?:-\d+)?)?-"))
    for package in private.versions(bare)[:1] if bare != pin.name else ():
        for wanted in re.split(r"[,|]", package.depends):
            name = wanted.split("(")[0].strip()
            if name != bare and alike.fullmatch(name):
                return name
    return pin.name
