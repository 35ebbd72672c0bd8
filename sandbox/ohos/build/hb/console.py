# SPDX-License-Identifier: Apache-2.0
"""What a build prints, where it is kept, and the error that ends it."""

from __future__ import annotations

import sys
from pathlib import Path


class OhosError(Exception):
    """A failed build: OpenHarmony's four-digit code (first digit: the stage) and what the failure block says."""

    def __init__(self, code: str, reason: str, kind: str = "", description: str = "", solution: str = "") -> None:
        super().__init__(reason)
        self.lines = (f"Code:        {code}", "", f"Reason:      {reason}", "", f"Error Type:  {kind}",
                      f"Description: {description}", f"Solution:    {solution}")


class Console:
    """Lines with prefix and stage, INFO to stdout and the rest to stderr, all of them to build.log once it is open."""

    def __init__(self) -> None:
        self.file = None
        self.path = Path("out/build.log")

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
        for line in text.splitlines() or [""]:
            shown = f"[OHOS {level}] {f'[{stage}] ' if stage else ''}{line}"
            print(shown, file=sys.stderr if error_stream or level != "INFO" else sys.stdout, flush=True)
            self.raw(shown)


def put_aside(path: Path) -> None:
    """build.log -> build.<mtime>.log, as the real one does; they are never pruned."""
    if path.exists():
        path.replace(path.with_name(f"{path.stem}.{path.stat().st_mtime}{path.suffix}"))
