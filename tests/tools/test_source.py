# SPDX-License-Identifier: Apache-2.0
"""A pin with patches is unpacked and patched by a real scons run; its key changes with them, and is the old one without."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from kiln import patch, pin, product, results, share, stamp

pytestmark = pytest.mark.fast

SCONSTRUCT = '''
from kiln.tools import front
env = Environment(tools=["openharmony"])
front.own(env)
env.Alias("image", env.PinnedSource("thing"))
Default("image")
'''
PATCH = "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n+{}\n"


class Checkout:
    """Our library with one pin of kind path, in a git repository: an unpacked pin lies inside another checkout."""

    def __init__(self, root: Path) -> None:
        self.root, self.patches = root, root / "patches/thing"
        for name in ("site_scons", "products"):
            shutil.copytree(share.root() / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        (root / "vendor").mkdir()
        (root / "SConstruct").write_text(SCONSTRUCT)
        file = root / "thing.tar"
        with tarfile.open(file, "w") as out:
            member = tarfile.TarInfo("thing/f")
            member.size = 4
            out.addfile(member, io.BytesIO(b"a\nb\n"))
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        (root / "vendor/thing.yaml").write_text(
            f"kind: path\nversion: '1'\nfile: thing.tar\npath: {file}\nsubdir: thing\nsha256: {digest}\n"
            f"size: {file.stat().st_size}\nlicence: MIT\n")
        subprocess.run(["git", "init", "-q", "--template=", str(root)], check=True)

    def run(self) -> tuple[int, str]:
        env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run([sys.executable, "-m", "SCons", "-Q", f"cache={self.root / 'cache'}"], cwd=self.root, env=env, text=True,
                              capture_output=True, timeout=60)
        return done.returncode, done.stderr

    @property
    def tree(self) -> results.Tree:
        return results.load(results.Tree, next((self.root / "build/src").glob("thing-*/result.json")))

    @property
    def steps(self) -> list[str]:
        """The key of each step that ran so far."""
        return [json.loads(line)["key"] for line in (self.root / "build/logs/steps.jsonl").read_text().splitlines()]


def test_a_pin_with_patches(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    assert checkout.run() == (0, "")
    loaded = pin.load("thing", tmp_path / "vendor")
    assert checkout.steps == [stamp.key("fetch", "1", product.canonical(loaded))], "without patches the key is the old one"
    assert checkout.tree.identity == loaded.sha256 and not checkout.tree.patches

    checkout.patches.mkdir(parents=True)
    (checkout.patches / "0001-b.patch").write_text(PATCH.format("c"))
    assert checkout.run() == (0, "") and checkout.run() == (0, "")
    assert (checkout.tree.root / "f").read_text() == "a\nc\n" and len(checkout.steps) == 2
    assert checkout.tree.identity == f"{loaded.sha256}+{patch.digest(checkout.patches)}"

    (checkout.patches / "0002-c.patch").write_text(PATCH.format("d"))
    code, said = checkout.run()
    assert code == 2 and ("kiln: 0002-c.patch: does not apply to f at @@ -1,2 +1,2 @@: line 2 should be 'b', found 'c'" in said)

    shutil.rmtree(checkout.patches)
    assert checkout.run() == (0, "")
    assert (checkout.tree.root / "f").read_text() == "a\nb\n" and not checkout.tree.patches
