# SPDX-License-Identifier: Apache-2.0
"""Progress: nothing for what is quick, plain lines without a terminal, a bar on one."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import termios

import pytest

from kiln import progress

pytestmark = pytest.mark.fast


def test_what_is_quick_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.bar(100, "thing") as update:
        update(100)
    assert capsys.readouterr().err == ""


def test_plain_lines() -> None:
    out = io.StringIO()
    lines = progress.Lines(4 << 20, "thing", "B", out, every=0, quiet=0)
    lines(1 << 20)
    lines(3 << 20)
    lines.end()
    first, second, last = out.getvalue().splitlines()
    assert first.startswith("kiln: thing: 1.0 MiB of 4.0 MiB (25 %), ") and "4.0 MiB of 4.0 MiB (100 %)" in second
    assert last == "kiln: thing: 4.0 MiB in 0 s"


def test_ninja_lines_count() -> None:
    out = io.StringIO()
    lines = progress.Lines(0, "llama.cpp", "steps", out, every=0, quiet=0)
    feed = progress.counted(lines)
    for text in ("[1/2] CC x", "warning: y", "[2/5] CC y", "[5/5] LINK"):
        feed(text)
    assert [line.partition(": ")[2].partition(": ")[2] for line in out.getvalue().splitlines()] == [
        "1 steps of 2 steps (50 %)", "2 steps of 5 steps (40 %)", "5 steps of 5 steps (100 %)"]


def test_a_bar_on_a_terminal() -> None:
    code = "import time\nfrom kiln import progress\nwith progress.bar(10, 'thing', 'x') as update:\n    for _ in range(10):\n        time.sleep(0.13); update(1)\n"
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    child = subprocess.Popen([sys.executable, "-c", code], stderr=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    said = os.read(ours, 4096)
    assert b"thing" in said and b"%" in said
    assert child.wait() == 0
    os.close(ours)
