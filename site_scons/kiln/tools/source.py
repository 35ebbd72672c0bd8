# SPDX-License-Identifier: Apache-2.0
"""PinnedSource: a pin, fetched, verified, unpacked and patched, as a Tree in build/src/<pin>-<key8>."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kiln import patch, product, results, share
from kiln import pin as pins
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


def identity(pin: pins.Pin) -> str:
    """Of the tree that this pin gives, before it is there: the same as Tree.identity."""
    return results.identity(pin.sha256, patch.digest(_patches(pin)))


def _patches(pin: pins.Pin) -> Path:
    return share.folder("patches") / pin.pin


def _node(env: Any, pin: pins.Pin) -> Any:
    settings: Settings = env["KILN_SETTINGS"]
    patches = patch.digest(_patches(pin))
    folder = settings.build / "src" / f"{pin.pin}-{key8(pin)}"

    def make(key: str) -> Sequence[Path]:
        from kiln import fetch

        came = fetch.get(pin, settings.cache, offline=settings.offline, mirror=settings.mirror, progress=bar)
        # A killed run's journal is of the tree that goes now.
        shutil.rmtree(folder / "patched", ignore_errors=True)
        root = fetch.unpack(came.path, folder / "tree", file=pin.file, subdir=pin.subdir)
        given = patch.series(_patches(pin))
        done = patch.apply(root, given, folder / "patched").digest if given else ""
        results.save(results.Tree(root, came.input, done), folder)
        return ()

    # Without patches the key is as it was before there were any: nobody rebuilds llama.cpp for a patch to something else.
    constants = (str(REVISION), product.canonical(pin), *filter(None, [patches]))
    step = outside.Step("fetch", f"{pin.pin} {pin.version}", folder, make, lambda: (), constants)
    return outside.node(env, step, [])
