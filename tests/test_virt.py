# SPDX-License-Identifier: Apache-2.0
"""The main job, end to end, on products/virt: built, booted, answered; a null run; the same bytes elsewhere; kill -9."""

from __future__ import annotations

import filecmp
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from checkout import ROOT, Built, copied, scons

from kiln import product
from kiln.judge import card

pytestmark = pytest.mark.ci

# Loaded by every Python that sees its folder first: notes each program that is started.
AUDIT = """
import os, sys
def note(event, args):
    if event in ("subprocess.Popen", "os.exec", "os.fork", "os.posix_spawn", "os.system"):
        with open(os.environ["STARTED"], "a") as out:
            out.write(f"{event} {args[:2]}\\n")
sys.addaudithook(note)
"""


def images(build: Path) -> dict[str, Path]:
    """The files of images/ that a user takes: everything but our own notes."""
    return {file.name: file for file in sorted((build / "virt" / "images").iterdir()) if not file.name.startswith(".")}


def test_the_board_answers(virt: Built) -> None:
    done = scons("product=virt", "check")
    assert done.returncode == 0, done.stderr
    card = json.loads((virt.product / "card.json").read_text())["check"]
    assert card["ok"] and card["right"] >= 11 and len({answer["q"] for answer in card["answers"]}) == len(card["answers"])
    assert 0 < card["boot_s"] <= card["first_answer_s"] and card["rss_bytes"] > 1 << 20
    manifest = json.loads((virt.product / "manifest.json").read_text())
    assert {"/vendor/bin/llama-server", "/mnt/model/model.gguf", "/vendor/etc/kiln.cfg"} <= {one["path"] for one in manifest["files"]}
    assert str(ROOT) not in (virt.product / "manifest.json").read_text()


def test_chat_takes_questions_from_a_pipe(virt: Built) -> None:
    asked, = card.questions(ROOT / "sandbox/model/card.jsonl", product.load("virt").check.ask[:1])
    argv = [sys.executable, "-m", "SCons", "-Q", "product=virt", "chat"]
    done = subprocess.run(argv, cwd=ROOT, input=f"{asked.q}\n/quit\n", text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert asked.a in done.stdout and "1 answers; the board is off" in done.stdout


def test_nothing_changed_starts_no_program(virt: Built, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(AUDIT)
    env = {"PYTHONPATH": str(tmp_path), "STARTED": str(tmp_path / "started")}
    assert scons("product=virt", "-h", **env).returncode == 0
    steps = (virt.build / "logs" / "steps.jsonl").read_bytes()
    done = scons("product=virt", **env)
    assert done.returncode == 0 and not done.stderr
    assert (virt.build / "logs" / "steps.jsonl").read_bytes() == steps
    assert not (tmp_path / "started").exists(), (tmp_path / "started").read_text()


def test_the_audit_sees_a_program(tmp_path: Path) -> None:
    """The test above can fail: a program that is started is seen."""
    (tmp_path / "sitecustomize.py").write_text(AUDIT)
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "STARTED": str(tmp_path / "started")}
    subprocess.run([sys.executable, "-c", "import subprocess; subprocess.run(['true'])"], env=env, check=True)
    assert "subprocess.Popen" in (tmp_path / "started").read_text()


def test_an_edited_c_file_runs_its_consumers_only(virt: Built, tmp_path: Path) -> None:
    here = copied(tmp_path / "copy")
    assert scons("product=virt", "image", "board", cwd=here).returncode == 0
    ledger, source = here / "build/logs/steps.jsonl", here / "sandbox/board/console.c"
    before = len(ledger.read_text().splitlines())
    source.write_text(source.read_text() + "/* edited */\n")
    assert scons("product=virt", "image", "board", cwd=here).returncode == 0
    ran = [json.loads(line) for line in ledger.read_text().splitlines()[before:]]
    assert [one["step"] for one in ran if not one["reused"]] == ["board"]


@pytest.fixture(scope="module")
def elsewhere(virt: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same product in another folder, with another umask and -j1; compilers' results come from the cache."""
    build = tmp_path_factory.mktemp("else where") / "b"
    argv = ["sh", "-c", 'umask 077; exec "$@"', "sh", sys.executable, "-m", "SCons", "-Q", "-j1", "product=virt", f"build={build}"]
    done = subprocess.run(argv, cwd=ROOT, text=True, capture_output=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    return build


def test_same_bytes_elsewhere(virt: Built, elsewhere: Path) -> None:
    one, two = images(virt.build), images(elsewhere)
    assert set(one) == set(two) and "emmc.img" in one
    assert [name for name in one if not filecmp.cmp(one[name], two[name], shallow=False)] == []


def test_file_systems_and_table_are_clean(virt: Built) -> None:
    found = images(virt.build)
    for name in ("system.img", "vendor.img", "model.img"):
        done = subprocess.run(["/sbin/e2fsck", "-fn", str(found[name])], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
    verified = subprocess.run(["/sbin/sgdisk", "-v", str(found["emmc.img"])], capture_output=True, text=True)
    assert "No problems found" in verified.stdout
    assert subprocess.run(["/sbin/sfdisk", "--verify", str(found["emmc.img"])], capture_output=True).returncode == 0


@pytest.mark.long
def test_kill_9_at_twenty_moments(virt: Built, tmp_path: Path) -> None:
    """Twenty times killed while it builds from the cache: each repeats at most the step that ran, the bytes are the same."""
    build, dice = tmp_path / "b", random.Random(20)
    ledger = build / "logs" / "steps.jsonl"
    for _ in range(20):
        child = subprocess.Popen([sys.executable, "-m", "SCons", "-Q", "product=virt", f"build={build}"], cwd=ROOT,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(dice.uniform(0.5, 6))
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert scons("product=virt", f"build={build}").returncode == 0
    made = [json.loads(line) for line in ledger.read_text().splitlines()]
    fresh = [(one["step"], one["key"]) for one in made if not one["reused"]]
    assert len(fresh) == len(set(fresh)), "a step that was finished was made again"
    one, two = images(virt.build), images(build)
    assert [name for name in one if not filecmp.cmp(one[name], two[name], shallow=False)] == []
    shutil.rmtree(build)
