# SPDX-License-Identifier: Apache-2.0
"""A pin's YAML with other values: its comments, the order of its keys and everything else stay as they are."""

from __future__ import annotations

import dataclasses
import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml

from kiln import pin as pins
from kiln import spec, stamp
from kiln.errors import KilnError, Refused
from kiln.pin import Pin

_PLAIN = re.compile(r"[A-Za-z0-9/._][\w.+/:@%~=()-]*(?: [\w.+/@%~=()-]+)*")


def rewrite(file: Path, old: Pin, new: Pin) -> list[str]:
    """Write `new` where `old` stands; the lines of the file that changed, as -old and +new. Raises Refused, and writes nothing."""
    text = file.read_text(encoding="utf-8")
    fields = {field.name for field in dataclasses.fields(Pin)} - {"pin", "mirrors", "projects"}
    changed = {name: getattr(new, name) for name in fields if getattr(new, name) != getattr(old, name)}
    made = edit(text, changed, drop_mirrors=bool(old.mirrors) and not new.mirrors)
    if not _says(made, new):
        raise Refused("is written in a way that cannot be changed key by key", where=f"vendor/{new.pin}.yaml",
                      hint=f"write it by hand: {', '.join(f'{name}: {value}' for name, value in sorted(changed.items()))}")
    try:
        stamp.write(file, made)
    except OSError as error:
        raise Refused(f"cannot be written: {error.strerror}", where=file, hint="pins are moved in a checkout") from error
    before, after = text.splitlines(), made.splitlines()
    return [f"  - {line}" for line in before if line not in after] + [f"  + {line}" for line in after if line not in before]


def edit(text: str, values: Mapping[str, str | int], *, drop_mirrors: bool = False) -> str:
    """The text with these top-level keys set; one that is not there comes at the end, one set to "" goes."""
    lines, left, kept = text.splitlines(), dict(values), list[str]()
    skipping = False
    for line in lines:
        key = match[1] if (match := re.match(r"([A-Za-z_]\w*):", line)) else ""
        skipping = skipping and not key and not line.startswith("#")
        if drop_mirrors and key == "mirrors":
            skipping = True
        if skipping:
            continue
        if key not in left:
            kept.append(line)
        elif (value := left.pop(key)) != "":
            comment = re.search(r"\s+#.*$", line)
            kept.append(f"{key}: {_scalar(value)}{comment[0] if comment else ''}")
    kept += [f"{key}: {_scalar(value)}" for key, value in left.items() if value != ""]
    return "\n".join(kept) + "\n"


def _scalar(value: str | int) -> str:
    text = str(value)
    plain = isinstance(value, int) or re.fullmatch(r"\d{4}-\d\d-\d\d", text) or (_PLAIN.fullmatch(text) and yaml.safe_load(text) == text)
    return text if plain else json.dumps(text)


def _says(text: str, wanted: Pin) -> bool:
    """Whether the text, read as any pin is, is what was wanted."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / f"{wanted.pin}.yaml"
        file.write_text(text, encoding="utf-8")
        try:
            return pins.load(wanted.pin, file.parent) == wanted
        except KilnError:
            return False
