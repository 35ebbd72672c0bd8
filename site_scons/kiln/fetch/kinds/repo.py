# SPDX-License-Identifier: Apache-2.0
"""A tree of many repositories, as Google's `repo` lays them out: its pin lists a commit for each, and nobody fetches it here.

`doctor` prints the lines that make such a tree (some 150 GB with what a build needs); a build is given it as ohos=PATH.
"""

from __future__ import annotations

from kiln.errors import FetchError
from kiln.fetch.ask import Ask
from kiln.fetch.part import Part
from kiln.pin import Pin


def place(pin: Pin) -> str:
    """The manifest's repository and what of it."""
    return f"{pin.url} {pin.version}"


def fetch(pin: Pin, part: Part, ask: Ask) -> None:
    """Raise FetchError: it says how to come by the tree."""
    raise FetchError(f"{len(pin.projects)} repositories are not fetched", hint="make the tree with repo (scons doctor prints the lines), then give ohos=PATH")
