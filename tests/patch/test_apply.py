# SPDX-License-Identifier: Apache-2.0
"""A series over three repositories: applied as git's own commits would be, recognised, refused over local changes, and back."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kiln import patch
from kiln.errors import PatchError
from patch.made import CLEAN, REPOSITORIES, Tree, files, git



def wanted(template: Path) -> dict[str, tuple[int, bytes]]:
    return {name: one for name, one in files(template / "wanted").items() if not name.endswith("index")}


def without_index(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {name: one for name, one in files(folder).items() if not name.endswith("index")}


def refused(tree: Tree) -> str:
    """The one line of the error, which changes nothing in the tree."""
    before = files(tree.root)
    with pytest.raises(PatchError) as error:
        tree.apply()
    assert files(tree.root) == before
    assert "\n" not in str(error.value)
    return str(error.value)


def edit(tree: Tree, old: str, new: str, repository: str = REPOSITORIES[2]) -> None:
    """Change src/a.c of one repository by hand."""
    file = tree.root / repository / "src/a.c"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def test_applied_as_git_does_and_put_back_exactly(tree: Tree, template: Path) -> None:
    (tree.root / REPOSITORIES[0] / "run.sh").chmod(0o640)
    before = files(tree.root)
    done = tree.apply()
    assert not done.already and not done.there and len(done.files) == 24
    found = without_index(tree.root)
    assert found.pop("build/run.sh") == (0o100750, b"#!/bin/sh\necho one\n")  # who may read may run, and nobody else
    assert found == {name: one for name, one in wanted(template).items() if name != "build/run.sh"}
    heads = {git(tree.root / name, "log", "--oneline", "--all") for name in REPOSITORIES}
    assert all(len(head.splitlines()) == 1 for head in heads)
    assert sorted(tree.unapply()) == sorted(done.files)
    assert files(tree.root) == before
    assert tree.unapply() == ()


def test_the_digest_is_of_the_series(tree: Tree) -> None:
    first = tree.apply().digest
    assert patch.digest(tree.patches) == first != ""
    assert patch.digest(tree.patches / "none") == "" and patch.series(tree.patches / "none") == ()
    file = next(tree.patches.rglob("0001-*"))
    file.write_bytes(file.read_bytes().replace(b"Subject: ", b"Subject: now "))
    done = tree.apply()
    assert done.digest == patch.digest(tree.patches) != first and not done.already


def test_twice_is_once(tree: Tree) -> None:
    tree.apply()
    times = {path: path.lstat().st_mtime_ns for path in tree.root.rglob("*")}
    again = tree.apply()
    assert again.already and len(again.files) == 24
    assert times == {path: path.lstat().st_mtime_ns for path in tree.root.rglob("*")}


def test_applied_by_somebody_else_is_recognised(tree: Tree, template: Path) -> None:
    """As when the journal is lost, or a team has committed the patches: one repository is left to do."""
    for name in REPOSITORIES[:2]:
        git(tree.root / name, "am", "-q", "--keep-cr", *map(str, sorted((tree.patches / name).iterdir())))
    done = tree.apply()
    assert done.there == REPOSITORIES[:2] and all(name.startswith(REPOSITORIES[2]) for name in done.files)
    assert without_index(tree.root) == wanted(template)
    tree.unapply()
    shutil.rmtree(tree.state)
    git(tree.root / REPOSITORIES[2], "am", "-q", "--keep-cr", *map(str, sorted((tree.patches / REPOSITORIES[2]).iterdir())))
    done = tree.apply()
    assert done.already and done.there == tuple(sorted(REPOSITORIES)) and not done.files


@pytest.mark.parametrize("how", ["edited", "staged", "mode", "untracked", "deleted"])
def test_local_changes_in_a_touched_file_are_refused(tree: Tree, how: str) -> None:
    root = tree.root / REPOSITORIES[2]
    name = "src/new/binary" if how == "untracked" else "moved.txt" if how == "deleted" else "src/a.c"
    if how == "untracked":
        (root / "src/new").mkdir()
        (root / name).write_text("mine")
    elif how == "deleted":
        (root / name).unlink()
    elif how == "mode":
        (root / name).chmod(0o755)
    else:
        edit(tree, "line 40\n", "line 40\nmine\n")
    if how == "staged":
        git(root, "add", "-A")
    said = refused(tree)
    assert f"{REPOSITORIES[2]}/{name}: has local changes" in said and "stash" in said


def test_local_changes_elsewhere_stay(tree: Tree) -> None:
    (tree.root / "build/mine").write_text("mine")
    tree.apply()
    tree.unapply()
    assert (tree.root / "build/mine").read_text() == "mine"


def test_changes_after_patching_are_not_lost(tree: Tree) -> None:
    tree.apply()
    edit(tree, "line 20\n", "line twenty\n")
    before = files(tree.root)
    for work in (tree.apply, tree.unapply):
        with pytest.raises(PatchError, match=r"a\.c: was changed after it was patched"):
            work()
    assert files(tree.root) == before
    edit(tree, "line twenty\n", "line 20\n")
    assert tree.apply().already


def test_what_a_checkout_took_away_is_applied_again(tree: Tree, template: Path) -> None:
    """Also where the tree went on meanwhile, so that the file is neither ours nor the original."""
    tree.apply()
    root = tree.root / REPOSITORIES[2]
    git(root, "reset", "-q", "--hard")
    edit(tree, "line 20\n", "line twenty\n")
    git(root, "commit", "-qam", "upstream went on")
    done = tree.apply()
    assert not done.already and "line ten, again" in (root / "src/a.c").read_text()
    tree.unapply()
    assert not git(root, "status", "--porcelain")


def test_another_series_takes_the_first_one_out(tree: Tree) -> None:
    before = files(tree.root)
    tree.apply()
    for last in tree.patches.rglob("0003-*"):
        last.unlink()
    tree.apply()
    text = (tree.root / "build/src/a.c").read_text()
    assert "line ten\n" in text and (tree.root / "build/moved.txt").exists() and not (tree.root / "build/src/moved.txt").exists()
    shutil.rmtree(tree.patches)
    assert tree.apply().digest == ""
    assert files(tree.root) == before


def test_a_hunk_that_fails_says_where_and_what_is_there(tree: Tree) -> None:
    edit(tree, "line 30\n", "line \x1b[31mthirty\n")
    git(tree.root / REPOSITORIES[2], "commit", "-qam", "another release")
    said = refused(tree)
    assert said.startswith(f"{REPOSITORIES[2]}/0001-first.patch: does not apply to src/a.c at @@ -28,6 +28,7 @@")
    assert "line 30 should be 'line 30', found 'line thirty' | 'line 31'" in said and "\x1b" not in said


def test_a_file_that_is_missing_or_shorter(tree: Tree) -> None:
    root = tree.root / REPOSITORIES[2]
    (root / "src/a.c").write_text("line 1\n")
    git(root, "commit", "-qam", "shorter")
    assert "the file ends at line 1" in refused(tree)
    git(root, "rm", "-q", "src/a.c")
    git(root, "commit", "-qm", "gone")
    assert "src/a.c: No such file" in refused(tree)


def test_a_patch_that_upstream_took_is_told(tree: Tree) -> None:
    root = tree.root / REPOSITORIES[2]
    git(root, "am", "-q", "--keep-cr", str(next((tree.patches / REPOSITORIES[2]).glob("0001-*"))))
    assert "the tree has this patch already, but not the whole series" in refused(tree)


def test_all_or_nothing_leaves_no_first_repositories_patched(tree: Tree) -> None:
    """The last repository is bad; the two before it are as they were, and so is the journal's folder."""
    last = sorted((tree.patches / REPOSITORIES[1]).iterdir())[-1]
    last.write_bytes(last.read_bytes().replace(b"line ten\n", b"line nine\n"))
    assert REPOSITORIES[1] in refused(tree)
    assert [file.name for file in tree.state.iterdir()] == [".lock"]


def test_a_repository_that_is_not_there(tree: Tree) -> None:
    shutil.rmtree(tree.root / REPOSITORIES[2])
    assert f"the tree has no folder {REPOSITORIES[2]!r}" in refused(tree)


@pytest.mark.parametrize("where", ["plain folder", "inside another checkout"])
def test_plain_folders(tree: Tree, template: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside another checkout `git apply` skips every file and exits 0; an unpacked pin lies in ours."""
    for name in REPOSITORIES:
        shutil.rmtree(tree.root / name / ".git")
    if where != "plain folder":
        git(tree.root.parent, "init", "-q", "--template=")
        monkeypatch.setenv("GIT_DIR", str(tree.root.parent / ".git"))
        first = next(tree.patches.rglob("0001-*"))
        plain = subprocess.run(["git", "apply", str(first)], cwd=tree.root / "build", env=CLEAN, check=True, capture_output=True)
        assert plain.returncode == 0 and "line ten" not in (tree.root / "build/src/a.c").read_text()
    before = files(tree.root)
    tree.apply()
    assert without_index(tree.root) == wanted(template)
    tree.unapply()
    assert files(tree.root) == before


def test_the_configuration_of_the_user_has_no_say(tree: Tree, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".gitconfig").write_text("[apply]\n\twhitespace = fix\n[core]\n\tautocrlf = true\n\tattributesFile = /nowhere\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "broken")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    tree.apply()
    assert without_index(tree.root) == wanted(template)


def bare(folder: Path, name: str, text: str) -> tuple[Path, Path]:
    """An empty tree that is no repository, and a folder with one patch written by hand."""
    root, patches = folder / "tree", folder / "patches"
    root.mkdir()
    patches.mkdir()
    (patches / name).write_text(text)
    return root, patches


def test_what_only_deletes_is_not_taken_for_applied(tmp_path: Path) -> None:
    """Its reverse fits wherever its context stands; passed over in silence would be the worst end."""
    root, patches = bare(tmp_path, "0001-less.patch", "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1,3 +1,2 @@\n {\n-x\n }\n")
    (root / "f").write_text("{\ny\n}\n\n{\n}\n")
    with pytest.raises(PatchError, match="line 2 should be 'x', found 'y'"):
        patch.apply(root, patch.series(patches), tmp_path / "state")
    (root / "f").write_text("{\nx\n}\n\n{\n}\n")
    patch.apply(root, patch.series(patches), tmp_path / "state")
    assert (root / "f").read_text() == "{\n}\n\n{\n}\n"


def test_nobody_can_tell(tmp_path: Path) -> None:
    root, patches = bare(tmp_path, "0001-more.patch", "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1,2 +1,3 @@\n a\n+b\n b\n")
    (root / "f").write_text("a\nb\nb\n")
    with pytest.raises(PatchError, match="can be applied and can be taken back"):
        patch.apply(root, patch.series(patches), tmp_path / "state")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can work in another user's tree")
def test_another_users_repository_stays_theirs(tree: Tree) -> None:
    """git by itself refuses to read one (`dubious ownership`)."""
    for path in (tree.root, *tree.root.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    tree.apply()
    assert {path.lstat().st_uid for path in tree.root.rglob("*")} == {65534}
    tree.unapply()
    assert {path.lstat().st_uid for path in tree.root.rglob("*")} == {65534}


def test_a_mode_alone(tmp_path: Path) -> None:
    root, patches = bare(tmp_path, "0001-run.patch", "diff --git a/f b/f\nold mode 100644\nnew mode 100755\n")
    (root / "f").write_text("a\n")
    (root / "f").chmod(0o644)
    done = patch.apply(root, patch.series(patches), tmp_path / "state")
    assert done.files == ("f",) and (root / "f").stat().st_mode & 0o777 == 0o755
    shutil.rmtree(tmp_path / "state")
    assert patch.apply(root, patch.series(patches), tmp_path / "state").there == ("",)
