# SPDX-License-Identifier: Apache-2.0
"""A stamp holds for one key and intact outputs only; a result reads back as it was saved, wherever the folder moved."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kiln import results, stamp

pytestmark = pytest.mark.fast


def test_a_stamp_holds_for_its_key_and_sizes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("abc")
    stamp.make(tmp_path, "k1", [out])
    assert stamp.made(tmp_path, "k1") and not stamp.made(tmp_path, "k2")
    out.write_text("abcd")
    assert not stamp.made(tmp_path, "k1")
    out.unlink()
    assert not stamp.made(tmp_path, "k1")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"key": "k"}', '{"key": "k", "outputs": [1]}', '{"key": "k", "outputs": 3}'])
def test_a_broken_stamp_is_no_stamp(tmp_path: Path, text: str) -> None:
    (tmp_path / stamp.NAME).write_text(text)
    assert not stamp.made(tmp_path, "k")


def test_keys_do_not_run_together() -> None:
    assert stamp.key("ab", "c") != stamp.key("a", "bc")


def test_write_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "f"
    stamp.write(file, "old")
    monkeypatch.setattr(os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError):
        stamp.write(file, "new")
    assert file.read_text() == "old"


def test_two_threads_may_write_one_file(tmp_path: Path) -> None:
    """The first run with an empty cache: two fetches at once made its version file, and one of them failed."""
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            (tmp_path / "version").unlink(missing_ok=True)
            list(pool.map(lambda number: stamp.write(tmp_path / "version", "1\n"), range(8)))
    assert [file.name for file in tmp_path.iterdir()] == ["version"]


def test_the_digest_of_a_tree_sees_names_modes_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    seen = {stamp.digest_tree(tmp_path)}
    (tmp_path / "a").chmod(0o755)
    seen.add(stamp.digest_tree(tmp_path))
    (tmp_path / "a").write_text("2")
    seen.add(stamp.digest_tree(tmp_path))
    (tmp_path / "a").rename(tmp_path / "b")
    seen.add(stamp.digest_tree(tmp_path))
    assert len(seen) == 4


def test_a_result_moves_with_its_folder(tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.mkdir()
    made = results.Gguf(one / "m.gguf", "0" * 64, 5, "q4_0", "tiny", "Apache-2.0", 512, "k")
    file = results.save(made, one)
    assert results.load(results.Gguf, file) == made
    text = file.read_bytes()
    moved = one.rename(tmp_path / "two")
    assert results.load(results.Gguf, moved / results.NAME).file == moved / "m.gguf"
    assert (moved / results.NAME).read_bytes() == text and str(tmp_path).encode() not in text


def test_optional_paths_and_tuples_come_back(tmp_path: Path) -> None:
    rows = (results.Partition("system", 64, 128, tmp_path / "s.img", "g", ("bootable",)), results.Partition("misc", 1, 2, None))
    base = results.Base(rows, tmp_path / "parameter.txt", "arm64-v8a", "5.1", "root", "enforcing", True,
                        (results.Input("a", "deb", "1", "0" * 64, 1, "MIT"),), "k")
    assert results.load(results.Base, results.save(base, tmp_path)) == base
