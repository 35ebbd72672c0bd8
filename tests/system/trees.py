# SPDX-License-Identifier: Apache-2.0
"""A compiler that only pretends, for trees that build in a second; and where the template lies."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from kiln import share, system
from kiln.results import Toolchain
from kiln.system import generations

TEMPLATE = share.folder("sandbox") / "ohos"
ROW = generations.named(system.SANDBOX)

# Writes what -o names and an empty list of dependencies; a library's second file is the second -o.
PRETEND = """#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in
    -o) shift; echo "made by nobody" > "$1" ;;
    -MF) shift; echo "x.o:" > "$1" ;;
    esac
    shift
done
"""


def fake_toolchain(folder: Path, clang: str = PRETEND) -> Toolchain:
    """An SDK whose compiler is the shell script `clang`."""
    root = folder / "native"
    (root / "llvm/bin").mkdir(parents=True, exist_ok=True)
    for name in ("clang", "clang++"):
        (root / "llvm/bin" / name).write_text(clang)
        (root / "llvm/bin" / name).chmod(0o755)
    return Toolchain(root=root, file=root / "ohos.toolchain.cmake", abi="arm64-v8a", triple="aarch64-linux-ohos", identity="fake",
                     runtime=root / "libc++_shared.so", sandbox=True, key=str(len(clang)))


# The repositories of a miniature tree, by their folders; prebuilts are downloaded and in none.
PROJECTS = ("base/security/selinux_adapter", "base/startup/init", "build", "developtools/integration_verification", "device/board/kiln",
            "foundation/ai/neural_network_runtime", "productdefine/common", "third_party/mindspore", "third_party/musl", "vendor/kiln")
_WHO = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
        "GIT_AUTHOR_DATE": "1767225600 +0000", "GIT_COMMITTER_DATE": "1767225600 +0000", "GIT_CONFIG_GLOBAL": "/dev/null"}


def git(folder: Path, *words: str) -> str:
    """git in a folder; the same content gives the same commit."""
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True, env={**os.environ, **_WHO}).stdout.strip()


def commit(folder: Path) -> str:
    """Everything in a folder as a commit on a detached HEAD, as after repo sync; its name."""
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x", "--allow-empty")
    git(folder, "checkout", "-q", "--detach")
    return git(folder, "rev-parse", "HEAD")


def synced(tree: Path) -> dict[str, str]:
    """The tree as `repo` lays one out: .repo with manifest, list and repositories, a link .git in each project. Commits by folder."""
    made = {}
    for path in PROJECTS:
        home = tree / ".repo" / "projects" / f"{path}.git"
        home.mkdir(parents=True)
        git(tree, "init", "-q", "--bare", "--template=", str(home))
        (tree / path / ".git").symlink_to(os.path.relpath(home, tree / path))
        git(tree / path, "config", "core.bare", "false")
        made[path] = commit(tree / path)
    (tree / ".repo/project.list").write_text("".join(f"{path}\n" for path in PROJECTS))
    manifests = tree / ".repo/manifests"
    manifests.mkdir()
    git(manifests, "init", "-q", "--template=")
    (manifests / "default.xml").write_text("<manifest/>\n")
    commit(manifests)
    (tree / ".repo/manifests.git").mkdir()
    (tree / ".repo/manifests.git/config").write_text('[remote "origin"]\n\turl = https://example.com/manifest.git\n')
    (tree / ".repo/manifest.xml").write_text('<manifest><include name="default.xml"/></manifest>\n')
    return made
