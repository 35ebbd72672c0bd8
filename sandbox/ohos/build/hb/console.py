# SPDX-License-Identifier: Apache-2.0
"""What a build prints, where it is kept, and the error that ends it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from generation import since

COLORS = {"WARNING": "\033[33m", "ERROR": "\033[31m"}


class OhosError(Exception):
    """A failed build: OpenHarmony's four-digit code (first digit: the stage) and what the failure block says."""

    def __init__(self, code: str, reason: str, kind: str = "", description: str = "", solution: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.lines = (f"Code:        {code}", "", f"Reason:      {reason}", "", f"Error Type:  {kind}",
                      f"Description: {description}", f"Solution:    {solution}")


class Console:
    """Lines with prefix, from 5.1 on with the stage: INFO to stdout, the rest to stderr, all of them to build.log once it is open."""

    def __init__(self, mode: str = "normal") -> None:
        self.file = None
        self.path = Path("out/build.log")
        self.silent = mode == "silent"
        # ninja's lines that are no step are kept from the console: always in 4.0, later while LOG_FILTER is True.
        self.filters = not since("4.1") or os.environ.get("LOG_FILTER", "True") == "True"

    def open(self, path: Path, rotate: bool) -> None:
        """Start build.log; the last one is renamed to build.<mtime>.log."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if rotate:
            put_aside(path)
        self.path = path
        self.file = path.open("w", encoding="utf-8", errors="replace", buffering=1)

    def raw(self, text: str) -> None:
        """A line for the log alone."""
        if self.file:
            print(text, file=self.file)

    def say(self, text: str, stage: str = "", level: str = "INFO", error_stream: bool = False) -> None:
        stage = f"[{stage}] " if stage and since("5.1") else ""
        for line in text.splitlines() or [""]:
            shown = f"[OHOS {level}] {stage}{line}"
            self.raw(shown)
            color, off = COLORS.get(level, ""), "\033[0m" if level in COLORS else ""
            print(f"{color}{shown}{off}", file=sys.stderr if error_stream or level != "INFO" else sys.stdout, flush=True)

    def step(self, text: str, stage: str) -> None:
        """A line of ninja's progress; in silent mode all of them are one line."""
        if not self.silent:
            return self.say(text, stage)
        self.raw(text)
        print(f"\r[OHOS INFO] {text}", end="", flush=True)


def put_aside(path: Path) -> None:
    """build.log -> build.<mtime>.log, as the real one does; they are never pruned."""
    if path.exists():
        path.replace(path.with_name(f"{path.stem}.{path.stat().st_mtime}{path.suffix}"))
