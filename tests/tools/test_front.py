# SPDX-License-Identifier: Apache-2.0
"""The command line is understood or refused: one line, exit code 2, a hint; help is a front door, offline, under a second."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kiln import share
from kiln.errors import Refused
from kiln.tools import settings

pytestmark = pytest.mark.fast
ROOT = share.root()
SCONS = [sys.executable, "-m", "SCons", "-Q"]


def scons(*words: str, build: Path, cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    argv = [*SCONS, "-C", str(cwd), f"build={build}", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, env={**os.environ, **env})


REFUSED = {
    "prodct=virt": "kiln: unknown variable 'prodct'; did you mean product?",
    "product=vrit": "kiln: unknown product 'vrit'; did you mean virt?",
    "imgae": "kiln: unknown target 'imgae'; did you mean image?",
    "sandbox": "kiln: unknown target 'sandbox'; known:",
    "tests": "kiln: unknown target 'tests'",
    "offline=maybe": "kiln: offline=maybe must be 0 or 1",
    "yes=true": "kiln: yes=true must be 0, 1 or userdata",
    "flash": "kiln: product virt has nothing to flash: its board is virtual; use check: scons product=virt check",
    "jobs=0": "kiln: jobs=0 must be a number from 1 to 999",
}


@pytest.mark.parametrize("word", REFUSED)
def test_a_slip_is_one_line_and_exit_code_2(tmp_path: Path, word: str) -> None:
    done = scons(word, build=tmp_path / "b")
    assert done.returncode == 2, done
    assert done.stderr.startswith(REFUSED[word]) and len(done.stderr.splitlines()) == 1 and not done.stdout


def test_a_variable_given_twice_is_refused(tmp_path: Path) -> None:
    done = scons("product=virt", "product=virt", build=tmp_path / "b")
    assert (done.returncode, done.stderr) == (2, "kiln: variable product is given twice; give it once\n")


def test_help_is_a_front_door(tmp_path: Path) -> None:
    began = time.monotonic()
    done = scons("-h", build=tmp_path / "b")
    assert done.returncode == 0 and time.monotonic() - began < 5
    for word in ("virt", "check", "chat", "flash", "doctor", "yes=0", "product=virt", "cache=", "offline=0"):
        assert word in done.stdout
    assert not (tmp_path / "b").exists(), "help made something"


def test_reading_does_nothing(tmp_path: Path) -> None:
    """-n and -q look at the whole graph and touch nothing but the lock and the database."""
    build, cache = tmp_path / "b", tmp_path / "c"
    assert scons("-n", f"cache={cache}", build=build).returncode == 0
    assert scons("-q", f"cache={cache}", build=build).returncode == 1
    assert not cache.exists() and {entry.name for entry in build.iterdir()} <= {".lock", ".sconsign.dblite"}


def test_the_second_run_says_who_builds(tmp_path: Path) -> None:
    build = tmp_path / "b"
    build.mkdir()
    hold = ("import fcntl,sys,time; f=open(sys.argv[1],'a+'); fcntl.flock(f, fcntl.LOCK_EX); "
            "f.write('process 4711 of me, since 12:00:00, product=virt'); f.flush(); print('held', flush=True); time.sleep(60)")
    holder = subprocess.Popen([sys.executable, "-c", hold, str(build / ".lock")], stdout=subprocess.PIPE)
    try:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        done = scons("-q", build=build)
        assert done.returncode == 2
        assert "another run is building here: process 4711 of me, since 12:00:00, product=virt" in done.stderr
    finally:
        holder.kill()
        holder.wait()
    assert scons("-q", build=build).returncode == 1, "a killed run leaves no lock"


def test_settings_are_typed_and_absolute(tmp_path: Path) -> None:
    made = settings.read([("build", "out"), ("jobs", "3"), ("dev", "ohos,llama.cpp"), ("made", "0")], tmp_path)
    assert made.build == tmp_path / "out" and made.jobs == 3 and made.dev == ("ohos", "llama.cpp") and not made.made


def test_jobs_follow_j(tmp_path: Path) -> None:
    assert settings.read([], tmp_path, jobs=7).jobs == 7
    assert settings.read([("jobs", "2")], tmp_path, jobs=7).jobs == 2


def test_a_path_on_two_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cache must be a path on one line"):
        settings.read([("cache", "a\nb")], tmp_path)
