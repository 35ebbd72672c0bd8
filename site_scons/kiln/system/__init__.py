# SPDX-License-Identifier: Apache-2.0
"""The system step: OpenHarmony's libraries and base images, made by a tree's own build.sh.

    generations  what build.sh of each generation takes and makes: a table
    sandbox      the miniature tree, out of its template
    described    what a tree says of a product
    preflight    everything that is wrong with a tree, before the first minute: a table
    projects     the repositories of a tree, and how they differ from the pin
    script       one run of build.sh and what it left
    taken        what came out of it, kept where the next build does not change it
    diagnose     the first true error of one that failed: a table
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kiln import results, stamp
from kiln.product import Product
from kiln.progress import Progress, silent
from kiln.results import Artifact, Artifacts, Input, Toolchain, Tree
from kiln.system import generations, preflight, sandbox, script, taken
from kiln.system.generations import Generation

LABEL = "u:object_r:system_lib_file:s0"
LIBRARIES = "libraries"
SANDBOX = "5.1"                # the generation of the miniature tree


@dataclass(frozen=True)
class Built:
    """What build.sh gave: the folder of images (None: only libraries were asked for), the libraries (in system.img too, where there
    is one), the inputs, the version."""

    images: Path | None
    libraries: Artifacts
    inputs: tuple[Input, ...]
    version: str


def build(template: Path, toolchain: Toolchain, product: Product, into: Path, *, loader: Tree, key: str, log: Path, jobs: int,
          progress: Progress = silent) -> Built:
    """Make the miniature tree of `template` in `into`/tree and build the product's targets and its images in it.

    The libraries are saved in `into`/libraries/result.json. Raises Refused with everything that is
    wrong with the tree before build.sh runs, and ProgramError as its parts do.
    """
    row = generations.named(SANDBOX)
    tree = sandbox.make(template, into / "tree", toolchain, sandbox.loader_in(loader.root), row)
    sandbox.clear(tree, generations.CPUS[product.userland])
    targets = (*product.system.targets, "images")
    preflight.check(tree, product.system.name, targets, product.userland)
    out, files = script.build(tree, row, product.system.name, targets, product.userland, epoch=product.image.epoch,
                           home=into / "home", log=log, jobs=jobs, progress=progress)
    libraries = Artifacts(_artifacts(files, row, targets, out, product.userland), key)
    results.save(libraries, into / LIBRARIES)
    return Built(out / "packages" / "phone" / "images", libraries, (loader.input,), generations.version(tree))


def build_given(tree: Path, product: Product, targets: Sequence[str], into: Path, *, inputs: tuple[Input, ...], log: Path, jobs: int,
                progress: Progress = silent) -> Built:
    """Build `targets` in a tree that somebody gave. What comes is copied to `into`: the next build in the tree, ours or not, changes it.

    The key of the libraries is made of their bytes, so what is made of equal libraries stays. Raises as build() does.
    """
    preflight.check(tree, product.system.name, targets, product.userland)
    row = generations.of(tree)
    out, files = script.build(tree, row, product.system.name, targets, product.userland, epoch=product.image.epoch,
                              home=into / "home", log=log, jobs=jobs, progress=progress)
    made = _artifacts(files, row, targets, out, product.userland)
    items = tuple(replace(item, file=taken.take(item.file, into / LIBRARIES / item.file.name)) for item in made)
    libraries = Artifacts(items, stamp.key(*(f"{item.dest} {item.sha256}" for item in items)))
    results.save(libraries, into / LIBRARIES)
    images = None
    if preflight.whole(targets):
        images = taken.all_of(out / "packages" / "phone" / "images", into / "images")
    return Built(images, libraries, inputs, generations.version(tree))


def _artifacts(files: dict[str, Path], row: Generation, targets: Sequence[str], out: Path, abi: str) -> tuple[Artifact, ...]:
    made = {name: target for target in targets for name in row.made_by(target)}
    return tuple(_artifact(file, made[name], out / "packages" / "phone", abi) for name, file in sorted(files.items()))


def _artifact(file: Path, target: str, phone: Path, abi: str) -> Artifact:
    """A library as it stands on the board; where, the installed tree says (the folder below lib64 differs per generation)."""
    installed = sorted((phone / "system").rglob(file.name))
    folder = "lib" if abi == "armeabi-v7a" else "lib64"
    dest = f"/{installed[0].relative_to(phone).as_posix()}" if installed else f"/system/{folder}/{file.name}"
    return Artifact(file=file, dest=dest, mode=0o644, uid=0, gid=0, label=LABEL, origin=f"build.sh:{target}",
                    sha256=stamp.digest(file), size=file.stat().st_size)
