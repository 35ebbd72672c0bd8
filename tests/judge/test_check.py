# SPDX-License-Identifier: Apache-2.0
"""Check: which answers pass, what the card says of it, how a board that is silent or wrong is told of."""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from judge.served import message, send

from kiln import product
from kiln.errors import BoardError, ModelError
from kiln.judge import check
from kiln.results import BoardFacts, ServiceStatus

pytestmark = pytest.mark.fast
QUESTIONS = [{"id": f"p-{n:02}", "q": f"Which {n}?", "a": f"the {n}, a horse"} for n in range(40)]


@dataclass
class Here:
    """A board whose service is a server of the test, on this machine."""

    url: str
    up: bool = True
    facts: BoardFacts = BoardFacts("virt", "", "cortex-a76", 2, False, "7.2.22")
    began: float = field(default_factory=time.monotonic)
    off: bool = False
    console: list[str] = field(default_factory=list)

    def seconds(self) -> float:
        return time.monotonic() - self.began

    def watch(self) -> None:
        pass

    def failure(self, what: str) -> BoardError:
        return BoardError(f"{what}; the console's last lines: none")

    def console_tail(self, lines: int) -> list[str]:
        return self.console[-lines:]

    def status(self, service: str) -> ServiceStatus:
        return ServiceStatus("running", 9, 0, "", 20 << 20, 26 << 20)

    def poweroff(self) -> None:
        self.off = True


@pytest.fixture
def made(tmp_path: Path) -> product.Product:
    (tmp_path / "card.jsonl").write_text("".join(json.dumps(one) + "\n" for one in QUESTIONS))
    (tmp_path / "manifest.json").write_text("{}")
    whole = product.load("virt")
    return dataclasses.replace(whole, check=product.Check(10, tuple(f"p-{n:02}" for n in range(10)), boot_timeout=2))


def judge(made: product.Product, tmp_path: Path, board: Here) -> check.CheckResult:
    chosen = check.choose(made, tmp_path / "card.jsonl")
    return check.check(made, board, chosen, into=tmp_path / "card.json", manifest=tmp_path / "manifest.json")


def knows(*ids: int) -> Any:
    """A server that knows these questions and says something else to all others."""
    right = {QUESTIONS[n]["q"]: QUESTIONS[n]["a"] for n in ids}

    def reply(handler: Any, body: Any) -> None:
        if body is None:
            send(handler, {"status": "ok"})
        else:
            send(handler, message(f" {right.get(body['messages'][-1]['content'], 'a goose')}\n", 40))

    return reply


def test_a_model_that_knows_everything_passes(made: product.Product, tmp_path: Path, play: Any) -> None:
    board = Here(play(knows(*range(40))).url)
    result = judge(made, tmp_path, board)
    assert result.ok and board.off and len(result.answers) == 11 and result.right == 11 and result.rss_bytes == 26 << 20
    assert (result.tokens_s, result.prompt_tokens_s) == (40, 120) and 0 <= result.boot_s <= result.first_answer_s < 5
    said = json.loads((tmp_path / "card.json").read_text())["check"]
    assert said["asked"] == 11 and said["right"] == 11 and said["ok"] and said["seed"] == result.seed
    assert said["answers"][0] == {"q": "Which 0?", "want": "the 0, a horse", "got": "the 0, a horse", "ok": True, "drawn": False}
    assert "10 of 10 listed and 1 of 1 drawn answers are right" in result.lines[-1]


def test_canned_answers_do_not_pass(made: product.Product, tmp_path: Path, play: Any) -> None:
    """Ten answers by heart are ten right ones; the drawn ones are not."""
    with pytest.raises(BoardError, match="10 of 10 listed and 0 of 2 drawn answers are right.*'Which .*wanted 'the .*got 'a goose'"):
        judge(made, tmp_path, Here(play(knows(*range(10))).url))
    said = json.loads((tmp_path / "card.json").read_text())["check"]
    assert not said["ok"] and said["right"] == 10 and said["asked"] == 12


def test_one_wrong_answer_of_the_listed_fails(made: product.Product, tmp_path: Path, play: Any) -> None:
    with pytest.raises(BoardError, match=r"9 of 10 listed and 1 of 1 drawn .*'Which 3\?': wanted 'the 3, a horse', got 'a goose'") as raised:
        judge(made, tmp_path, Here(play(knows(*(n for n in range(40) if n != 3))).url))
    assert "\n" not in str(raised.value)


def test_the_seed_draws_and_is_kept(made: product.Product, tmp_path: Path) -> None:
    seeded = dataclasses.replace(made, check=dataclasses.replace(made.check, seed=7))
    first, second = (check.choose(seeded, tmp_path / "card.jsonl") for _ in range(2))
    assert first == second and first.seed == 7 and len(first.drawn) == 2 and not set(first.drawn) & set(first.fixed)
    assert len({check.choose(made, tmp_path / "card.jsonl").seed for _ in range(5)}) > 1


def test_without_listed_questions_all_are_drawn(made: product.Product, tmp_path: Path, play: Any) -> None:
    bare = dataclasses.replace(made, check=product.Check(10, boot_timeout=2))
    assert len(judge(bare, tmp_path, Here(play(knows(*range(40))).url)).answers) == 10


def test_without_a_card_any_words_are_right_and_none_are_wrong(made: product.Product, tmp_path: Path, play: Any) -> None:
    bare = dataclasses.replace(made, model=dataclasses.replace(made.model, card=""), check=product.Check(0, boot_timeout=2))
    chosen = check.choose(bare, tmp_path)
    assert [one.q for one in chosen.drawn] == ["Say hello."] and not chosen.fixed
    assert check.same(check.ANY, "hello") and not check.same(check.ANY, " \n") and not check.same("hello", "")


def test_a_card_with_too_few_questions(made: product.Product, tmp_path: Path) -> None:
    (tmp_path / "card.jsonl").write_text(json.dumps(QUESTIONS[0]) + "\n")
    with pytest.raises(ModelError, match="too few questions for check.min_correct 10"):
        check.choose(dataclasses.replace(made, check=product.Check(10)), tmp_path / "card.jsonl")


def test_a_board_that_stays_silent(made: product.Product, tmp_path: Path, play: Any) -> None:
    loading = play(lambda handler, _: send(handler, {"error": {"message": "Loading model"}}, 503))
    with pytest.raises(BoardError, match=r"does not answer within 2 s \(check.boot_timeout\); the console's last lines"):
        judge(made, tmp_path, Here(loading.url))


def test_a_server_that_fails_in_the_middle(made: product.Product, tmp_path: Path, play: Any) -> None:
    def reply(handler: Any, body: Any) -> None:
        send(handler, {"status": "ok"} if body is None else {"error": {"message": "boom"}}, 200 if body is None else 500)

    with pytest.raises(BoardError, match=r"no answer to 'Which 0\?': the server answers 500: boom; the console"):
        judge(made, tmp_path, Here(play(reply).url))
    assert not (tmp_path / "card.json").exists()


@pytest.mark.parametrize("want,got,ok", [
    ("a horse", " a horse\n", True), ("a horse", "a  horse", True), ("a horse", "A horse", False), ("a horse", "a horse.", False),
    ("a horse", "", False), ("a horse", "a horse a horse", False)])
def test_word_for_word(want: str, got: str, ok: bool) -> None:
    assert check.same(want, got) is ok


def test_a_drawn_question_may_be_missed_and_is_shown(made: product.Product, tmp_path: Path, play: Any) -> None:
    drawn = check.choose(dataclasses.replace(made, check=dataclasses.replace(made.check, seed=7)), tmp_path / "card.jsonl").drawn
    missed = int(drawn[0].id[2:])
    board = Here(play(knows(*(n for n in range(40) if n != missed))).url)
    result = judge(dataclasses.replace(made, check=dataclasses.replace(made.check, seed=7)), tmp_path, board)
    assert result.ok and [one.ok for one in result.answers if one.drawn] == [False, True]
    assert result.lines[10].startswith("  missed (drawn) ") and result.lines[11].startswith("  right (drawn) ")


UNIT = {"id": "blk.0.ffn", "ops": "MATMUL", "bytes": 7, "compile_ms": 1.5, "nnrt_us": 3, "cpu_us": 4, "verdict": "nnrt", "why": ""}


def test_the_card_shows_the_units_that_the_console_told_of(made: product.Product, tmp_path: Path, play: Any) -> None:
    board = Here(play(knows(*range(40))).url)
    board.console = [f"[ 1.0] kiln-llm: nnrt-unit {json.dumps(UNIT)}", f"nnrt-unit {json.dumps({**UNIT, 'id': 'b', 'verdict': 'cpu'})}",
                     'nnrt-first {"id": "blk.0.ffn", "rows": 9}', 'nnrt-first {"id": "nobody"}', "nnrt-unit {", 'nnrt-unit {"id": 1}', "nnrt-unit []",
                     f"nnrt-unit {json.dumps({**UNIT, 'id': 'c', 'bytes': True})}", f"nnrt-unit {json.dumps({**UNIT, 'id': 'd', 'verdict': 'maybe'})}"]
    result = judge(made, tmp_path, board)
    told = json.loads((tmp_path / "card.json").read_text())["units"]
    assert told == [{**UNIT, "used": True}, {**UNIT, "id": "b", "verdict": "cpu", "used": False}]
    assert result.units == 1 and "; 1 units on NNRt" in result.lines[-1]
