# SPDX-License-Identifier: Apache-2.0
"""Move a pin: what its kind finds today, fetched into the cache, with the digest that was published or that we computed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from kiln import family, share
from kiln.errors import FetchError, Refused, UnpackError
from kiln.fetch import cache as caches
from kiln.fetch import archive
from kiln.fetch.ask import Ask
from kiln.fetch.part import Part
from kiln.fetch.stream import Pace
from kiln.fetch.unpack import Limits
from kiln.pin import Pin
from kiln.progress import Progress, silent

NOBODY = "0" * 64                      # as a digest: nobody knows it yet


@dataclass(frozen=True)
class Wish:
    """What a person asks for beside the newest: a day (YYYYMMDD) and a branch."""

    date: str = ""
    branch: str = ""


@dataclass(frozen=True)
class Newer:
    """What a kind found: the fields of the pin that move. `sha256` is empty where nobody publishes it."""

    version: str
    file: str
    url: str = ""
    path: str = ""
    name: str = ""
    sha256: str = ""
    branch: str = ""


@dataclass
class _First(Part):
    """A Part whose digest nobody knows: whatever comes is right, and its digest is noted."""

    @property
    def got(self) -> str:
        return self._hash.hexdigest()

    def check(self) -> None:
        assert self._out
        self._out.flush()


def move(pin: Pin, wish: Wish, root: Path, *, today: str, progress: Progress = silent, pace: Pace = Pace()) -> Pin:
    """The pin as it would be today, its bytes in the cache. Raises Refused where its kind cannot be moved so, FetchError."""
    from kiln.fetch import kinds

    kind, ask = family.load(kinds, pin.kind), Ask(caches.open(root), share.root(), pace)
    if not hasattr(kind, "newest"):
        raise Refused(f"a pin of kind {pin.kind} is not moved by a service", where=f"vendor/{pin.pin}.yaml", hint="edit it by hand")
    if (wish.date or wish.branch) and pin.kind != "daily":
        raise Refused(f"date= and branch= choose among daily builds, and {pin.pin} is of kind {pin.kind}", hint=f"scons update={pin.pin}")
    newer: Newer = kind.newest(pin, wish, ask)
    given = {name: value for name, value in vars(newer).items() if value and name != "sha256"}
    moved = replace(pin, **{**given, "sha256": newer.sha256 or NOBODY, "size": 0}, subdir=_subdir(pin, newer), mirrors=())
    trust: Literal["published", "first-seen"] = "published" if newer.sha256 else "first-seen"
    sha256, size = _fetched(moved, ask, progress)
    same = sha256 == pin.sha256
    if same and moved.version == pin.version:
        return pin
    return replace(moved, sha256=sha256, size=size, trust=trust, seen=today, mirrors=pin.mirrors if same else ())


def _subdir(pin: Pin, newer: Newer) -> str:
    """A source package unpacks to a folder that is named after its version."""
    return pin.subdir.replace(pin.version, newer.version) if pin.version else pin.subdir


def _fetched(pin: Pin, ask: Ask, progress: Progress) -> tuple[str, int]:
    """Its bytes into the cache: sha256 and size. A download that was cut goes on at the next try."""
    from kiln import fetch
    from kiln.fetch import kinds

    if pin.sha256 != NOBODY:
        came = fetch.get(pin, ask.cache.root, progress=progress, pace=ask.pace)
        return pin.sha256, came.path.stat().st_size
    name = hashlib.sha256(f"{pin.kind} {pin.url} {pin.path}".encode()).hexdigest()
    with ask.cache.lock(name):
        file = ask.cache.partial(name)
        try:
            with progress(0, pin.pin or pin.file) as update, _First(file, name, 0, update) as part:
                family.load(kinds, pin.kind).fetch(pin, part, ask)
                got, size = part.got, part.offset
                if not part.size:
                    raise FetchError("does not say how long it is, so one that was cut would pass for whole")
            _whole(file, pin.file, progress)
        except FetchError as error:
            if not file.exists() or not file.stat().st_size:
                file.unlink(missing_ok=True)
                part.forget()
            raise type(error)(error.what, where=family.load(kinds, pin.kind).place(pin), hint=error.hint) from error
        with ask.cache.lock(got) as held:
            if ask.cache.find(got, size, held) is None:
                ask.cache.admit(file, got, held)
        file.unlink(missing_ok=True)
        part.forget()
    return got, size


def _whole(file: Path, name: str, progress: Progress) -> None:
    """Walk through an archive once: no digest says that it is whole, and a server that sends an error page does so with 200 OK."""
    if not name.endswith(archive.SUFFIXES):
        return
    with file.open("rb") as stream, progress(file.stat().st_size, f"look through {name}"[:40]) as update:
        try:
            with archive.broken():
                for _ in archive.members(stream, name, archive.Bounds(Limits().total, update)):
                    pass
        except UnpackError as error:
            file.unlink()
            raise FetchError(f"what came is no whole archive: it {error.what}", hint="try again, or take another day: date=YYYYMMDD") from error
