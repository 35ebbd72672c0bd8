# SPDX-License-Identifier: Apache-2.0
"""Patches that an enemy made, trees that lead elsewhere, and files that are no patches: refused, nothing touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiln import patch
from kiln.errors import PatchError

pytestmark = pytest.mark.fast

NEW = "diff --git a/{0} b/{0}\nnew file mode 100644\n--- /dev/null\n+++ b/{0}\n@@ -0,0 +1 @@\n+owned\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tree/in").mkdir(parents=True)
    (tmp_path / "tree/f").write_text("a\n")
    return tmp_path / "tree"


def attempt(root: Path, text: str | bytes, repository: str = "") -> str:
    """The error of a tree and one patch; whatever it is, nothing but the journal's folder has changed."""
    folder = root.parent / "patches" / repository
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "0001-x.patch").write_bytes(text.encode() if isinstance(text, str) else text)
    before = _others(root)
    with pytest.raises(PatchError) as error:
        patch.apply(root, patch.series(root.parent / "patches"), root.parent / "state")
    assert _others(root) == before and (root / "f").read_text() == "a\n" and "\n" not in str(error.value)
    return str(error.value)


def _others(root: Path) -> list[Path]:
    return [file for file in sorted(root.parent.rglob("*")) if root.parent / "state" not in (file, *file.parents)]


@pytest.mark.parametrize("name", [
    "../up", "in/../../up", "/etc/up", "in//up", "./up", ".git/hooks/post-checkout", "in/.GIT/config", ".repo/repo/main.py", "in\\up",
    '"b/../up"',
])
def test_paths_that_lead_out(root: Path, name: str) -> None:
    assert "no plain path" in (said := attempt(root, NEW.format(name))) or "repository's own data" in said or "without b/" in said


@pytest.mark.parametrize("text", [
    NEW.format("x").replace("+++ b/x", "+++ b/../up"),
    NEW.format("x").replace("+++ b/x", "+++ /up"),
    'diff --git "a/\\056\\056/up" "b/\\056\\056/up"\nnew file mode 100644\n--- /dev/null\n+++ "b/\\056\\056/up"\n@@ -0,0 +1 @@\n+x\n',
    "diff --git a/f b/../up\nsimilarity index 100%\nrename from f\nrename to ../up\n",
    "diff --git a/f b/.git/up\nsimilarity index 100%\nrename from f\nrename to .git/up\n",
], ids=["plus", "absolute", "quoted", "rename", "rename to .git"])
def test_names_that_differ_from_the_first_line(root: Path, text: str) -> None:
    attempt(root, text)


def test_through_a_link_in_the_tree(root: Path) -> None:
    (root.parent / "outside").mkdir()
    (root / "link").symlink_to("../outside")
    (root / "to").symlink_to("f")
    assert "is a link" in attempt(root, NEW.format("link/up"))
    assert "no plain file but a link" in attempt(root, NEW.format("to"))
    assert "no plain file but a folder" in attempt(root, NEW.format("in"))
    assert "is no folder" in attempt(root, NEW.format("f/up"))


def test_a_repository_behind_a_link(root: Path) -> None:
    (root.parent / "outside").mkdir()
    (root / "repository").symlink_to("../outside")
    assert "is a link" in attempt(root, NEW.format("up"), "repository")


@pytest.mark.parametrize("text,said", [
    (NEW.format("x").replace("100644", "120000"), "gives 'x' the mode 120000"),
    (NEW.format("x").replace("100644", "160000"), "gives 'x' the mode 160000"),
    (NEW.format("x").replace("100644", "104755"), "gives 'x' the mode 104755"),
    ("diff --git a/f b/g\nsimilarity index 100%\ncopy from f\ncopy to g\n", "copies a file"),
    (NEW.format("x") + NEW.format("x"), "touches 'x' twice"),
    ("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n", "without a `diff --git` line"),
    ("@@ -1 +1 @@\n-a\n+b\n", "a hunk without"),
    ("", "no git-format patch"), (b"\0\xff" * 99, "no git-format patch"), ("only words\n", "no git-format patch"),
    (NEW.format("x").replace("+1 @@", "+1,9 @@"), "cut off or damaged"),
    ("diff --git f f\n--- f\n+++ f\n@@ -1 +1 @@\n-a\n+b\n", "without a/"),
    ("diff --git a/f b/f\nindex 1..2\nBinary files a/f and b/f differ\n", "does not apply"),
    ("diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+a\n", "did not make 'f' what the patch says"),
])
def test_what_is_no_plain_patch(root: Path, text: str | bytes, said: str) -> None:
    assert said in attempt(root, text)


def test_a_blob_that_git_should_have_made(root: Path) -> None:
    """The blob before is the patch's own (`a`), so the one after must be."""
    text = "diff --git a/f b/f\nindex 7898192..{} 100644\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n"
    assert "did not make 'f' what the patch says" in attempt(root, text.format("1234567"))
    (root.parent / "patches/0001-x.patch").write_text(text.format("6178079"))
    patch.apply(root, patch.series(root.parent / "patches"), root.parent / "state")
    assert (root / "f").read_text() == "b\n"


@pytest.mark.parametrize("name", ["1-x.patch", "0001-x.diff", "notes.txt", "0001-x.patch~"])
def test_no_file_is_passed_over_for_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "README.md").write_text("why")
    (tmp_path / name).write_text(NEW.format("x"))
    for work in (patch.series, patch.digest):
        with pytest.raises(PatchError, match="is no patch by its name"):
            work(tmp_path)


def test_two_patches_for_one_file_by_two_names(root: Path) -> None:
    (root.parent / "patches/in").mkdir(parents=True)
    (root.parent / "patches/in/0001-a.patch").write_text(NEW.format("x"))
    assert "as does a patch for another folder" in attempt(root, NEW.format("in/x"))


def test_the_journal_may_not_lie_in_the_tree(root: Path) -> None:
    with pytest.raises(PatchError, match="may not lie in the tree"):
        patch.apply(root, (), root / "state")
