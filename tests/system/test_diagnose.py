# SPDX-License-Identifier: Apache-2.0
"""The first true error of each failure in failures.py; what is stale or hostile is not taken for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from system.failures import BANNER, CASES, Failure
from system.trees import ROW

from kiln.errors import ProgramError
from kiln.system import diagnose, script

pytestmark = pytest.mark.fast


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_cause_is_named(tmp_path: Path, case: Failure) -> None:
    log = tmp_path / "build.log"
    log.write_text(case.log)
    found = diagnose.of(case.console.splitlines(), log)
    assert (found.kind, found.line) == (case.kind, case.line)


def test_every_row_has_its_case() -> None:
    assert {case.kind for case in CASES.values()} == {"", *(kind for kind, _, _ in diagnose.TABLE)}


def test_what_nobody_knows_is_its_last_word() -> None:
    assert diagnose.cause(["strange", "words"]) == "words"
    assert diagnose.cause(["words"], Path("/none/build.log")) == "words"


def test_a_hostile_line_is_made_safe() -> None:
    told = diagnose.cause(["\x1b]0;own\x07../../a.cpp:1:1: error: \x1b[2Jbad" + "x" * 5000])
    assert told.startswith("a.cpp:1:1: error: bad") and "\x1b" not in told and len(told) <= 300


def test_only_the_end_of_a_long_log_is_read(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    with log.open("wb") as out:
        out.truncate(1 << 32)                              # a hole: 4 GiB that take no room
        out.seek(0, os.SEEK_END)
        out.write(b"\nld.lld: error: undefined symbol: f\n")
    assert diagnose.cause([BANNER], log) == "ld.lld: error: undefined symbol: f"


def test_build_log_of_this_run_tells_and_stale_logs_do_not(make_tree: Callable[..., Path]) -> None:
    """A console that filtered the cause away; error.log and another board's build.log are from earlier."""
    tree = make_tree()
    for stale in ("out/virt/error.log", "out/other/build.log"):
        (tree / stale).parent.mkdir(parents=True)
        (tree / stale).write_text("../../a.c:1:1: error: stale\n")
        os.utime(tree / stale, (1e9, 1e9))
    (tree / "build/build_scripts/build.sh").write_text(
        "#!/bin/sh\necho 'ld.lld: error: undefined symbol: f' > out/virt/build.log\necho '=====build  error====='\nexit 1\n")

    def told() -> str:
        with pytest.raises(ProgramError) as caught:
            script.build(tree, ROW, "virt", ("images",), "arm64-v8a", epoch=0, home=tree.parent / "home", log=tree.parent / "log", jobs=1)
        return str(caught.value)

    assert "undefined symbol: f; log: " in told()
    (tree / "build/build_scripts/build.sh").write_text("#!/bin/sh\necho 'cp: No space left on device'\nexit 1\n")
    assert "cp: No space left on device; make room where out/ lies; log: " in told()
