# SPDX-License-Identifier: Apache-2.0
"""`scons update=PIN` in a copy of the checkout: it moves the file of that pin, does nothing else, and refuses what makes no sense."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from checkout import ROOT, copied, scons

sys.path.append(str(ROOT / "tests" / "fetch"))
import faulty  # noqa: E402
import made_sdk  # noqa: E402

API, PATH = "/api/daily_build/build/list/component", "version/Daily_Version/thing/20260728_180253/version-thing-20260728_180253-thing.tar.gz"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("update") / "kiln")


def test_a_daily_is_moved_and_nothing_is_built(checkout: Path, tmp_path: Path) -> None:
    body = made_sdk.archive(made_sdk.NATIVE, b"zip")
    with faulty.serving(files={"/" + PATH: body}) as server:
        server.posts[API] = json.dumps({"data": {"list": {"dataList": [
            {"component": "thing", "branch": "weekly", "obsPath": server.url("/") + PATH, "buildSuccess": True}]}}}).encode()
        file = checkout / "vendor" / "thing.yaml"
        file.write_text(f"# A thing.\nkind: daily\nname: thing\nversion: old\nfile: a.tar.gz\nurl: {server.url('/a.tar.gz')}\nservice: {server.url(API)}\n"
                        f"sha256: {'1' * 64}\nsize: 3\nlicence: MIT\n")
        words = ("update=thing", "date=20260728", "branch=weekly", f"cache={tmp_path / 'cache'}", f"build={tmp_path / 'build'}")
        done = scons(*words, cwd=checkout)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.startswith("thing  old -> 20260728_180253; sha256 computed from what came")
        assert "  - version: old\n" in done.stdout and "  + trust: first-seen\n" in done.stdout
        assert file.read_text().startswith("# A thing.\nkind: daily\nname: thing\nversion: \"20260728_180253\"\nfile: version-thing-")
        assert not (tmp_path / "build" / "virt").exists() and not (tmp_path / "build" / "src").exists()
        again = scons(*words, cwd=checkout)
        assert again.stdout == "thing  20260728_180253 is what is there today; nothing was written\n"
        file.unlink()


@pytest.mark.parametrize("words,says", [
    (["update=zigland"], "update=zigland: there is no such pin; did you mean ziglang? known: "),
    (["update=ziglang", "image"], "update moves a pin and builds nothing; run it alone: scons update=ziglang"),
    (["update=ziglang", "date=20260728"], "date= and branch= choose among daily builds, and ziglang is of kind pypi; scons update=ziglang"),
    (["update=ziglang", "date=20261328"], "date=20261328 must be a day as YYYYMMDD"),
    (["update=ziglang", "branch=-x"], "branch=-x must be the name of a branch"),
    (["update=ziglang", "offline=1"], "update=ziglang asks the network, and offline=1 forbids it"),
    (["date=20260728"], "date= and branch= choose what update= takes; scons update=PIN"),
])
def test_what_makes_no_sense_is_refused_in_one_line(checkout: Path, tmp_path: Path, words: list[str], says: str) -> None:
    done = scons(*words, f"build={tmp_path / 'build'}", f"cache={tmp_path / 'cache'}", cwd=checkout)
    lines = [line for line in done.stderr.splitlines() if "kiln:" in line]
    assert done.returncode == 2 and len(lines) == 1 and says in lines[0], done.stderr


@pytest.mark.ci
def test_a_package_is_moved_to_what_its_registry_has(checkout: Path, tmp_path: Path, cache: Path) -> None:
    """Out of the registry that this machine's pip asks; an old pin gets the file of the same shape."""
    file = checkout / "vendor" / "thing.yaml"
    file.write_text("kind: pypi\nname: anycrc\nversion: 1.2.0\nfile: anycrc-1.2.0.tar.gz\nsubdir: anycrc-1.2.0\n"
                    f"sha256: {'1' * 64}\nsize: 3\nlicence: MIT\nmirrors: [{{kind: path, path: /nowhere}}]\n")
    done = scons("update=thing", f"cache={tmp_path / 'cache'}", f"build={tmp_path / 'build'}", cwd=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    text = file.read_text()
    file.unlink()
    assert "sha256 as published" in done.stdout and "trust" not in text and "mirrors" not in text
    version = next(line for line in text.splitlines() if line.startswith("version: ")).removeprefix("version: ")
    assert version != "1.2.0" and f"subdir: anycrc-{version}\n" in text and f"file: anycrc-{version}.tar.gz\n" in text
