# SPDX-License-Identifier: Apache-2.0
"""Every pin of vendor/ that a package registry has, truly fetched into an empty cache and unpacked."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiln import fetch, pin, share, stamp
from kiln.errors import FetchError, SpecError

HOLDS = {"ziglang": "ziglang/zig", "llama.cpp": "ggml/src/ggml.c", "linux-arm64": "boot", "musl-arm64": "lib/ld-musl-aarch64.so.1"}


@pytest.mark.ci
@pytest.mark.parametrize("name", [name for name in pin.names() if pin.load(name).kind in ("pypi", "deb")])    # others: hundreds of MB from other hosts
def test_a_pin_comes_from_its_registry(name: str, tmp_path: Path) -> None:
    wanted = pin.load(name)
    fetched = fetch.get(wanted, tmp_path / "cache")
    assert fetched.input.pinned or wanted.accept == "signed"
    assert stamp.digest(fetched.path) == fetched.input.sha256
    root = fetch.unpack(fetched.path, tmp_path / "tree", file=wanted.file, subdir=wanted.subdir)
    assert name not in HOLDS or (root / HOLDS[name]).exists()
    assert fetch.get(wanted, tmp_path / "cache", offline=True) == fetched


def test_a_tree_is_given_and_not_fetched(tmp_path: Path) -> None:
    wanted = pin.load("openharmony")
    assert {"build", "third_party/mindspore", "foundation/ai/neural_network_runtime", "vendor/hihope"} <= set(wanted.projects)
    with pytest.raises(FetchError, match="499 repositories are not fetched; make the tree with repo .*ohos=PATH"):
        fetch.get(wanted, tmp_path / "cache")


@pytest.mark.parametrize("change", ["  build: 5f771ebb8cef4995c4c952eb2c7c50f6af49f8dd\n", "  ../x: 5f771ebb8cef4995c4c952eb2c7c50f6af49f8dd\n",
                                    "  -x: 5f771ebb8cef4995c4c952eb2c7c50f6af49f8dd\n", "  build: main\n"])
def test_a_list_of_projects_that_was_changed_by_hand_is_refused(tmp_path: Path, change: str) -> None:
    text = (share.folder("vendor") / "openharmony.yaml").read_text()
    line = next(line for line in text.splitlines(keepends=True) if line.startswith("  build: "))
    (tmp_path / "openharmony.yaml").write_text(text.replace(line, change if change != line else ""))
    with pytest.raises(SpecError, match="vendor/openharmony.yaml:3: (sha256 and size|projects)"):
        pin.load("openharmony", tmp_path)
