# SPDX-License-Identifier: Apache-2.0
"""A bundle: pinned inputs in one folder, laid out as the cache is, with an index; mirror=DIR takes them from there.

    blobs/sha256/<aa>/<digest>   the bytes       signed/<digest>.json   what stands in for a pin that says `accept: signed`
    index.json                   {"kiln bundle": 1, "inputs": [...], "products": {name: [digests]}}, written last

Several products may share one. A run that was cut goes on; a blob that is there is read, so a second run also heals a rotten one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kiln import run, stamp
from kiln.errors import Refused
from kiln.fetch import Fetched
from kiln.fetch.cache import Cache, writing
from kiln.pin import Pin
from kiln.progress import Progress, amount, silent

INDEX, MARK, SCHEMA = "index.json", "kiln bundle", 1
_PIECE = 1 << 20


@dataclass(frozen=True)
class Put:
    """What one run put into a bundle: bytes that were copied, bytes that were there already."""

    copied: int
    kept: int


def check(into: Path) -> dict[str, Any]:
    """The index of the bundle in that folder; an empty one where nothing is. Raises Refused for a folder with other things in it."""
    if not into.exists():
        return {MARK: SCHEMA, "inputs": [], "products": {}}
    if not into.is_dir():
        raise Refused("is no folder", where=into, hint="into= names the folder of the bundle")
    try:
        index = json.loads((into / INDEX).read_bytes())
        if index[MARK] == SCHEMA and isinstance(index["inputs"], list) and isinstance(index["products"], dict):
            return index  # type: ignore[no-any-return]
        raise Refused(f"is a bundle of another layout: {index[MARK]!r}", where=into, hint="give into=ANOTHER_FOLDER")
    except FileNotFoundError:
        # A run that was cut before it wrote the index leaves these, and nothing else.
        others = sorted(entry.name for entry in into.iterdir() if entry.name not in ("blobs", "signed", "wheels"))
    except (OSError, ValueError, KeyError, TypeError):
        others = [INDEX]
    if others:
        raise Refused(f"holds other things than a bundle: {', '.join(others[:3])}{' ...' if len(others) > 3 else ''}", where=into,
                      hint="give into=ANOTHER_FOLDER")
    return {MARK: SCHEMA, "inputs": [], "products": {}}


def put(product: str, pairs: Sequence[tuple[Pin, Fetched]], cache: Cache, into: Path, *, progress: Progress = silent) -> Put:
    """Put what was fetched for these pins into the bundle. Raises Refused where it does not fit."""
    index, bundle = check(into), Cache(into)
    into.mkdir(parents=True, exist_ok=True)
    missing = sum(came.input.size for _, came in pairs if not bundle.blob(came.input.sha256).exists())
    free = shutil.disk_usage(into).free
    if missing > free:
        raise Refused(f"{amount(missing)} are needed and {amount(free)} are free", where=into, hint="make room, or give into=ANOTHER_FOLDER")
    copied = kept = 0
    with writing(into):
        for pin, came in pairs:
            taken = _blob(came, bundle, progress)
            copied, kept = copied + taken, kept + came.input.size - taken
            if came.input.sha256 != pin.sha256:
                stamp.write(bundle.signed(pin.sha256), cache.signed(pin.sha256).read_bytes())
        rows = {row["sha256"]: row for row in index["inputs"]}
        rows |= {came.input.sha256: {**asdict(came.input), "file": pin.file} for pin, came in pairs}
        index["inputs"] = sorted(rows.values(), key=lambda row: (row["name"], row["sha256"]))
        index["products"][product] = sorted({came.input.sha256 for _, came in pairs})
        stamp.write(into / INDEX, json.dumps(index, sort_keys=True, indent=1) + "\n")
    return Put(copied, kept)


def _blob(came: Fetched, bundle: Cache, progress: Progress) -> int:
    """One blob, read back where it is there already; gives the bytes that were copied."""
    digest, place = came.input.sha256, bundle.blob(came.input.sha256)
    if place.is_file() and place.stat().st_size == came.input.size and stamp.digest(place) == digest:
        return 0
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f".{digest}.tmp")
    try:
        with came.path.open("rb") as source, beside.open("wb") as out, progress(came.input.size, f"bundle {came.input.name}") as update:
            while piece := source.read(_PIECE):
                run.go_on("a bundle was made")
                out.write(piece)
                update(len(piece))
        beside.chmod(0o444)
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)
    return came.input.size
