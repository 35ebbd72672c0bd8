# SPDX-License-Identifier: Apache-2.0
"""One entry more, or fewer, in a JSON file that people keep: everything else in it stays as it was, byte for byte.

A place in the file is a path of keys and of objects to match: ("subsystems", {"subsystem": "ai"}, "components").
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Place = Sequence[str | Mapping[str, str]]
_SPACE = re.compile(r"[ \t\r\n]*")
_INDENT = re.compile(r"\n([ \t]+)\S")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Item:
    """A member of an object or an element of an array: from `start` (its key) to `end`, its value from `at`."""

    key: str
    start: int
    at: int
    end: int
    value: Any


def items(text: str, place: Place) -> list[Item] | None:
    """What stands at a place of a text that is JSON, in order; None if there is no such place, or no object or array."""
    at = _start(text)
    for step in place:
        found = next((item for item in _items(text, at) or () if _is(item, step)), None)
        if found is None:
            return None
        at = found.at
    return _items(text, at)


def insert(text: str, place: Place, entry: object, key: str = "") -> str:
    """The text with one entry more at the end of what stands at the place, in the style of the one before it.

    The place must be there; `key` is for objects.
    """
    there = items(text, place)
    assert there is not None
    head = f"{json.dumps(key)}: " if key else ""
    if not there:
        at = _inside(text, place)
        return text[:at] + head + json.dumps(entry, ensure_ascii=False) + text[at:]
    last = there[-1]
    gap = text[len(text[:last.start].rstrip(" \t\r\n")):last.start]
    if "\n" not in gap:
        return text[:last.end] + ", " + head + json.dumps(entry, ensure_ascii=False) + text[last.end:]
    end, indent = "\r\n" if "\r\n" in gap else "\n", gap.rpartition("\n")[2]
    unit = _INDENT.search(text)
    shown = json.dumps(entry, indent=unit[1] if unit else 2, ensure_ascii=False).replace("\n", end + indent)
    return f"{text[:last.end]},{end}{indent}{head}{shown}{text[last.end:]}"


def remove(text: str, place: Place, entry: object, key: str = "") -> str | None:
    """The text without the entry, with the comma before it, or after it if it is the first; None if it is not there."""
    there = items(text, place) or []
    at = next((number for number, item in enumerate(there) if item.key == key and item.value == entry), None)
    if at is None:
        return None
    item = there[at]
    start = there[at - 1].end if at else item.start
    end = there[1].start if not at and len(there) > 1 else item.end
    return text[:start] + text[end:]


def _start(text: str) -> int:
    return _skip(text, 1 if text.startswith("\ufeff") else 0)


def _inside(text: str, place: Place) -> int:
    at = _start(text)
    for step in place:
        at = next(item for item in _items(text, at) or () if _is(item, step)).at
    return at + 1


def _is(item: Item, step: str | Mapping[str, str]) -> bool:
    if isinstance(step, str):
        return item.key == step
    return isinstance(item.value, dict) and all(item.value.get(name) == value for name, value in step.items())


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found
    return found.end()


def _items(text: str, at: int) -> list[Item] | None:
    close = {"[": "]", "{": "}"}.get(text[at:at + 1])
    if close is None:
        return None
    found: list[Item] = []
    at = _skip(text, at + 1)
    while text[at] != close:
        start, key = at, ""
        if close == "}":
            key, at = _DECODER.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        value, end = _DECODER.raw_decode(text, at)
        found.append(Item(key, start, at, end, value))
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found
