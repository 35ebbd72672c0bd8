# SPDX-License-Identifier: Apache-2.0
"""Demo: a program of ours, and what it works on, sent to a running board and run there; what it prints is what a person sees.

The programs end with one line that begins with their name when something fails: that line is the error.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from kiln.errors import BoardError, Refused, one_line

FOLDER = "/data/local/tmp/kiln"        # below boards.SCRATCH
LARGEST = 1 << 30                      # bytes of one file sent
TIMEOUT = 300.0                        # seconds


class Reached(Protocol):
    """What we need of a board (kiln.boards.Board has it)."""

    @property
    def up(self) -> bool: ...
    def seconds(self) -> float: ...
    def watch(self) -> None: ...
    def failure(self, what: str) -> BoardError: ...
    def send(self, file: Path, dest: str, mode: int = 0o755) -> None: ...
    def run(self, argv: Sequence[str], timeout: float = 120) -> tuple[int, str]: ...


def files(named: Sequence[Path]) -> tuple[Path, ...]:
    """The model and the inputs that a person names. Raises Refused for one that is not there, empty or too large."""
    for file in named:
        if not file.is_file():
            raise Refused(f"{file} is not there", where="ms", hint="give ms=MODEL.ms, or ms=MODEL.ms,INPUT,... for inputs of your own")
        if not 0 < (size := file.stat().st_size) <= LARGEST:
            raise Refused(f"{file} has {size} bytes", where="ms", hint=f"at least one and at most {LARGEST} can be sent")
    return tuple(named)


def wait(board: Reached, limit: float) -> None:
    """Until the board is up. Raises BoardError if it goes away, or is not up `limit` seconds after power-on."""
    while not board.up:
        board.watch()
        if board.seconds() > limit:
            raise board.failure(f"the board is not up after {limit:.0f} s")
        time.sleep(0.05)


def run(board: Reached, program: Path, given: Sequence[Path] = ()) -> tuple[str, ...]:
    """Send `program` and `given`, run it with them for arguments; gives the lines that it printed. Raises BoardError with its own last word."""
    remote = f"{FOLDER}/{program.name}"
    board.send(program, remote, 0o755)
    # Numbered: two files of a person may have one name, and a name may hold what no board's shell should see.
    words = [f"{FOLDER}/{number}{file.suffix if file.suffix.isascii() and file.suffix[1:].isalnum() else ''}" for number, file in enumerate(given)]
    for file, word in zip(given, words, strict=True):
        board.send(file, word, 0o644)
    code, said = board.run([remote, *words], timeout=TIMEOUT)
    board.run(["rm", "-f", remote, *words])
    for file, word in zip(given, words, strict=True):
        said = said.replace(word, file.name)
    lines = tuple(("  " if line.startswith(" ") else "") + one_line(line) for line in said.splitlines() if line.strip())
    if code:
        ours = [line for line in lines if line.startswith(f"{program.name}: ")]
        what = ours[-1] if ours else f"{program.name} failed on the board (exit code {code}): {lines[-1] if lines else 'it printed nothing'}"
        raise BoardError(what, hint=_hint(code, what))
    return lines


def _hint(code: int, what: str) -> str:
    if "has no MindSpore Lite" in what:
        return "bake an image with the library: system.targets with mindspore_lib"
    if "has no NNRt" in what:
        return "bake an image with the library: system.targets with neural_network_runtime"
    return "is the board's C library that of the product's ABI?" if code in (126, 127) else ""
