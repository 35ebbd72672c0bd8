# SPDX-License-Identifier: Apache-2.0
"""The two cards: the questions that a model is judged by (card.jsonl), and card.json, whose only writer this is.

card.json tells of one image on one machine: each verb replaces its own block, and a card of another manifest is begun anew.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kiln import stamp
from kiln.errors import ModelError, known, one_line
from kiln.results import BoardFacts

SCHEMA = 1
LARGEST = 16 << 20
_BASE = ("abi", "version", "variant", "selinux", "linkage")    # what a manifest says of the base and a card repeats


@dataclass(frozen=True)
class Question:
    """A question and the only answer that is right."""

    id: str
    q: str
    a: str


def questions(file: Path, ids: Sequence[str] = ()) -> tuple[Question, ...]:
    """The questions of a card.jsonl: those of `ids` in that order, or all. Raises ModelError with file:line."""
    try:
        if file.stat().st_size > LARGEST:
            raise ModelError(f"larger than {LARGEST} bytes", where=file)
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"the card of questions cannot be read: {error}", where=file) from error
    every = {one.id: one for number, line in enumerate(lines, 1) if line.strip() for one in [_question(line, f"{file}:{number}")]}
    missing = [name for name in ids if name not in every]
    if missing:
        raise ModelError(f"has no question {missing[0]!r}", where=file,
                         hint=known(missing[0], list(every)) if len(every) <= 20 else f"it holds {len(every)} questions")
    return tuple(every[name] for name in ids) if ids else tuple(every.values())


def write(file: Path, block: str, value: object, *, product: str, manifest: Path, board: BoardFacts) -> None:
    """Replace one block of card.json, beside what is always said: product, manifest, machine, board."""
    digest, base = stamp.digest(manifest), json.loads(manifest.read_text()).get("base", {})
    kept = _blocks(file, digest)
    whole = {**kept, "schema": SCHEMA, "product": product, "manifest_sha256": digest, "machine": machine(board),
             "base": {name: base[name] for name in _BASE if name in base},
             "board": {"kind": board.kind, "serial": board.serial, "cpu": board.cpu, "cores": board.cores}, block: value}
    stamp.write(file, json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def machine(board: BoardFacts) -> dict[str, object]:
    """This machine, as a card tells it."""
    return {"cpu": _processor(), "cores": os.cpu_count() or 0, "kvm": board.kvm, "qemu": board.qemu}


def _question(line: str, at: str) -> Question:
    try:
        said: Mapping[str, Any] = json.loads(line)
        made = Question(said["id"], said["q"], said["a"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError("is not a question with id, q and a", where=at) from error
    if not all(isinstance(text, str) and text for text in (made.id, made.q, made.a)):
        raise ModelError("id, q and a must be text", where=at)
    return made


def _blocks(file: Path, digest: str) -> dict[str, object]:
    """What the card already says of this very image; a card that cannot be read says nothing."""
    try:
        said = json.loads(file.read_text()) if file.stat().st_size <= LARGEST else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) and said.get("manifest_sha256") == digest and said.get("schema") == SCHEMA else {}


def _processor() -> str:
    """The processor's name; arm64 kernels give none, so there it is the architecture."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        found = None
    return one_line(found[1], 100) if found else platform.machine()
