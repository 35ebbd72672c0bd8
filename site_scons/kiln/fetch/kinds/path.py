# SPDX-License-Identifier: Apache-2.0
"""A file on this machine; a relative path is below Kiln's own data."""

from __future__ import annotations

from pathlib import Path

from kiln.fetch.ask import Ask
from kiln.fetch.part import Part, copy
from kiln.pin import Pin


def place(pin: Pin) -> str:
    """The path as the pin gives it."""
    return pin.path


def fetch(pin: Pin, part: Part, ask: Ask) -> None:
    """Copy it, hashing."""
    copy(ask.data / Path(pin.path).expanduser(), part)
