# SPDX-License-Identifier: Apache-2.0
"""Steps as nodes, in real SCons runs of a small chain: null runs, changed inputs, kill -9, Ctrl-C, failures, full disks."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kiln import share

pytestmark = pytest.mark.fast

CHAIN = '''
import os, sys, time
sys.path.insert(0, os.environ["LIBRARY"])
from pathlib import Path
from kiln import results, run, stamp
from kiln.tools import front, outside, settings

env = Environment(tools=["openharmony"], toolpath=[os.environ["LIBRARY"] + "/site_tools"])
front.own(env)
build = env["KILN_SETTINGS"].build


def step(name, number, after):
    folder = build / name

    def make(key):
        with open(build / "ran", "a") as log:
            log.write(name + "\\n")
        program = os.environ.get("STEP_" + name.upper(), "sleep 0.02")
        run.run(["sh", "-c", program], cwd=folder, log=build / "logs" / "x.log")
        (folder / "out").write_text(f"{name} {number} " + "".join(outside.result(env, results.Gguf, one).sha256 for one in after))
        results.save(results.Gguf(folder / "out", stamp.digest(folder / "out"), 0, "", name, "", 0, key), folder)
        return [folder / "out"]

    inputs = lambda: [outside.result(env, results.Gguf, one).sha256 for one in after]
    return outside.node(env, outside.Step(name, name, folder, make, inputs, (str(number),), foreign=name == "b"), after)


a = step("a", int(os.environ.get("NUMBER", "1")), [])
b = step("b", 1, [a])
c = step("c", 1, [a])
d = step("d", 1, [b, c])
env.Alias("image", d)
Default("image")
'''


class Chain:
    """A folder with the small SConstruct, and what each run of it did."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "SConstruct").write_text(CHAIN)

    def start(self, *words: str, **env: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "SCons", "-Q", *words]
        changed = {**os.environ, "LIBRARY": str(share.root() / "site_scons"), **env}
        return subprocess.Popen(argv, cwd=self.folder, env=changed, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, *words: str, **env: str) -> tuple[int, str, list[str]]:
        """Exit code, stderr, the steps that ran."""
        before = len(self.ran())
        child = self.start(*words, **env)
        _, said = child.communicate(timeout=60)
        return child.returncode, said, self.ran()[before:]

    def ran(self) -> list[str]:
        file = self.folder / "build" / "ran"
        return file.read_text().split() if file.exists() else []

    def bytes(self) -> bytes:
        return (self.folder / "build" / "d" / "out").read_bytes()


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path)


def test_nothing_changed_nothing_runs(chain: Chain) -> None:
    assert chain.run()[2] in (["a", "b", "c", "d"], ["a", "c", "b", "d"])
    assert chain.run() == (0, "", [])


def test_a_lost_database_costs_nothing(chain: Chain) -> None:
    """SCons writes its database at the end of a run only; after kill -9 every node is asked again."""
    chain.run()
    (chain.folder / "build" / ".sconsign.dblite").unlink()
    assert chain.run()[2] == []


def test_a_changed_constant_rebuilds_what_depends_on_it(chain: Chain) -> None:
    chain.run()
    assert sorted(chain.run(NUMBER="2")[2]) == ["a", "b", "c", "d"]


def test_a_result_of_the_same_bytes_stops_there(chain: Chain) -> None:
    chain.run()
    out = chain.folder / "build" / "c" / "out"
    out.write_text(out.read_text() + "longer")
    (chain.folder / "build" / "c" / "result.json").unlink()
    assert chain.run()[2] == ["c"], "c is made again; d has equal inputs"


def test_a_failed_program_is_one_kiln_line(chain: Chain) -> None:
    code, said, ran = chain.run(STEP_B="echo 'x.c:1: error: bad' >&2; exit 3")
    assert code == 2 and "d" not in ran
    lines = [line for line in said.splitlines() if "kiln:" in line]
    assert len(lines) == 1 and "failed (exit code 3): x.c:1: error: bad" in lines[0] and "x.log" in lines[0]
    assert "Traceback" not in said
    assert chain.run()[0] == 0


def test_a_bug_of_ours_leaves_its_traceback_in_a_file(chain: Chain) -> None:
    code, said, _ = chain.run(STEP_B="rm -rf ../b; ln -s nowhere ../b")
    log = chain.folder / "build" / "logs" / "crash.log"
    assert code == 2 and f"kiln: internal error, traceback in {log}" in said and "Traceback" in log.read_text()


def test_kill_9_costs_one_step_and_no_byte(chain: Chain, tmp_path: Path) -> None:
    """Twenty random moments of a chain of four steps: each repeats at most the steps that were running."""
    whole = Chain(tmp_path / "whole") if (tmp_path / "whole").mkdir() is None else None
    assert whole is not None and whole.run()[0] == 0
    dice, slow = random.Random(7), {f"STEP_{name}": "sleep 0.3" for name in "ABCD"}
    while len(chain.ran()) < 20 and not (chain.folder / "build" / "d" / ".made.json").exists():
        child = chain.start(**slow)
        time.sleep(dice.uniform(0.2, 1.2))
        before = len(chain.ran())
        child.send_signal(signal.SIGKILL)
        child.communicate()
        assert len(chain.ran()) - before <= 1
    assert chain.run(**slow)[0] == 0 and chain.bytes() == whole.bytes()
    assert (chain.folder / "build" / "d").exists()


def test_ctrl_c_ends_the_children_and_exits_2(chain: Chain) -> None:
    child = chain.start(STEP_B="echo $$ > pid; exec sleep 60")
    pid = chain.folder / "build" / "b" / "pid"
    end = time.monotonic() + 20
    while not (pid.exists() and pid.read_text().strip()) and time.monotonic() < end:
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=20)
    assert child.returncode == 2 and "Traceback" not in said
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()
    assert chain.run()[0] == 0


def test_a_full_disk_is_one_line(chain: Chain) -> None:
    """RLIMIT_FSIZE plays the full disk for the step's own file; the program gets the same short write."""
    code, said, _ = chain.run(STEP_B="dd if=/dev/zero of=/dev/full bs=1k count=1")
    assert code == 2 and "No space left on device" in said and "Traceback" not in said
