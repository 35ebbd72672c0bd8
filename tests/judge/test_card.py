# SPDX-License-Identifier: Apache-2.0
"""The two cards: questions are read as hostile, card.json keeps every other verb's block."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kiln import share
from kiln.errors import ModelError
from kiln.judge import card
from kiln.results import BoardFacts

pytestmark = pytest.mark.fast
FACTS = BoardFacts("virt", "", "cortex-a76", 2, False, "7.2.22")
LINES = "".join(json.dumps({"id": f"p-{n}", "q": f"Which {n}?", "a": f"the {n}"}) + "\n" for n in range(5))


def questions(tmp_path: Path, text: str) -> Path:
    (tmp_path / "card.jsonl").write_text(text)
    return tmp_path / "card.jsonl"


def write(tmp_path: Path, block: str, value: object, manifest: str = "{}") -> dict[str, object]:
    (tmp_path / "manifest.json").write_text(manifest)
    card.write(tmp_path / "card.json", block, value, product="virt", manifest=tmp_path / "manifest.json", board=FACTS)
    loaded: dict[str, object] = json.loads((tmp_path / "card.json").read_text())
    return loaded


def test_questions_come_in_the_order_asked(tmp_path: Path) -> None:
    file = questions(tmp_path, LINES + "\n")
    assert [one.id for one in card.questions(file, ("p-3", "p-1"))] == ["p-3", "p-1"]
    assert card.questions(file)[4] == card.Question("p-4", "Which 4?", "the 4")


def test_our_own_card_holds() -> None:
    assert len(card.questions(share.folder("sandbox") / "model" / "card.jsonl")) >= 200


def test_an_unknown_question_is_named_with_its_neighbor(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no question 'p-9'; did you mean"):
        card.questions(questions(tmp_path, LINES), ("p-9",))


@pytest.mark.parametrize("line", ["{", "[]", "4", '{"id":"x"}', '{"id":"x","q":1,"a":"y"}', '{"id":"x","q":"","a":"y"}', "[" * 99999])
def test_a_bad_question_is_told_with_its_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(ModelError, match=r"card\.jsonl:6: "):
        card.questions(questions(tmp_path, LINES + line))


def test_a_card_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        card.questions(tmp_path / "none.jsonl")


def test_a_verb_replaces_its_own_block_only(tmp_path: Path) -> None:
    write(tmp_path, "bench", [{"what": "pp64"}])
    write(tmp_path, "check", {"ok": False})
    said = write(tmp_path, "check", {"ok": True})
    assert said["bench"] == [{"what": "pp64"}] and said["check"] == {"ok": True}
    assert said["schema"] == 1 and said["product"] == "virt" and said["board"] == {"kind": "virt", "serial": "", "cpu": "cortex-a76", "cores": 2}
    assert isinstance(said["machine"], dict) and said["machine"]["qemu"] == "7.2.22" and said["machine"]["cores"]


def test_a_card_of_another_image_is_begun_anew(tmp_path: Path) -> None:
    write(tmp_path, "bench", [1])
    assert "bench" not in write(tmp_path, "check", {}, manifest='{"other":1}')


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema":2}', "\udcff", "[" * 99999])
def test_a_broken_card_is_begun_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "card.json").write_text(text, errors="surrogateescape")
    assert write(tmp_path, "check", {"ok": True})["check"] == {"ok": True}
