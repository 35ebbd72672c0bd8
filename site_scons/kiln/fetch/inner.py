# SPDX-License-Identifier: Apache-2.0
"""One member of an archive, by its name, as a file: an archive of archives need not be unpacked for one of them."""

from __future__ import annotations

import re
from pathlib import Path

from kiln import run
from kiln.errors import UnpackError, one_line
from kiln.fetch import archive
from kiln.fetch.cache import writing
from kiln.fetch.unpack import Limits
from kiln.progress import Progress, silent

_PIECE = 1 << 20
_SHOWN = 6


def extract(source: Path, file: str, name: re.Pattern[str], into: Path, *, what: str, limits: Limits = Limits(), progress: Progress = silent) -> str:
    """Write the first member whose whole name matches to `into`; reading ends there. Gives its name.

    `file` is the archive's own name, `what` says what is looked for. Raises UnpackError.
    """
    others: list[str] = []
    beside = into.with_name(f".{into.name}.tmp")
    try:
        with source.open("rb") as stream, writing(into.parent), progress(source.stat().st_size, f"search {file}"[:40]) as update, archive.broken():
            for member in archive.members(stream, file, archive.Bounds(limits.total, update)):
                run.go_on("an archive was searched")
                plain = member.name.removeprefix("./")
                if member.kind != "file" or not name.fullmatch(plain):
                    others += [plain] if member.kind == "file" else []
                    continue
                if member.size > limits.file:
                    raise UnpackError(f"holds {one_line(plain, 100)!r} of {member.size} bytes")
                assert member.stream
                with beside.open("wb") as out:
                    while piece := member.stream.read(_PIECE):
                        out.write(piece)
                beside.replace(into)
                return plain
    except UnpackError as error:
        raise UnpackError(error.what, where=file) from error
    finally:
        beside.unlink(missing_ok=True)
    listed = ", ".join(one_line(other, 80) for other in others[:_SHOWN]) or "no file"
    raise UnpackError(f"holds no {what}", where=file, hint=f"it holds {listed}{' ...' if len(others) > _SHOWN else ''}")
