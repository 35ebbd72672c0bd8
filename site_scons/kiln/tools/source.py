# SPDX-License-Identifier: Apache-2.0
"""PinnedSource: a pin, fetched, verified and unpacked, as a Tree in build/src/<pin>-<key8>."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kiln import pin as pins
from kiln import product, results
from kiln.progress import bar
from kiln.tools import boundary, outside
from kiln.tools.settings import Settings

REVISION = 1


def pinned_source(env: Any, name: str) -> Any:
    """The node of the Tree of the pin `name`; asked twice, it is the same node."""
    seen = env.setdefault("KILN_SOURCES", {})
    if name not in seen:
        with boundary.reading():
            seen[name] = _node(env, pins.load(name))
    return seen[name]


def key8(pin: pins.Pin) -> str:
    """The eight digits that tell two versions of a pin apart in a folder name."""
    return pin.sha256[:8]


def _node(env: Any, pin: pins.Pin) -> Any:
    settings: Settings = env["KILN_SETTINGS"]
    folder = settings.build / "src" / f"{pin.pin}-{key8(pin)}"

    def make(key: str) -> Sequence[Path]:
        from kiln import fetch

        came = fetch.get(pin, settings.cache, offline=settings.offline, mirror=settings.mirror, progress=bar)
        root = fetch.unpack(came.path, folder / "tree", file=pin.file, subdir=pin.subdir)
        results.save(results.Tree(root, came.input), folder)
        return ()

    step = outside.Step("fetch", f"{pin.pin} {pin.version}", folder, make, lambda: (), (str(REVISION), product.canonical(pin)))
    return outside.node(env, step, [])
