# SPDX-License-Identifier: Apache-2.0
"""Killed at any patch, at any moment: the next run puts the tree back, or finishes it; nothing is half."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kiln import patch
from kiln.errors import PatchError
from patch.made import REPOSITORIES, Tree, files



def killed(tree: Tree, work: Callable[[], object], at: int) -> bool:
    """Do the work in a child that dies as by kill -9 just before its `at`th rename or removal in the tree or of the journal.

    Python tells an audit hook of each before it happens. False if the work was done before.
    """
    child = os.fork()
    if child == 0:
        sys.addaudithook(_dying(str(tree.root.parent), at))
        work()
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


def _dying(below: str, at: int) -> Callable[[str, tuple[object, ...]], None]:
    seen = 0

    def hook(event: str, words: tuple[object, ...]) -> None:
        nonlocal seen
        name = str(words[0]) if words else ""
        if name.startswith(below) and "scratch" not in name and (
                event == "os.rename" or event == "os.remove" and ".kiln-patch" not in name):
            seen += 1
            if seen == at:
                os.kill(os.getpid(), signal.SIGKILL)

    return hook


def small(tree: Tree) -> Tree:
    """Two plain folders of the three repositories, the second with one patch: 9 files, 11 renames and removals a run."""
    for file in tree.root.rglob(".git"):
        shutil.rmtree(file)
    shutil.rmtree(tree.root / "third_party")
    shutil.rmtree(tree.patches / "third_party")
    for file in (tree.patches / REPOSITORIES[2]).glob("000[23]-*"):
        file.unlink()
    return tree


def test_killed_at_every_moment_of_applying(tree: Tree) -> None:
    """The first kill is before the journal is there, the last before it says that all is applied; the ten between leave the tree half."""
    small(tree)
    before, half = files(tree.root), 0
    series, at = tree.series, 1
    while killed(tree, lambda: patch.apply(tree.root, series, tree.state), at):
        half += files(tree.root) != before
        assert tree.unapply() == () and files(tree.root) == before
        at += 1
    assert at - 1 == 11 and half == 10 and files(tree.root) != before
    assert tree.apply().already


def test_killed_at_moments_of_taking_out(tree: Tree) -> None:
    """Two runs later, the one killed again, the tree is whole."""
    before = files(small(tree).root)
    tree.apply()
    patched = files(tree.root)
    for at in (1, 2, 6, 10, 11):
        assert killed(tree, tree.unapply, at)
        assert (files(tree.root) == patched) == (at == 1)
        if at == 6:
            assert killed(tree, tree.unapply, 4)
        tree.apply()
        assert files(tree.root) == patched
    tree.unapply()
    assert files(tree.root) == before


def test_killed_at_a_random_moment(tree: Tree) -> None:
    before = files(small(tree).root)
    code = "import sys\nfrom pathlib import Path\nfrom kiln import patch\nt, p, s = map(Path, sys.argv[1:])\npatch.apply(t, patch.series(p), s)\n"
    for _ in range(2):
        child = subprocess.Popen([sys.executable, "-c", code, str(tree.root), str(tree.patches), str(tree.state)])
        time.sleep(random.uniform(0.05, 0.3))
        child.kill()
        child.wait()
        tree.unapply()
        assert files(tree.root) == before


def test_changed_between_the_kill_and_the_next_run(tree: Tree) -> None:
    small(tree)
    assert killed(tree, tree.apply, 5)
    file = tree.root / "build/src/a.c"
    kept = file.read_bytes()
    file.write_text("mine")
    with pytest.raises(PatchError, match="was changed after it was patched"):
        tree.apply()
    assert file.read_text() == "mine"
    file.write_bytes(kept)
    tree.apply()


def test_a_journal_that_somebody_cut(tree: Tree) -> None:
    small(tree).apply()
    before = files(tree.root)
    for text in ("", "{", "[]", "{}", '{"phase": "applied"}', '{"entries": [{}], "folders": []}'):
        (tree.state / "journal.json").write_text(text)
        for work in (tree.apply, tree.unapply):
            with pytest.raises(PatchError, match="is damaged"):
                work()
    assert files(tree.root) == before


def test_originals_that_somebody_changed(tree: Tree) -> None:
    small(tree).apply()
    before = files(tree.root)
    kept = next((tree.state / "before").iterdir())
    kept.write_bytes(b"x")
    with pytest.raises(PatchError, match="was changed"):
        tree.unapply()
    kept.unlink()
    with pytest.raises(PatchError, match="is lost"):
        tree.unapply()
    assert files(tree.root) == before


def test_two_at_once(tree: Tree) -> None:
    import fcntl

    tree.state.mkdir()
    with (tree.state / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(PatchError, match="another run is patching this tree"):
            tree.apply()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tree: Tree) -> None:
    small(tree)
    (tree.root / "foundation/ai/nnrt/src").chmod(0o555)
    before = files(tree.root)
    with pytest.raises(PatchError, match="cannot be written"):
        tree.apply()
    assert files(tree.root) == before


def test_a_file_too_large_is_rolled_back(tree: Tree, tmp_path: Path) -> None:
    """As on a full disk: a limit on file sizes that the last file of the tree passes."""
    small(tree)
    before = files(tree.root)
    code = ("import resource, sys, signal\nfrom pathlib import Path\nfrom kiln import patch, errors\n"
            "t, p, s = map(Path, sys.argv[1:])\nseries = patch.series(p)\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "def hook(event, words):\n    if event == 'os.rename' and 'nnrt' in str(words[0]):\n"
            "        resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))\n"
            "sys.addaudithook(hook)\n"
            "try:\n    patch.apply(t, series, s)\nexcept (errors.PatchError, OSError) as error:\n    print(error)\n")
    done = subprocess.run([sys.executable, "-c", code, str(tree.root), str(tree.patches), str(tree.state)], capture_output=True, text=True)
    assert "cannot be written: File too large" in done.stdout, done.stderr
    tree.unapply()
    assert files(tree.root) == before
