# SPDX-License-Identifier: Apache-2.0
"""A measured recipe as a file: written, read back, refused where it is hostile or of another model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from model.made import Shape, write

from kiln.errors import KilnError, ModelError, Refused
from kiln.model import found, gguf
from kiln.model.found import Found, Tried

GOOD = Found("auto", "a" * 64, "b" * 64, "Q4_K", {"blk.0.attn_q.weight": "Q4_K", "token_embd.weight": "Q6_K"}, (), 1000, 0.01, 0.001,
             (Tried("q4_0", 1100, 0.02, 0.001), Tried("auto", 1000, 0.01, 0.001, chosen=True)), {"cpu": "x", "cores": "2"})


def read(file: Path) -> Found:
    return found.load(file, "products/x.recipe.json", found.command("x"))


def test_written_and_read_back(tmp_path: Path) -> None:
    found.save(GOOD, tmp_path / "x")
    assert read(tmp_path / "x") == GOOD


def test_none_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="there is no recipe yet; measure one: scons update=recipe product=x"):
        read(tmp_path / "none")


@pytest.mark.parametrize("change", [
    {"schema": 2}, {"types": {"a b": "Q4_K"}}, {"types": {"a\n--x": "Q4_K"}}, {"types": {"a": "Q4_K --pure"}}, {"types": {"a": "F64"}}, {"types": []},
    {"dropped": [3, 1]}, {"dropped": [-1]}, {"dropped": [1 << 40]}, {"dropped": ["1"]}, {"base": "Q9"}, {"kld": float("nan")}, {"more": 1},
    {"size": "big"}, {"tried": [{"recipe": 1}]},
    {"tried": [{"recipe": "a\nb", "size": 1, "kld": 0.1, "error": 0.1}]}, {"tried": [{"recipe": "q4_0", "size": 1, "kld": float("inf"), "error": 0.1}]},
    {"tried": [{"recipe": "q4_0", "size": 1, "kld": 0.1, "error": 0.1, "chosen": "yes"}]}, {"source": None},
])
def test_a_hostile_file_is_one_line(tmp_path: Path, change: dict[str, object]) -> None:
    found.save(GOOD, tmp_path / "x")
    said = {**json.loads((tmp_path / "x").read_text()), **change}
    (tmp_path / "x").write_text(json.dumps(said))
    with pytest.raises(ModelError) as caught:
        read(tmp_path / "x")
    assert str(caught.value).startswith("products/x.recipe.json: is no recipe: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"[]", b"{" * 100_000, b"\xff\xfe", b"null", b'{"schema": 1}'])
def test_no_json_is_one_line(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "x").write_bytes(text)
    with pytest.raises(ModelError, match="is no recipe"):
        read(tmp_path / "x")


def test_a_recipe_of_another_model_is_refused(tmp_path: Path) -> None:
    header = gguf.header(write(tmp_path / "m.gguf", Shape(layers=3, width=288, heads=4)))
    for change, says in (({"source": "c" * 64}, "was measured on another model"), ({"types": {"blk.9.attn_q.weight": "Q4_0"}}, "blk.9.attn_q.weight"),
                         ({"types": {"blk.0.attn_q.weight": "Q4_K"}}, "names blk.0.attn_q.weight as Q4_K")):
        with pytest.raises(KilnError) as caught:
            found.fits(Found(**{**GOOD.__dict__, "types": {}, **change}), header, "a" * 64, "products/x.recipe.json", "the command")  # type: ignore[arg-type]
        assert says in str(caught.value)


def test_layers_are_renumbered_as_llama_quantize_does(tmp_path: Path) -> None:
    header = gguf.header(write(tmp_path / "m.gguf", Shape(layers=4)))
    left = found.renamed(header, (0, 2))
    assert {name.split(".")[1] for name in left if name.startswith("blk.")} == {"0", "1"}
    assert left["blk.0.attn_q.weight"].name == "blk.1.attn_q.weight" and left["blk.1.ffn_up.weight"].name == "blk.3.ffn_up.weight"


def test_patterns_match_one_name_each() -> None:
    assert found.patterns(GOOD) == "^blk\\.0\\.attn_q\\.weight$=q4_k\n^token_embd\\.weight$=q6_k\n"
