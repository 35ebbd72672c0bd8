# SPDX-License-Identifier: Apache-2.0
"""Where errors become one line for a person, and the exit code 2."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import SCons.Errors
import SCons.Script

from kiln.errors import KilnError


def refuse(error: KilnError) -> NoReturn:
    """At read time: one line on stderr and the end of the run."""
    sys.stderr.write(f"kiln: {error}\n")
    SCons.Script.Exit(2)
    raise SystemExit(2)


@contextmanager
def reading() -> Iterator[None]:
    """Around everything that an SConstruct calls at read time."""
    try:
        yield
    except KilnError as error:
        refuse(error)


@contextmanager
def acting(build: Path) -> Iterator[None]:
    """Around an action: a KilnError becomes a BuildError with its line, a bug of ours leaves its traceback in crash.log."""
    try:
        yield
    except KilnError as error:
        raise _build_error(str(error)) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise _crash(build) from None
        raise _build_error(f"{error.filename or build}: {error.strerror}; make room and run it again: what was finished stays") from None
    except Exception:
        raise _crash(build) from None


def _build_error(line: str) -> SCons.Errors.BuildError:
    return SCons.Errors.BuildError(errstr=f"kiln: {line}", status=2, exitstatus=2)


def _crash(build: Path) -> SCons.Errors.BuildError:
    log = build / "logs" / "crash.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(traceback.format_exc())
    except OSError:
        return _build_error(f"internal error: {traceback.format_exc(limit=-1).splitlines()[-1]}")
    return _build_error(f"internal error, traceback in {log}")
