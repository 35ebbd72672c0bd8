# SPDX-License-Identifier: Apache-2.0
"""The first bytes of a pin, before anybody waits for all of it: a model's header says whether the model fits the board.

They are not verified, for only the whole has a digest: good enough to refuse by, and the whole is checked again. What has
come stays in the cache as the beginning of the download.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kiln import family, share
from kiln.errors import FetchError
from kiln.fetch import Pace, kinds
from kiln.fetch import cache as caches
from kiln.fetch.ask import Ask
from kiln.fetch.cache import Cache
from kiln.fetch.part import Part
from kiln.pin import Pin
from kiln.progress import Progress, silent


@dataclass(frozen=True)
class Begun:
    """The file that holds the first bytes (maybe all), and the size of the whole, 0 while nobody knows it."""

    path: Path
    size: int


def front(pin: Pin, cache: Path, count: int, *, offline: bool = False, mirror: Path | None = None, progress: Progress | None = None,
          pace: Pace = Pace()) -> Begun | None:
    """At least `count` bytes of the pin, or all there are: out of the cache, the mirror folder, or its address by a range.

    None where they cannot be had without the whole: offline, or a kind of pin that is no address. Raises FetchError.
    """
    here = caches.open(cache)
    for blob in (here.blob(pin.sha256), Cache(mirror).blob(pin.sha256) if mirror else None):
        if blob is not None and blob.is_file():
            return Begun(blob, blob.stat().st_size)
    kind = family.load(kinds, pin.kind)
    if offline or not hasattr(kind, "front"):
        return None
    with here.lock(pin.sha256, progress or silent), (progress or silent)(count, f"header of {pin.pin or pin.file}") as update, \
            Part(here.partial(pin.sha256), pin.sha256, pin.size, update) as part:
        part.upto = count
        try:
            kind.front(pin, part, Ask(here, share.root(), pace))
        except FetchError as error:
            raise type(error)(error.what, where=pin.pin or kind.place(pin), hint=error.hint or "check the connection and HTTPS_PROXY; or give model=PATH of it") from error
        return Begun(part.file, part.size)
