# SPDX-License-Identifier: Apache-2.0
"""One program: its error, its log, its environment, and that its whole group ends with us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kiln import run, share
from kiln.errors import ProgramError, Refused

pytestmark = pytest.mark.fast


def test_a_failure_names_command_code_cause_and_log(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with pytest.raises(ProgramError) as caught:
        run.run(["sh", "-c", "echo fine; echo 'a.c:3: error: no such thing'; echo later; exit 7"], log=log)
    line = str(caught.value)
    assert "failed (exit code 7): a.c:3: error: no such thing" in line and str(log) in line
    assert log.read_text().startswith("$ cd ") and "later" in log.read_text()


def test_the_environment_is_clean() -> None:
    done = run.run(["sh", "-c", "umask; echo $LC_ALL $TZ $PYTHONHASHSEED $MINE"], env={"MINE": "me"})
    assert done.tail == ("0022", "C.UTF-8 UTC 0 me")


def test_a_missing_program_names_its_package() -> None:
    with pytest.raises(Refused, match="no-such-tool is not on this machine; install it"):
        run.run(["no-such-tool"])


def test_a_program_that_hangs_is_ended() -> None:
    began = time.monotonic()
    with pytest.raises(ProgramError, match="did not end within"):
        run.run(["sh", "-c", "sleep 30 & wait"], timeout=0.3)
    assert time.monotonic() - began < 5


def test_a_signal_is_told_by_its_name() -> None:
    with pytest.raises(ProgramError, match="was killed by SIGTERM"):
        run.run(["sh", "-c", "kill -TERM $$"])


def test_output_that_is_no_text_does_no_harm() -> None:
    with pytest.raises(ProgramError) as caught:
        run.run(["sh", "-c", r"printf 'error: \033]0;title\007\033[31mred\377\n'; exit 1"])
    assert "\x1b" not in str(caught.value) and "\x07" not in str(caught.value)


def test_kill_9_of_us_ends_the_whole_group(tmp_path: Path) -> None:
    """The build server's out-of-memory killer takes us; no compiler may go on writing into the folder of the next run."""
    code = ("import sys; sys.path.insert(0, sys.argv[1]); from kiln import run; "
            "run.run(['sh', '-c', 'echo $$ > pid; sleep 300 & echo $! >> pid; wait'])")
    parent = subprocess.Popen([sys.executable, "-c", code, str(share.root() / "site_scons")], cwd=tmp_path)
    pids = _wait_for(tmp_path / "pid", 2)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    end = time.monotonic() + 10
    while any(_alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.02)
    assert not [pid for pid in pids if _alive(pid)]


def _wait_for(file: Path, lines: int) -> list[int]:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if file.exists() and len(file.read_text().split()) >= lines:
            return [int(word) for word in file.read_text().split()]
        time.sleep(0.02)
    raise AssertionError("the child did not start")


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z" and os.path.exists(f"/proc/{pid}")
