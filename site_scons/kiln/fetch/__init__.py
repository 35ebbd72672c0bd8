# SPDX-License-Identifier: Apache-2.0
"""Pinned inputs: out of the cache, a mirror folder or the network, verified; and unpacked, safely.

    get(pin, cache)  -> Fetched      the blob in the cache, and what came as an Input
    unpack(...)      -> Path         see unpack.py
    made.keep / made.restore         see made.py
    cache.verify                     hash everything that is there
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

from kiln import family, share, stamp
from kiln.errors import DigestError, FetchError, KilnError, Refused
from kiln.fetch import cache as caches
from kiln.fetch import kinds
from kiln.fetch.ask import Ask
from kiln.fetch.cache import Cache
from kiln.fetch.part import Part, Wrong, copy
from kiln.fetch.stream import Pace, Unreachable
from kiln.fetch.unpack import Limits, unpack
from kiln.pin import Mirror, Pin
from kiln.progress import Progress, silent
from kiln.results import Input

__all__ = ["Fetched", "Limits", "Pace", "get", "unpack"]


@dataclass(frozen=True)
class Fetched:
    """`path` is the blob in the cache (read-only); `input` says what came, which for `accept: signed` may be newer."""

    path: Path
    input: Input


@dataclass(frozen=True)
class Way:
    """How this run may come by its inputs."""

    cache: Cache
    offline: bool
    mirror: Path | None
    progress: Progress
    pace: Pace
    whole: bool


def get(pin: Pin, cache: Path, *, offline: bool = False, mirror: Path | None = None, progress: Progress | None = None,
        pace: Pace = Pace(), verify: bool = False) -> Fetched:
    """The pinned bytes, verified by size and sha256: from the cache, the mirror folder, then the pin's places in order.

    `offline` leaves out the network; `verify` hashes a cached blob even if it looks untouched. Raises Refused
    (offline and not here, no room), DigestError (other bytes came; kept in rejected/), FetchError (all places failed).
    """
    way = Way(caches.open(cache), offline, mirror, progress or silent, pace, verify)
    try:
        return _get(_stand_in(pin, way) or pin, way, pin)
    except (FetchError, Refused) as error:
        if pin.accept != "signed" or offline or isinstance(error, Unreachable):
            raise
    instead = _signed(pin, way)
    fetched = _get(instead, way, pin)
    stamp.write(way.cache.signed(pin.sha256), json.dumps({**asdict(instead), "mirrors": []}, sort_keys=True) + "\n")
    return fetched


def _get(pin: Pin, way: Way, wanted: Pin) -> Fetched:
    same = pin.sha256 == wanted.sha256
    came = Input(wanted.pin or wanted.name, pin.kind, pin.version, pin.sha256, pin.size, pin.licence, pinned=same)
    with way.cache.lock(pin.sha256, way.progress) as held:
        blob = way.cache.find(pin.sha256, pin.size, held, whole=way.whole)
        if blob is None:
            blob = _bring(pin, way, held)
    return Fetched(blob, replace(came, size=blob.stat().st_size))


def _bring(pin: Pin, way: Way, held: IO[str]) -> Path:
    """Try the mirror folder, then place after place; the first that has the bytes ends it."""
    failed: list[tuple[str, FetchError]] = []
    for place, fill in _places(pin, way):
        try:
            return _take(pin, way, held, fill)
        except FetchError as error:
            failed.append((place, error))
    raise _sum(pin, way, failed)


def _places(pin: Pin, way: Way) -> Iterator[tuple[str, Callable[[Part], None]]]:
    if way.mirror is not None:
        blob = Cache(way.mirror).blob(pin.sha256)
        yield f"mirror={way.mirror}", lambda part: copy(blob, part)
    ask = Ask(way.cache, share.root(), way.pace)
    for one in (pin, *(_as_pin(pin, mirror) for mirror in pin.mirrors)):
        if not way.offline or one.kind == "path":
            kind = family.load(kinds, one.kind)
            yield kind.place(one), lambda part, one=one, kind=kind: kind.fetch(one, part, ask)  # type: ignore[misc]


def _as_pin(pin: Pin, mirror: Mirror) -> Pin:
    """A mirror says only what differs: the bytes are the pin's."""
    given = {name: value for name, value in asdict(mirror).items() if value}
    return replace(pin, **{"url": "", "path": "", "token": "", **given}, mirrors=())


def _take(pin: Pin, way: Way, held: IO[str], fill: Callable[[Part], None]) -> Path:
    """One place's bytes into the cache. Other bytes than the pinned go to rejected/."""
    file = way.cache.partial(pin.sha256)
    way.cache.room(pin.size - (file.stat().st_size if file.exists() else 0))
    with way.progress(pin.size, pin.pin or pin.file) as update, Part(file, pin.sha256, pin.size, update) as part:
        try:
            fill(part)
            part.check()
        except Wrong as error:
            kept = way.cache.reject(file, pin.sha256, error.got)
            part.forget()
            raise DigestError(f"has sha256 {error.got} where {pin.sha256} is pinned", hint=f"kept for inspection: {kept}") from error
    blob = way.cache.admit(file, pin.sha256, held)
    part.forget()
    return blob


def _sum(pin: Pin, way: Way, failed: list[tuple[str, FetchError]]) -> KilnError:
    """All that was tried, as one error."""
    name = pin.pin or pin.name or pin.file
    tried = "; ".join(f"{place}: {error.what}" for place, error in failed)
    hint = next((error.hint for _, error in failed if error.hint), "")
    digests = [error for _, error in failed if isinstance(error, DigestError)]
    if digests:
        return DigestError(tried, where=name, hint=digests[0].hint)
    if way.offline:
        return Refused(f"{pin.file} is not in the cache, and offline=1 forbids to fetch it" + (f" ({tried})" if tried else ""),
                       where=name, hint="; ".join(filter(None, ("run once with the network, or give mirror=DIR of a bundle", pin.instead))))
    if any(isinstance(error, Unreachable) for _, error in failed):
        return Unreachable(f"no network? {tried}", where=name,
                           hint="; ".join(filter(None, ("check the connection and HTTPS_PROXY; mirror=DIR of a bundle and offline=1 build without a network", pin.instead))))
    return FetchError(f"cannot be had: {tried}", where=name,
                      hint=hint or "; ".join(filter(None, ("another mirror can be added to the pin's file", pin.instead))))


def _signed(pin: Pin, way: Way) -> Pin:
    try:
        return family.load(kinds, pin.kind).signed(pin, Ask(way.cache, share.root(), way.pace))  # type: ignore[no-any-return]
    except FetchError as error:
        raise _sum(pin, way, [(f"{pin.kind} {pin.name}", error)]) from error


def _stand_in(pin: Pin, way: Way) -> Pin | None:
    """What an earlier run took from the signed index in place of this pin, if the cache or the mirror remembers."""
    if pin.accept != "signed" or way.cache.blob(pin.sha256).exists():
        return None
    for place in (way.cache, Cache(way.mirror) if way.mirror else way.cache):
        try:
            return replace(Pin(**{**json.loads(place.signed(pin.sha256).read_text()), "mirrors": ()}), licence=pin.licence, pin=pin.pin)
        except (OSError, ValueError, TypeError, KilnError):
            continue
    return None
