# SPDX-License-Identifier: Apache-2.0
"""Which versions of the host's image tools give the bytes that we promise; others are refused, by name."""

from __future__ import annotations

import re

from kiln.errors import Refused
from kiln.run import run

# Tried, with a fresh file system, injection and growth over many groups: equal bytes from e2fsprogs 1.46.2 (Debian 11),
# 1.47.0 (12), 1.47.2 (13) and 1.47.4 (unstable), and from sgdisk 1.0.9 (12) and 1.0.10 (13). First and last that will do:
GOOD = {"debugfs": ("1.46.2", "1.47.4"), "mke2fs": ("1.46.2", "1.47.4"), "resize2fs": ("1.46.2", "1.47.4"), "sgdisk": ("1.0.9", "1.0.10")}
_ASK = {"resize2fs": "-h"}             # it has no -V; its usage begins with the version


def version(program: str) -> str:
    """What a tool calls itself, "" if it does not say."""
    said = run([program, _ASK.get(program, "-V")], ok=range(256)).text
    found = re.search(r"\b(\d+\.\d+(?:\.\d+)?)", said)
    return found[1] if found else ""


def check() -> None:
    """Raises Refused naming the tool, its version and the versions that give these bytes."""
    for program, (first, last) in GOOD.items():
        got = version(program)
        if not got or not _number(first) <= _number(got) <= _number(last):
            raise Refused(f"{program} {got or 'of an unknown version'} is not known to make the same image bytes",
                          where="image", hint=f"{first} to {last} do; Debian 12 and 13 have such")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
