# SPDX-License-Identifier: Apache-2.0
"""Which versions of the host's image tools give the bytes that we promise; others are refused, by name."""

from __future__ import annotations

import re

from kiln.errors import Refused
from kiln.run import run

# Tried: the same images, byte for byte, from each of these. Debian 12 has the first of each, Debian 13 the second.
GOOD = {"debugfs": ("1.47.0", "1.47.2"), "mke2fs": ("1.47.0", "1.47.2"), "resize2fs": ("1.47.0", "1.47.2"),
        "sgdisk": ("1.0.9", "1.0.10")}
_ASK = {"resize2fs": ("-h",), "sgdisk": ("-V",)}


def version(program: str) -> str:
    """What a tool calls itself, "" if it does not say."""
    said = run([program, *_ASK.get(program, ("-V",))], ok=range(256)).text
    found = re.search(r"\b(\d+\.\d+(?:\.\d+)?)", said)
    return found[1] if found else ""


def check() -> None:
    """Raises Refused naming the tool, its version and the versions that give these bytes."""
    for program, good in GOOD.items():
        got = version(program)
        if got not in good:
            raise Refused(f"{program} {got or 'of an unknown version'} is not known to make the same image bytes",
                          where="image", hint=f"versions that do: {', '.join(good)}; Debian 12 and 13 have them")
