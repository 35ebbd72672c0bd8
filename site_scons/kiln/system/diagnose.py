# SPDX-License-Identifier: Apache-2.0
"""The first true error of a failed build.sh: a table of what an error looks like, the surest kind first, and what to do for it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kiln.errors import one_line
from kiln.run import first_error

_PREFIX = re.compile(r"^\[OHOS (?:INFO|WARNING|ERROR)\] ?(?:\[[A-Z]+\] ?)?")
_FRAME = re.compile(r'^File "[^"]+", line \d+')
_READ = 4 << 20                # bytes of build.log, from its end: a whole image's is over 100 MB

# Kind, pattern, remedy. A later kind is only looked for where the ones before it are not found: ninja's "build stopped" and
# OpenHarmony's "COMPILE Failed!" name no cause; a full disk or a killed compiler makes errors of every other kind after it. gn says that
# a script failed before the script's own words, and hb ends every failure with a traceback of its own.
TABLE = tuple((kind, re.compile(pattern), remedy) for kind, pattern, remedy in (
    ("disk", r"No space left on device|Disk quota exceeded", "make room where out/ lies"),
    ("killed", r"unable to execute command: Killed|^Killed\b|[Kk]illed signal|LLVM ERROR: out of memory|std::bad_alloc|^MemoryError\b",
     "memory ran out: fewer compilers at once (jobs=1)"),
    ("compiler", r"^\S+:\d+:\d+: (?:fatal )?error: |^error\[E\d+\]: ", ""),
    ("linker", r"(?:^|[\s/-])ld(?:\.lld)?: error: |undefined reference to ", ""),
    ("pointer", r"BadZipFile|^version https://git-lfs|End-of-central-directory signature not found", "git lfs pull in that repository"),
    ("dependency", r"InnerApi is not defined in bundle\.json", "name the module in inner_kits of its part, and the part in deps of yours"),
    ("gn", r"^ERROR at //(?!.*Script returned non-zero)|^ERROR [A-Z]", ""),
    ("privilege", r"CfgValidateError", "list the service in high_privilege_process_list.json or critical_reboot_process_list.json of the product"),
    ("image", r"^error: \w+\.img: |Could not allocate (?:block|inode)", "an image is smaller than its files: see its image_conf"),
    ("ninja", r"^ninja: error: ", ""),
    ("python", r"^[A-Za-z_][\w.]*(?:Error|Exception)(?:: |$)", ""),
    ("flag", r"^\S+\.py(?: build)?: error: ", ""),
    ("npm", r"^npm (?:ERR!|error) (?!A complete log)|ohpm initialization failed", "build.sh fetches npm packages before it builds: is there a network?"),
    ("shell", r"unexpected operator", "link /bin/sh to bash"),
    ("sdk", r"ohos-sdk build failed", "take an SDK: build/prebuilts_download.sh --download-sdk"),
    ("program", r"^(?:\S+: )?(?:fatal error|error|clang\S*: error): ", ""),
    ("script", r"^ERROR at //", ""),
    ("imaging", r"error run e2fsdroid|MkImages failed", "an image is smaller than its files, most times: see its image_conf"),
    ("check", r"^FAILED: (?:\[code=\d+\] )?\S*__check\.txt", "a dependency on another part must be an external_deps"),
    ("failed", r"^FAILED: ", ""),
    ("prebuilts", r"prebuilts_download\.sh|^Node\.js version mismatch|no clang executable file", "run build/prebuilts_download.sh"),
    ("build.sh", r"^Cannot find source tree|^product \S+ not found", ""),
    ("aborted", r"^User abort", "it was interrupted: run it again"),
    ("reason", r"^Reason: +\S", ""),
))


@dataclass(frozen=True)
class Diagnosis:
    """The line that says why, its kind ("" if no row knows it), and what to do ("" if the line itself says it)."""

    line: str
    kind: str
    remedy: str


def of(lines: Sequence[str], log: Path | None = None) -> Diagnosis:
    """What a failed build says on the console, and where the console says less, in `log` (its build.log).

    Paths are from the root of the tree: build.sh runs its tools two folders below it.
    """
    console, kept = _said(lines), _said(_end(log)) if log else []
    for kind, pattern, remedy in TABLE:
        for line in (*console, *kept):
            if pattern.search(line):
                return Diagnosis(one_line(line.removeprefix("../../").removeprefix("Reason:").strip(), 300), kind, remedy)
    return Diagnosis(first_error(console), "", "")


def cause(lines: Sequence[str], log: Path | None = None) -> str:
    """The line of of()."""
    return of(lines, log).line


def plain(line: str) -> str:
    """A line without colors and without OpenHarmony's prefix."""
    return _PREFIX.sub("", one_line(line, 1000)).strip()


def _said(lines: Sequence[str]) -> list[str]:
    """The plain lines, without what a traceback quotes of a program (`raise X("...")` is no error), and without the last line of hb's
    own, which repeats the reason."""
    kept: list[str] = []
    quoted = False
    for line in map(plain, lines):
        frame = _FRAME.match(line) is not None
        if not frame and not quoted and "OHOSException: " not in line:
            kept.append(line)
        quoted = frame
    return kept


def _end(log: Path) -> list[str]:
    try:
        with log.open("rb") as opened:
            opened.seek(max(0, os.fstat(opened.fileno()).st_size - _READ))
            return opened.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
