# SPDX-License-Identifier: Apache-2.0
"""The table of build.sh's generations: which row a tree gets, and the command that comes of it."""

from __future__ import annotations

import optparse
from pathlib import Path

import pytest

from kiln.errors import Refused
from kiln.system import generations

pytestmark = pytest.mark.fast

TARGETS = ("mindspore_lib", "neural_network_runtime")


def tree(folder: Path, text: str) -> Path:
    (folder / "build").mkdir()
    (folder / "build/version.gni").write_text(text)
    return folder


@pytest.mark.parametrize("said,name", [
    ('  api_version = "18"\n', "5.1"), ("api_version = 12\n", "5.0"), ('  sdk_version = "5.0.3.140"\n  api_version = "15"', "5.0"),
    ('api_version = "9"', "3.2"), ('api_version = "10"', "4.0"), ('api_version = "11"', "4.1"), ('api_version = "20"', "6.0"),
    ('api_version = "23"', "6.1"), ('api_full_version = "26.0.0"\napi_version = "26"', "6.1"),
])
def test_a_tree_gets_the_row_of_its_api_level(tmp_path: Path, said: str, name: str) -> None:
    assert generations.of(tree(tmp_path, said)).name == name


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
    assert row.splits
    argv = generations.argv(row, "virt", ("mindspore_lib", "neural_network_runtime"), "arm64-v8a", 3)
    assert argv[:7] == ["./build.sh", "--product-name", "virt", "--build-target", "mindspore_lib", "--build-target",
                        "neural_network_runtime"]
    assert argv[7:9] == ["--target-cpu", "arm64"] and "--ninja-args=-j3" in argv and "--no-prebuilt-sdk" in argv
    assert not [word for word in argv if " " in word]              # 5.1 splits them anew


@pytest.mark.parametrize("row", generations.TABLE, ids=lambda row: row.name)
def test_no_command_has_a_flag_that_lies_there(row: generations.Generation) -> None:
    argv = generations.argv(row, "rk3568", TARGETS, "arm64-v8a", 3)
    assert row.lies and row.origin
    for flag, instead in row.lies:
        said = [word for word in argv if word.partition("=")[0] == flag]
        assert not said and instead, flag
    # Every row but the first bounds ninja and keeps the SDK from being built before a library.
    assert (row.name == "3.2") == ("--ninja-args=-j3" not in argv)
    assert (row.name == "3.2") == (not [word for word in argv if word.startswith("--no-prebuilt-sdk")])
    assert "--prebuilt-sdk" not in " ".join(argv)                   # build.sh looks for these letters anywhere in its words
    assert "ohos-sdk" not in " ".join(argv)


def test_3_2_gets_only_words_that_its_parser_knows() -> None:
    """optparse of 3.2 ends the build at a flag that it does not know, and at a value that it does not want."""
    parser = optparse.OptionParser()
    for name in ("--product-name", "--target-cpu"):
        parser.add_option(name)
    parser.add_option("--build-target", action="append")
    for name in ("--disable-package-image", "--ccache"):
        parser.add_option(name, action="store_true")
    row = generations.named("3.2")
    found, rest = parser.parse_args(generations.argv(row, "rk3568", TARGETS, "arm64-v8a", 3)[1:])
    assert not rest and found.build_target == list(TARGETS) and found.disable_package_image
    assert dict(row.env) == {"CCACHE_DISABLE": "1"}


@pytest.mark.parametrize("row", generations.TABLE[1:], ids=lambda row: row.name)
def test_a_switch_swallows_no_word(row: generations.Generation) -> None:
    """hb's switches take a word that follows them; --no-prebuilt-sdk is none of them until 6.1."""
    argv = generations.argv(row, "rk3568", TARGETS, "arm64-v8a", 3)
    bare = [word for word in row.flags if "=" not in word]
    assert bare == ([] if row.name == "6.1" else ["--no-prebuilt-sdk"])
    assert all(argv[argv.index(word) + 1].startswith("--") for word in bare)


@pytest.mark.parametrize("name,lite,nnrt", [
    ("3.2", "libmindspore-lite.huawei.so", {"libneural_network_runtime.z.so"}),
    ("4.0", "libmindspore-lite.so", {"libneural_network_runtime.z.so"}),
    *((name, "libmindspore-lite.so", {"libneural_network_core.so", "libneural_network_runtime.so"})
      for name in ("4.1", "5.0", "5.1", "6.0", "6.1")),
])
def test_each_generation_has_its_own_names(name: str, lite: str, nnrt: set[str]) -> None:
    row = generations.named(name)
    assert row.made_by("mindspore_lib") == (lite,) and set(row.made_by("neural_network_runtime")) == nnrt


@pytest.mark.parametrize("name,word", [("5.1", "a b"), ("5.1", "lib*"), ("3.2", "a\tb"), ("6.0", "--jobs"), ("6.1", "")])
def test_a_name_that_build_sh_would_not_get_is_refused(name: str, word: str) -> None:
    with pytest.raises(Refused, match=f"build.sh of {name} would not get .* as one name"):
        generations.argv(generations.named(name), "rk3568", (word,), "arm64-v8a", 3)


def test_words_are_kept_from_6_0_on() -> None:
    argv = generations.argv(generations.named("6.0"), "rk3568", ("a b",), "arm64-v8a", 3)
    assert "a b" in argv and not generations.named("6.1").splits


def test_a_target_that_we_do_not_know_makes_no_file_that_we_wait_for() -> None:
    assert generations.named("5.1").made_by("images") == ()
