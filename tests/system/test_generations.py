# SPDX-License-Identifier: Apache-2.0
"""The table of build.sh's generations: which row a tree gets, and the command that comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiln.errors import Refused
from kiln.system import generations

pytestmark = pytest.mark.fast


def tree(folder: Path, text: str) -> Path:
    (folder / "build").mkdir()
    (folder / "build/version.gni").write_text(text)
    return folder


@pytest.mark.parametrize("said", ['  api_version = "18"\n', "api_version = 12\n", '  sdk_version = "5.0.3.140"\n  api_version = "15"'])
def test_a_tree_gets_the_row_of_its_api_level(tmp_path: Path, said: str) -> None:
    assert generations.of(tree(tmp_path, said)).name == "5.1"


@pytest.mark.parametrize("api", [0, 8, 27, 999])
def test_an_unknown_level_is_refused_with_those_known(tmp_path: Path, api: int) -> None:
    with pytest.raises(Refused, match=f"API level {api} .*known: .*5.1"):
        generations.of(tree(tmp_path, f'api_version = "{api}"'))


def test_a_folder_that_is_no_tree_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="not an OpenHarmony tree"):
        generations.of(tmp_path)


@pytest.mark.parametrize("text", ["", "api_version = mine\n", "# api_version = 18\n", "\0\xff"])
def test_a_version_file_that_says_nothing_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(Refused, match="version.gni: says no api_version"):
        generations.of(tree(tmp_path, text))


def test_rows_do_not_overlap_and_each_has_its_own_version_in_it() -> None:
    for row in generations.TABLE:
        assert row.first <= row.api <= row.last
        assert [other.name for other in generations.TABLE if other.first <= row.last and row.first <= other.last] == [row.name]


def test_the_command_has_no_word_that_build_sh_would_lose() -> None:
    row = generations.named("5.1")
    argv = generations.argv(row, "virt", ("mindspore_lib", "neural_network_runtime"), "arm64-v8a", 3)
    assert argv[:7] == ["./build.sh", "--product-name", "virt", "--build-target", "mindspore_lib", "--build-target",
                        "neural_network_runtime"]
    assert argv[7:9] == ["--target-cpu", "arm64"] and "--ninja-args=-j3" in argv and "--no-prebuilt-sdk" in argv
    assert not [word for word in argv if " " in word]              # 5.1 splits them anew
    assert not [word for word in argv if word.startswith(("--jobs", "--sparse-image"))]    # they do nothing there


def test_a_target_that_we_do_not_know_makes_no_file_that_we_wait_for() -> None:
    assert generations.named("5.1").made_by("images") == ()
