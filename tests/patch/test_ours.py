# SPDX-License-Identifier: Apache-2.0
"""Our own patches for OpenHarmony: on files made of their own lines always, on real checkouts where somebody has some.

    KILN_OHOS_CHECKOUTS=/src/releases ./kiln test tests/patch -m long -s      # /src/releases/<release>/<path of a repository>
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

from kiln import patch, share
from kiln.system import generations
from kiln.tools import ohos
from patch.made import git

OURS = sorted((share.folder("patches") / "openharmony").rglob("*.patch"))
CHECKOUTS = Path(os.environ.get("KILN_OHOS_CHECKOUTS", "/nowhere"))
NNRT, MKEXT, TIMES = "foundation/ai/neural_network_runtime", "build/ohos/images/mkimage/mkextimage.py", "build/hb/util/system_util.py"


def of(name: str) -> tuple[patch.Patch, ...]:
    return patch.series(*ohos.folders("openharmony", name))


@pytest.mark.parametrize("file", OURS, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_it_says_why_and_holds_no_more_than_a_line_of_context(file: Path) -> None:
    head, _, body = file.read_text().partition("\ndiff --git ")
    assert all(f"\n{word}" in head for word in ("Why: ", "For: ", "Checked on the real files of ")) and "applies and comes out again" in " ".join(head.split())
    assert max(map(len, head.splitlines())) <= 150
    for hunk in re.split(r"(?m)^@@ .*\n", body)[1:]:
        lines = hunk.partition("\ndiff --git ")[0].splitlines()
        assert sum(line.startswith(" ") or not line for line in lines) <= 1, "one line of context"
        assert sum(line.startswith("-") and not line.startswith("--- ") for line in lines) <= 2


def test_a_folder_names_generations_that_there_are() -> None:
    known = {row.name for row in generations.TABLE}
    folders = [folder.name for folder in (share.folder("patches") / "openharmony").iterdir()]
    assert folders and all(folder == "all" or set(folder.split("+")) <= known for folder in folders)
    assert ohos.folders("openharmony", "5.1")[0].name == "all" and all("5.1" in one.name for one in ohos.folders("openharmony", "5.1")[1:])


def lay(root: Path, name: str) -> dict[str, bytes]:
    """A tree of files that hold nothing but what the patches of a generation change, at the lines where they say it is."""
    texts: dict[Path, dict[int, list[str]]] = defaultdict(dict)
    for one in of(name):
        for part in re.split(r"(?m)^diff --git ", one.file.read_text())[1:]:
            old = re.search(r"(?m)^--- a/(.*)$", part)
            for at, lines in re.findall(r"(?m)^@@ -(\d+)(?:,\d+)? .*\n((?:[-+ ].*\n|\n)*)", part) if old else ():
                assert old
                texts[root / one.repository / old[1]][int(at)] = [line[1:] for line in lines.splitlines() if line[:1] in ("-", " ", "")]
    for file, hunks in texts.items():
        made: list[str] = []
        for at, lines in sorted(hunks.items()):
            made += [f"line {number}" for number in range(len(made) + 1, at)] + lines
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join([*made, "the", "end"]) + "\n")
    return {str(file): file.read_bytes() for file in texts}


@pytest.mark.parametrize("row", generations.TABLE, ids=lambda row: row.name)
def test_a_generations_series_goes_in_and_out_of_files_made_of_its_lines(tmp_path: Path, row: generations.Generation) -> None:
    before = lay(tmp_path / "tree", row.name)
    applied = patch.apply(tmp_path / "tree", of(row.name), tmp_path / "state")
    assert not applied.there and {str(tmp_path / "tree" / name) for name in applied.files} >= set(before)
    assert all(Path(name).read_bytes() != data for name, data in before.items())
    assert patch.apply(tmp_path / "tree", of(row.name), tmp_path / "state").already
    shutil.rmtree(tmp_path / "state")                                        # another machine's cache: seen in the files themselves
    assert patch.apply(tmp_path / "tree", of(row.name), tmp_path / "state").there
    shutil.rmtree(tmp_path / "tree")
    assert lay(tmp_path / "tree", row.name) == before
    patch.apply(tmp_path / "tree", of(row.name), tmp_path / "other")
    patch.unapply(tmp_path / "tree", tmp_path / "other")
    assert {name: Path(name).read_bytes() for name in before} == before


def test_the_patch_that_joins_mindspores_series_fits_lines_that_the_series_shows(tmp_path: Path) -> None:
    """These few lines are all that is known of the two files whose sources come out of an archive."""
    lay(tmp_path / "tree", "4.1")
    patch.apply(tmp_path / "tree", of("4.1"), tmp_path / "state")
    source = tmp_path / "source"
    for name, text in {
        "mindspore/ccsrc/plugin/device/cpu/kernel/nnacl/BUILD.gn": "    }\n  } else if (target_cpu == \"x86_64\") {\n    cflags_c += [\n",
        "mindspore/lite/BUILD.gn": '  configs = [\n  ]\n\n  output_name = "libmindspore-lite"\n  output_extension = "so"\n}\n'
                                   '\nconfig("secure_option") {\n  cflags = []\n}\n',
    }.items():
        (source / name).parent.mkdir(parents=True)
        (source / name).write_text("first\n" * 3 + text)
    git(source, "init", "-q")
    added = tmp_path / "tree/third_party/mindspore/patches/9000-cortex-a55.patch"
    git(source, "apply", str(added))
    made = (source / "mindspore/lite/BUILD.gn").read_text()
    assert made.index('configs += [ ":cortex_a55" ]') < made.index("output_name") < made.index('config("cortex_a55")') < made.index("secure_option")
    assert "patches.append('9000-cortex-a55.patch')" in (tmp_path / "tree/third_party/mindspore/build_helper.py").read_text()


def _copied(release: Path, into: Path, series: tuple[patch.Patch, ...]) -> tuple[patch.Patch, ...]:
    """The files that a series touches, and those beside them, out of real checkouts; gives the patches whose repository there is."""
    some = tuple(one for one in series if (release / one.repository).is_dir())
    for one in some:
        for path in one.paths:
            file = release / one.repository / path
            shutil.copytree(file.parent, into / one.repository / Path(path).parent, dirs_exist_ok=True, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    return some


def _same_twice(script: Path, work: Path) -> bool:
    """Whether an image script makes the same image of the same files two seconds apart; the filler is a stand-in that fills nothing."""
    tools = work / "tools"
    tools.mkdir(parents=True, exist_ok=True)
    (tools / "e2fsdroid").write_text("#!/bin/sh\nexit 0\n")
    (tools / "e2fsdroid").chmod(0o755)
    (work / "files").mkdir(exist_ok=True)
    env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}:/usr/sbin:/sbin", "SOURCE_DATE_EPOCH": "1767225600"}
    images = []
    for number in range(2):
        image = work / f"{number}.img"
        subprocess.run([sys.executable, str(script), str(work / "files"), str(image), "/vendor", "16777216", "--dac_config=x"], env=env, check=True)
        images.append(image.read_bytes())
        image.unlink()
        time.sleep(2.1 * (number == 0))
    return images[0] == images[1]


def _times(folder: Path, epoch: str) -> tuple[int, str]:
    """What the function of a patched system_util gives, taken out of the class and module that need the whole tree."""
    text = (folder / TIMES).read_text()
    found = re.search(r"(?m)^    def get_current_time(?:.|\n)*?(?=^\S|\Z)", text)
    assert found
    scope: dict[str, object] = {}
    exec("import os\nfrom datetime import datetime\nclass S:\n    @staticmethod\n" + found[0], scope)
    os.environ["SOURCE_DATE_EPOCH"] = epoch                 # the test gives it back
    give = getattr(scope["S"], "get_current_time")
    return give("timestamp"), give("datetime")


def _in_c(folder: Path, language: str) -> bool:
    headers = sorted((folder / NNRT / "interfaces/kits/c").rglob("neural_network_runtime.h"))
    words = ["gcc", "-x", language, "-std=c11" if language == "c" else "-std=c++17", "-fsyntax-only", f"-I{headers[0].parent}", str(headers[0])]
    return subprocess.run(words, capture_output=True).returncode == 0


@pytest.mark.long
@pytest.mark.parametrize("release", sorted(CHECKOUTS.glob("[0-9m]*/")) or [None], ids=lambda one: one.name if one else "none")
def test_on_real_checkouts(release: Path | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    if release is None:
        pytest.skip("KILN_OHOS_CHECKOUTS names no folder of checkouts")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "")
    name = generations.of(release).name
    tree = tmp_path / "tree"
    series = _copied(release, tree, of(name))
    before = {file: (file.stat().st_mode, file.read_bytes()) for file in tree.rglob("*") if file.is_file()}
    was = (_same_twice(tree / MKEXT, tmp_path / "work"), _in_c(tree, "c"), _in_c(tree, "c++"))
    applied = patch.apply(tree, series, tmp_path / "state")
    assert applied.files and not applied.there
    now = (_same_twice(tree / MKEXT, tmp_path / "work"), _in_c(tree, "c"), _in_c(tree, "c++"))
    assert not was[0] and now[0] and now[2] == was[2]
    if (tree / TIMES).is_file():
        assert _times(tree, "1767225600") == (1767225600000, "2026-01-01 00:00:00") and _times(tree, "")[0] > 1767225600000
    for file in tree.rglob("*.py"):
        compile(file.read_text(), str(file), "exec")
    assert len(patch.unapply(tree, tmp_path / "state")) == len(applied.files)
    assert {file: (file.stat().st_mode, file.read_bytes()) for file in tree.rglob("*") if file.is_file() and "__pycache__" not in file.parts} == before
    with capsys.disabled():
        print(f"\n{release.name} ({name}): {', '.join(f'{one.repository}/{one.file.name[:4]}' for one in series)}; image same twice {was[0]} -> {now[0]}, "
              f"headers in C {was[1]} -> {now[1]}, in C++ {was[2]} -> {now[2]}")
