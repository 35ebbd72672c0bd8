# SPDX-License-Identifier: Apache-2.0
"""Kept results: the same bytes back, the same archive for the same folder, and a damaged one as if it were absent."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kiln.fetch import made

pytestmark = pytest.mark.fast
KEY = "ab" * 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A result: a program, a library, a link, a hidden stamp, three MiB of noise."""
    root = tmp_path / "out"
    (root / "lib").mkdir(parents=True)
    (root / "run").write_bytes(b"\x7fELF")
    (root / "run").chmod(0o755)
    (root / "lib" / "libx.so.1").write_bytes(os.urandom(3 << 20))
    (root / "lib" / "libx.so").symlink_to("libx.so.1")
    (root / ".made.json").write_text("{}")
    os.mkfifo(root / "pipe")
    return root


def seen(root: Path) -> dict[str, object]:
    """Every file and link: mode and bytes."""
    return {path.relative_to(root).as_posix(): os.readlink(path) if path.is_symlink() else (stat.S_IMODE(path.stat().st_mode), path.read_bytes())
            for path in root.rglob("*") if path.is_symlink() or path.is_file()}


def test_kept_and_restored(cache: Path, folder: Path, tmp_path: Path) -> None:
    assert not made.restore(cache, KEY, tmp_path / "back")
    assert made.keep(cache, KEY, folder)
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "older").write_text("goes")
    assert made.restore(cache, KEY, tmp_path / "back")
    assert seen(tmp_path / "back") == seen(folder)
    assert time.time() - (tmp_path / "back" / "run").stat().st_mtime < 60, "no kept time: SCons decides by it"


def test_equal_folders_are_equal_archives(cache: Path, folder: Path, tmp_path: Path) -> None:
    made.keep(cache, KEY, folder)
    first = (cache / "made" / f"{KEY}.tar.zst").read_bytes()
    subprocess.run(["cp", "-r", folder, tmp_path / "copy"], check=True)
    os.utime(tmp_path / "copy" / "run", (1, 1))
    made.keep(cache, KEY, tmp_path / "copy")
    assert (cache / "made" / f"{KEY}.tar.zst").read_bytes() == first


@pytest.mark.parametrize("damage", ["flip", "cut", "no index", "bad index", "other index"])
def test_damaged_is_absent(cache: Path, folder: Path, tmp_path: Path, damage: str) -> None:
    made.keep(cache, KEY, folder)
    file, index = cache / "made" / f"{KEY}.tar.zst", cache / "made" / f"{KEY}.json"
    data = file.read_bytes()
    if damage == "flip":
        file.write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
    elif damage == "cut":
        file.write_bytes(data[:-100])
    elif damage == "no index":
        index.unlink()
    else:
        index.write_text("[1" if damage == "bad index" else "[1]")
    assert not made.restore(cache, KEY, tmp_path / "back")
    assert not file.exists() and not index.exists() and not (tmp_path / "back").exists()


def test_no_room_is_no_error(cache: Path, folder: Path) -> None:
    code = (f"import resource, sys\nfrom pathlib import Path\nfrom kiln.fetch import made\n"
            f"resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
            f"sys.exit(made.keep(Path({str(cache)!r}), {KEY!r}, Path({str(folder)!r})))\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert not list((cache / "made").iterdir())


def test_killed_while_keeping_leaves_the_old_or_nothing(cache: Path, folder: Path, tmp_path: Path) -> None:
    code = f"from pathlib import Path\nfrom kiln.fetch import made\nprint('go', flush=True)\nmade.keep(Path({str(cache)!r}), {KEY!r}, Path({str(folder)!r}))\n"
    for wait in (0.0, 0.02, 0.05, 0.1):
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert child.stdout and child.stdout.readline()
        time.sleep(wait)
        child.kill()
        child.communicate()
        back = tmp_path / f"back{wait}"
        assert not made.restore(cache, KEY, back) or seen(back) == seen(folder)
    assert made.keep(cache, KEY, folder) and made.restore(cache, KEY, tmp_path / "last")
