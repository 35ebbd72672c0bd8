# SPDX-License-Identifier: Apache-2.0
"""Everything that Kiln refuses or fails at, as one tree; each error is one line for a person.

    KilnError                what is wrong, where (file:line, key, path), what to do
    ├── SpecError            a YAML file says something that we do not understand
    ├── Refused              a check before the work: it does not fit, it is not there, somebody else builds
    ├── FetchError           a pinned input could not be had
    │   └── DigestError      it could be had, and is not what the pin says
    ├── UnpackError          an archive that escapes, lies or is broken
    ├── PatchError           a patch that is hostile, does not fit, or would overwrite somebody's work
    ├── ProgramError         a program that we ran failed: its command, exit code, first true error, log
    ├── ElfError             a binary is not what the board needs
    ├── ModelError           a GGUF that is malformed, or a model that does not do
    ├── ImageError           an image or partition that does not hold what it should
    └── BoardError           a board that does not come up, goes away or answers wrongly

The library raises these and never prints or exits; `tools/boundary.py` alone prints.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class KilnError(Exception):
    """`where: what; hint` on one line. `where` is a file:line, a key or a path and may be empty."""

    def __init__(self, what: str, *, where: object = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, str(where), hint
        super().__init__(what)

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return one_line(f"{head}; {self.hint}" if self.hint else head)


class SpecError(KilnError):
    """A YAML file says something that we do not understand; `where` is file:line."""


class Refused(KilnError):
    """A check before the work says no."""


class FetchError(KilnError):
    """A pinned input could not be had."""


class DigestError(FetchError):
    """An input is not what its pin says; the file that came is kept for inspection."""


class UnpackError(KilnError):
    """An archive that escapes its folder, lies about itself or is broken."""


class PatchError(KilnError):
    """A patch that is hostile, does not fit, or would overwrite somebody's work; `where` is the patch or the touched file."""


class ProgramError(KilnError):
    """A program failed; `code` is its exit status (negative: the signal)."""

    def __init__(self, what: str, *, where: object = "", hint: str = "", code: int = 1) -> None:
        super().__init__(what, where=where, hint=hint)
        self.code = code


class ElfError(KilnError):
    """A binary is not what the board needs."""


class ModelError(KilnError):
    """A GGUF that is malformed, or a model that does not do what the product asks."""


class ImageError(KilnError):
    """An image or partition that does not hold what it should."""


class BoardError(KilnError):
    """A board that does not come up, goes away or answers wrongly."""


def one_line(text: str, limit: int = 2000) -> str:
    """Text from outside made safe to quote: no terminal escapes, no control characters, one line, bounded."""
    flat = _CONTROL.sub("", text.replace("\t", " ")).replace("\r", "").strip()
    flat = " ".join(part.strip() for part in flat.splitlines() if part.strip())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def known(name: str, names: Iterable[str]) -> str:
    """The hint for an unknown name: the close matches first, then all that is known."""
    every = sorted(names)
    close = difflib.get_close_matches(name, every, n=2, cutoff=0.6)
    head = f"did you mean {' or '.join(close)}? " if close else ""
    return f"{head}known: {', '.join(every) or 'none'}"
