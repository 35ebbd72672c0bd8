# SPDX-License-Identifier: Apache-2.0
"""Real little repositories and real patches for the tests: a tree of three, and a series that git itself wrote."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from kiln import patch

REPOSITORIES = ("build", "third_party/mindspore", "foundation/ai/nnrt")
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}


def git(folder: Path, *words: str) -> str:
    """What git prints; the user's configuration has no say."""
    argv = ["git", "-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main", "-c", "gc.auto=0", *words]
    env = {**CLEAN, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(argv, cwd=folder, env=env, check=True, capture_output=True, text=True).stdout


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and bytes of every file, and the folders, of a tree; without what git keeps for itself but its index."""
    found: dict[str, tuple[int, bytes]] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if ".git" not in path.parts or name.endswith(".git/index"):
            found[name] = (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
    return found


def lay(folder: Path) -> None:
    """The starting files of one repository: text of 40 lines, a script, a file to delete, one with an odd mode."""
    (folder / "src").mkdir(parents=True)
    (folder / "src/a.c").write_text("".join(f"line {n}\n" for n in range(1, 41)))
    (folder / "run.sh").write_text("#!/bin/sh\necho one\n")
    (folder / "old name.txt").write_text("goes\naway\n")
    (folder / "moved.txt").write_text("".join(f"stays {n}\n" for n in range(9)))
    (folder / "no newline").write_bytes(b"x\r\nlast")


def change(folder: Path) -> list[Path]:
    """Three commits on top of the starting files, as git format-patch writes them: into patches of `folder`'s own."""
    text = (folder / "src/a.c").read_text()
    (folder / "src/a.c").write_text(text.replace("line 10\n", "line ten\n").replace("line 30\n", "line 30\nline 30 and a half\n"))
    git(folder, "commit", "-qam", "first")
    (folder / "run.sh").chmod(0o755)
    (folder / "src/new/deep").mkdir(parents=True)
    (folder / "src/new/deep/ü \"b\".c").write_text("int made;\n")
    (folder / "src/new/binary").write_bytes(bytes(range(256)) * 9)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "second")
    (folder / "old name.txt").unlink()
    (folder / "moved.txt").rename(folder / "src/moved.txt")
    (folder / "src/a.c").write_text((folder / "src/a.c").read_text().replace("line ten\n", "line ten, again\n"))
    (folder / "no newline").write_bytes(b"x\r\nlast\r\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "third")
    git(folder, "format-patch", "-q", "--binary", "-o", ".git/out", "HEAD~3")
    return sorted((folder / ".git/out").iterdir())


class Tree:
    """A tree of three repositories, the series for them (nine patches), and the journal's folder beside."""

    def __init__(self, folder: Path, template: Path) -> None:
        for name in ("tree", "patches"):
            shutil.copytree(template / name, folder / name, symlinks=True)
        self.root, self.patches, self.state = folder / "tree", folder / "patches", folder / "state"

    @property
    def series(self) -> tuple[patch.Patch, ...]:
        return patch.series(self.patches)

    def apply(self) -> patch.Applied:
        return patch.apply(self.root, self.series, self.state)

    def unapply(self) -> tuple[str, ...]:
        return patch.unapply(self.root, self.state)


def template(folder: Path) -> Path:
    """The tree and its patches, made once; `wanted` holds the tree as its own commits left it."""
    wanted = folder / "wanted"
    one = wanted / REPOSITORIES[0]
    lay(one)
    git(one, "init", "-q", "--template=")
    git(one, "add", "-A")
    git(one, "commit", "-qm", "start")
    git(one, "repack", "-adq")  # three files to copy for each test, not thirty
    for name in REPOSITORIES[1:]:
        shutil.copytree(one, wanted / name)
    shutil.copytree(wanted, folder / "tree")
    made = change(one)
    for name in REPOSITORIES:
        if name != REPOSITORIES[0]:
            shutil.rmtree(wanted / name)
            shutil.copytree(one, wanted / name)
        (folder / "patches" / name).mkdir(parents=True)
        for file in made:
            shutil.copy(file, folder / "patches" / name)
    return folder
