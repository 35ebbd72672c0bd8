# SPDX-License-Identifier: Apache-2.0
"""The delegate's units as the service tells of them on the board's console (GGML_NNRT_TRACE=1): the card's block `units`.

    nnrt-unit {"id", "ops", "bytes", "compile_ms", "nnrt_us", "cpu_us", "verdict", "why"}     each unit, when it is decided
    nnrt-first {"id", "rows"}                                                                its first call after that
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from kiln.errors import one_line

LINES, MOST = 400, 1000                # of the console that are asked for; units that a card takes
_TEXT, _NUMBERS = ("id", "ops", "verdict", "why"), ("bytes", "compile_ms", "nnrt_us", "cpu_us")


def read(lines: Iterable[str], into: dict[str, dict[str, object]]) -> None:
    """Add what the lines tell to `into`, by id; what is no line of ours, whole and of the right types, is passed over."""
    for line in lines:
        for mark in ("nnrt-unit ", "nnrt-first "):
            _, found, text = line.partition(mark)
            said = _object(text) if found else {}
            name = said.get("id")
            if not isinstance(name, str):
                continue
            if mark == "nnrt-first ":
                into.get(one_line(name, 200), {})["used"] = True
            elif _whole(said) and len(into) < MOST:
                unit: dict[str, object] = {key: one_line(said[key], 200) for key in _TEXT}
                unit |= {key: said[key] for key in _NUMBERS}
                into.setdefault(str(unit["id"]), {**unit, "used": False})


def _whole(said: Mapping[str, Any]) -> bool:
    return (all(isinstance(said.get(key), str) for key in _TEXT) and said["verdict"] in ("nnrt", "cpu")
            and all(type(said.get(key)) in (int, float) and 0 <= said[key] < 1 << 53 for key in _NUMBERS))


def _object(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
