# SPDX-License-Identifier: Apache-2.0
"""A running board through hdc, which is played: its words are understood, its lies and silences are one line."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from boards import plugged
from boards.plugged import KEY, OTHER, Plugged
from checkout import copied, scons

from kiln import product, results
from kiln.boards import hdc
from kiln.errors import BoardError, Refused
from kiln.judge import card, host


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plugged]:
    made = Plugged(tmp_path, monkeypatch)
    yield made
    made.end()


@pytest.fixture
def dayu(virtual: product.Product) -> product.Product:
    """A product whose board is one of hardware."""
    return dataclasses.replace(virtual, name="dayu", board=dataclasses.replace(virtual.board, transport="rockusb"))


def reach(dayu: product.Product, board: Plugged, serial: str = "") -> Any:
    return hdc.reach(dayu, serial, logs=board.logs)


def test_a_program_runs_with_its_true_exit_status(board: Plugged, dayu: product.Product) -> None:
    with reach(dayu, board) as there:
        assert there.facts.serial == KEY and there.facts.cpu == "rk3568" and there.facts.cores == os.cpu_count()
        assert there.run(["echo", "a b", "it's", '"q"', "$HOME;", "*"]) == (0, "a b it's \"q\" $HOME; *\n")
        assert there.run(["sh", "-c", "printf out; printf err >&2; exit 7"]) == (7, "outerr")
        assert there.run(["sh", "-c", "kill -9 $$"])[0] == 137 and there.run(["false"]) == (1, "")
        code, text = there.run(["/no/such/program"])
        assert code == 127 and "not found" in text
        assert there.run(["A=x y", "B=", "sh", "-c", 'echo "$A-$B-"']) == (0, "x y--\n")
        assert there.run(["sh", "-c", "echo kiln:0; cat"]) == (0, "kiln:0\n")         # its input is empty
    assert all(call[:2] == ["-t", KEY] for call in board.calls if call[0] not in ("list", "start")), "every call names its board"


def test_output_is_kept_to_a_mebibyte(board: Plugged, dayu: product.Product) -> None:
    with reach(dayu, board) as there:
        code, text = there.run(["sh", "-c", "yes 0123456789abcde | head -c 3000000; exit 3"])
        assert code == 3 and len(text) == 1 << 20


def test_lines_may_end_in_cr_lf(board: Plugged, dayu: product.Product) -> None:
    board.play(fault={"crlf": 1, "named": 1})
    with reach(dayu, board) as there:
        assert there.run(["sh", "-c", "echo one; echo two; exit 4"]) == (4, "one\ntwo\n")
        assert there.status("kiln-llm").state == "running" and there.facts.cpu == "rk3568"


def test_a_server_that_holds_the_output_open_is_not_waited_for(board: Plugged, dayu: product.Product) -> None:
    board.play(fault={"server": 1})
    began = time.monotonic()
    with reach(dayu, board) as there:
        assert there.run(["true"]) == (0, "")
    assert time.monotonic() - began < 15


def test_a_file_is_sent_whole(board: Plugged, dayu: product.Product, tmp_path: Path) -> None:
    file = tmp_path / "a file"
    file.write_text("#!/bin/sh\necho sent $1\n")
    dest = f"{tmp_path}/board/a new/program"
    with reach(dayu, board) as there:
        there.send(file, dest, 0o750)
        assert there.run([dest, "it"]) == (0, "sent it\n")
    assert Path(dest).stat().st_mode & 0o777 == 0o750 and not Path(f"{dest}.part").exists()


def test_a_board_without_sha256sum(board: Plugged, dayu: product.Product, tmp_path: Path) -> None:
    board.play(fault={"no sha256sum": 1})
    with reach(dayu, board) as there:
        there.send(Path(__file__), f"{tmp_path}/board/x", 0o644)
        assert there.run(["sha256sum", __file__])[0] == 127
        board.change(fault={"no sha256sum": 1, "short": 1})
        with pytest.raises(BoardError, match="did not arrive whole"):
            there.send(Path(__file__), f"{tmp_path}/board/y")


@pytest.mark.parametrize("fault,said", [({"full": 1}, "no space left on device"), ({"short": 1}, "did not arrive whole"),
                                        ({"cut": 3}, "hdc did not bring the answer to 'mkdir -p'")])
def test_a_file_that_does_not_arrive(board: Plugged, dayu: product.Product, tmp_path: Path, fault: dict[str, int], said: str) -> None:
    with reach(dayu, board) as there:
        board.change(fault=fault)
        with pytest.raises(BoardError, match=said) as raised:
            there.send(Path(__file__), f"{tmp_path}/board/x")
    assert not (tmp_path / "board" / "x").exists() and "\n" not in str(raised.value)


def test_a_file_that_is_not_here(board: Plugged, dayu: product.Product, tmp_path: Path) -> None:
    with reach(dayu, board) as there, pytest.raises(BoardError, match="none: cannot be sent: No such file"):
        there.send(tmp_path / "none", f"{tmp_path}/x")


def test_the_channel_is_waited_for(board: Plugged, dayu: product.Product) -> None:
    board.play(fault={"establishing": 2, "slow start": 2, "no params yet": 1})
    with reach(dayu, board) as there:
        assert there.run(["true"]) == (0, "") and there.facts.cpu == "rk3568"


@pytest.mark.parametrize("boards,serial,said", [
    ([(KEY, "Connected"), (OTHER, "Connected")], "", rf"2 boards are plugged in: {KEY} \(Connected\), {OTHER} .*; say which: board={KEY}"),
    ([(KEY, "Connected"), (OTHER, "Unauthorized")], "", "2 boards are plugged in"),
    ([(KEY, "Connected")], OTHER, rf"there is no board {OTHER}; there is: {KEY} \(Connected\)"),
    ([(KEY, "Unauthorized")], "", "Unauthorized; allow this machine on the board's screen"),
    ([(KEY, "Offline")], "", "Offline; plug the board in again"),
    ([(KEY, "Connected"), (OTHER, "Offline")], OTHER, f"hdc calls the board {OTHER} Offline"),
    ([(KEY, "Connected"), (KEY, "Connected")], "", "twice")])
def test_which_board_is_never_guessed(board: Plugged, dayu: product.Product, boards: list[tuple[str, str]], serial: str, said: str) -> None:
    board.play(*boards)
    with pytest.raises(BoardError, match=said) as raised, reach(dayu, board, serial):
        pass
    assert "\n" not in str(raised.value)


def test_one_of_several(board: Plugged, dayu: product.Product) -> None:
    board.play((KEY, "Offline"), (OTHER, "Connected"))
    with reach(dayu, board) as there:
        assert there.hdc.key == OTHER
    board.play((KEY, "Connected"), (OTHER, "Connected"))
    with reach(dayu, board, OTHER) as there:
        assert there.hdc.key == OTHER


def test_no_board(board: Plugged, dayu: product.Product) -> None:
    board.change(boards=[])
    with pytest.raises(BoardError, match="no board is plugged in that runs OpenHarmony; .*board=virt"), reach(dayu, board):
        pass


def test_no_hdc(board: Plugged, dayu: product.Product, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(Refused, match="hdc is not on this machine; .*ohos-sdk"), reach(dayu, board):
        pass


@pytest.mark.parametrize("text", ["", "\n", "\x1b]0;title\x07[Fail]boom\n", f"{KEY}\tUSB\tConnected\n", f"{KEY}\t\tUSB\tSleeping\tlocalhost\n",
                                  "-t\t\tUSB\tConnected\tlocalhost\n", "$(reboot)\t\tUSB\tConnected\tlocalhost\n", "x" * 200000])
def test_a_strange_list_is_not_guessed_at(board: Plugged, dayu: product.Product, text: str) -> None:
    board.play(fault={"strange": text})
    with pytest.raises(BoardError, match="hdc list targets") as raised, reach(dayu, board):
        pass
    assert not set(str(raised.value)) & {"\x1b", "\x07", "\n"} and len(str(raised.value)) < 600


def test_a_board_that_goes_away_in_the_middle(board: Plugged, dayu: product.Product) -> None:
    with reach(dayu, board) as there:
        board.change(fault={"gone": 5})
        with pytest.raises(BoardError, match=f"the board {KEY} went away while 'echo some words' ran; last it said: some") as raised:
            there.run(["echo", "some words"])
        there.looked = 0
        with pytest.raises(BoardError, match=f"the board {KEY} is gone"):
            there.watch()
    assert "\n" not in str(raised.value)


def test_an_answer_that_is_cut(board: Plugged, dayu: product.Product) -> None:
    """Exit code 0 and half of the marker is no success."""
    with reach(dayu, board) as there:
        board.change(fault={"cut": 12})
        with pytest.raises(BoardError, match="hdc did not bring the answer to 'echo 123456789'"):
            there.run(["echo", "123456789"])
        board.change(fault={}, boards=[(KEY, "Unauthorized")])
        with pytest.raises(BoardError, match="went away while 'true' ran.*E000003 Unauthorized"):
            there.run(["true"])


def test_a_program_without_end(board: Plugged, dayu: product.Product) -> None:
    with reach(dayu, board) as there:
        board.change(fault={"silent": 1})
        began = time.monotonic()
        with pytest.raises(BoardError, match="'true' did not end on the board within 1 s"):
            there.run(["true"], timeout=1)
        assert time.monotonic() - began < 5
        board.change(fault={})


def test_a_forwarded_port_is_asked_for_again_and_taken_away(board: Plugged, dayu: product.Product) -> None:
    board.play(fault={"port taken": 2})
    with reach(dayu, board) as there:
        assert there.forwards == [(there.port, 8080)] and there.url == f"http://127.0.0.1:{there.port}"
        there.forward(9)
    assert board.state["forwards"] == {} and board.calls[-1][2:4] == ["fport", "rm"]
    board.play(fault={"port taken": 9})
    with pytest.raises(BoardError, match="cannot forward port 8080 of the board: .*TCP Port listen failed"), reach(dayu, board):
        pass


def test_it_starts_anew(board: Plugged, dayu: product.Product, monkeypatch: pytest.MonkeyPatch) -> None:
    with reach(dayu, board) as there:
        there.reboot()
        assert board.state["restarts"] == 1 and board.state["away"] == 0 and there.seconds() < 5
        assert there.run(["true"]) == (0, "")
        monkeypatch.setattr(hdc, "GONE", 2)
        board.change(fault={"deaf": 1})
        with pytest.raises(BoardError, match=f"the board {KEY} does not restart within 2 s"):
            there.reboot()
        monkeypatch.setattr(hdc, "BACK", 2)
        board.change(fault={"away": 1000})
        with pytest.raises(BoardError, match="does not come back after its restart within 2 s"):
            there.reboot()


def test_the_service_as_init_tells_it(board: Plugged, dayu: product.Product) -> None:
    with reach(dayu, board) as there:
        status = there.status("kiln-llm")
        assert status.state == "running" and status.pid == os.getpid() and status.peak >= status.resident > 1 << 20
        there.watch()
        board.change(params={})
        assert there.status("kiln-llm").state == ""


def test_a_service_that_does_not_stay_up(board: Plugged, dayu: product.Product, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdc, "LOOK", 0.0)
    (board.folder / "hilog").write_text("11-26 I kiln-llm: \x1b[31merror loading model\n11-26 I other: words\n")
    with reach(dayu, board) as there:
        with pytest.raises(BoardError, match=r"kiln-llm does not stay up; .*last words on kiln-llm: 11-26 I kiln-llm: .*error loading model; log:") as raised:
            for pid in (2, 3, 4, 5):
                board.change(params={"startup.service.ctl.kiln-llm": "2", "startup.service.ctl.kiln-llm.pid": str(pid)})
                there.watch()
        assert "other" not in str(raised.value) and "\x1b" not in str(raised.value)
        there.pids.clear()
        board.change(params={"startup.service.ctl.kiln-llm": "5"})
        with pytest.raises(BoardError, match="kiln-llm does not run, the board's init says stopped"):
            there.watch()


@pytest.mark.ci
def test_check_and_chat_on_a_board_of_hardware(board: Plugged, virt: Any, tmp_path: Path) -> None:
    """Real scons runs of a product whose board is reached by hdc; its forwarded port leads to a real llama-server."""
    here = copied(tmp_path / "copy")
    text = (here / "products" / "virt.yaml").read_text()
    (here / "products" / "dayu.yaml").write_text(text.replace("transport: virt", "transport: rockusb").replace("min_correct: 10", "min_correct: 10\n  boot_timeout: 5"))
    asked = product.load("virt").check.ask
    question, = card.questions(here / "sandbox/model/card.jsonl", asked[:1])
    gguf = results.load(results.Gguf, virt.product / "model" / results.NAME)
    with host.served(virt.host_tool("llama-server"), gguf.file, log=tmp_path / "server.log", context=512) as server:
        board.play(ports={"8080": int(server.url.rpartition(":")[2])})
        done = scons("product=dayu", "check", cwd=here)
        assert done.returncode == 2 and "kiln: the board does not run the image of this build: it has no /vendor/bin/llama-server; flash it first" in done.stderr
        files = json.loads((here / "build/dayu/manifest.json").read_text())["files"]
        board.change(digests={one["path"]: one["sha256"] for one in files})
        done = scons("product=dayu", "check", cwd=here)
        assert done.returncode == 0, done.stderr
        said = json.loads((here / "build/dayu/card.json").read_text())
        assert said["check"]["ok"] and said["board"] == {"kind": "hdc", "serial": KEY, "cpu": "rk3568", "cores": os.cpu_count()}
        assert said["check"]["rss_bytes"] > 1 << 20 and not (here / "build/dayu/board").exists()
        argv = [sys.executable, "-m", "SCons", "-Q", "product=dayu", f"board={KEY}", "chat"]
        talk = subprocess.run(argv, cwd=here, input=f"{question.q}\n", text=True, capture_output=True, timeout=120)
        assert talk.returncode == 0 and question.a in talk.stdout and "1 answers; the board runs on" in talk.stdout, talk.stderr
        board.change(digests={one["path"]: "0" * 64 for one in files})
        done = scons("product=dayu", "check", cwd=here)
        assert done.returncode == 2 and "/vendor/bin/llama-server there is another" in done.stderr
        board.change(digests={one["path"]: one["sha256"] for one in files})
        board.change(boards=[(KEY, "Connected"), (OTHER, "Connected")])
        done = scons("product=dayu", "check", cwd=here)
        assert done.returncode == 2 and f"kiln: 2 boards are plugged in: {KEY} (Connected), {OTHER} (Connected); say which: board={KEY}" in done.stderr
    board.change(boards=[(KEY, "Connected")])
    done = scons("product=dayu", "check", cwd=here)
    assert done.returncode == 2 and "kiln: the board does not answer within" in done.stderr
    done = scons("product=virt", f"board={KEY}", "check", cwd=here)
    assert done.returncode == 2 and f"kiln: product virt runs on the virtual board, not on board={KEY}" in done.stderr


def test_what_is_played_is_called_so() -> None:
    for file in (*(Path(plugged.__file__).parent / "bin").iterdir(), *(Path(plugged.__file__).parent / "board-bin").iterdir()):
        assert "STAND-IN" in file.read_text()[:400]
