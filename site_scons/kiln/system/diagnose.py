# SPDX-License-Identifier: Apache-2.0
"""The first true error of a failed build.sh: a table of what an error looks like, the surest kind first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from kiln.errors import one_line
from kiln.run import first_error

_PREFIX = re.compile(r"^\[OHOS (?:INFO|WARNING|ERROR)\] ?(?:\[[A-Z]+\] ?)?")

# Kind, pattern. A later kind is only looked for where the ones before it are not found: ninja's "build stopped" and
# OpenHarmony's "COMPILE Failed!" name no cause.
TABLE = (
    ("compiler", re.compile(r"^\S+:\d+:\d+: (?:fatal )?error: ")),
    ("linker", re.compile(r"ld(?:\.lld)?: error: |undefined reference to ")),
    ("gn", re.compile(r"^ERROR at //|^ERROR Un")),
    ("image", re.compile(r"^error: \w+\.img: |CfgValidateError")),
    ("ninja", re.compile(r"^ninja: error: ")),
    ("program", re.compile(r"^(?:\S+: )?(?:fatal error|error|clang\S*: error): |No space left on device")),
    ("failed", re.compile(r"^FAILED: ")),
    ("build.sh", re.compile(r"prebuilts_download\.sh|^Node\.js version mismatch|^Cannot find source tree|^product \S+ not found")),
    ("reason", re.compile(r"^Reason: +\S")),
)


def plain(line: str) -> str:
    """A line without colors and without OpenHarmony's prefix."""
    return _PREFIX.sub("", one_line(line, 1000))


def cause(lines: Sequence[str], log: Path | None = None) -> str:
    """The line that says why, with paths from the root of the tree; build.sh runs its tools two folders below it."""
    said = [plain(line) for line in lines]
    for _, pattern in TABLE:
        for line in said:
            if pattern.search(line):
                return one_line(line.removeprefix("../../").removeprefix("Reason:").strip(), 300)
    return first_error(said)
