# SPDX-License-Identifier: Apache-2.0
"""The OpenHarmony tree that a person gave, or that Kiln itself stands in: as an input, patched, compared with its pin."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kiln import patch, pin, results, share, stamp
from kiln.errors import Refused
from kiln.product import Product
from kiln.system import described, generations, preflight, projects, sandbox, script
from kiln.system.projects import Difference
from kiln.tools.settings import Settings

PIN = "openharmony"
MINIATURE = "miniature"           # our patches are for real files; the stand-in has patches in the tests only
_TOLD = 3                      # differences that are named on one line


@dataclass(frozen=True)
class Compared:
    """A tree against its pin: what differs among `count` repositories that were looked at by name."""

    pinned: str
    differences: tuple[Difference, ...]

    @property
    def line(self) -> str:
        """What differs, in a line; "" if nothing does."""
        if not self.differences:
            return ""
        more = f", and {len(self.differences) - _TOLD} more" if len(self.differences) > _TOLD else ""
        return f"not at {self.pinned}: {'; '.join(map(str, self.differences[:_TOLD]))}{more}"


def tree(settings: Settings, product: Product) -> Path | None:
    """The tree of this run: ohos=PATH, else the one around us for a product that names one."""
    return settings.ohos or (generations.above(share.root()) if product.system.tree else None)


def around(settings: Settings, verb: str) -> Path:
    """The tree of a verb that is about a tree: ohos=PATH, else the one around us. Raises Refused if there is neither, or no folder."""
    found = settings.ohos or generations.above(share.root())
    if found is None:
        raise Refused(f"{verb} wants a tree", hint="add ohos=PATH")
    if not found.is_dir():
        raise Refused("is no folder", where=found, hint="ohos= must name the folder that holds build.sh")
    return found


def targets(product: Product) -> tuple[str, ...]:
    """What build.sh is asked for: with a base out of the sandbox there are no images but the tree's own."""
    asked = product.system.targets
    return asked if preflight.whole(asked) or not product.base.sandbox else (*asked, "images")


def check(found: Path, product: Product) -> None:
    """Everything that is wrong with the tree, before anything else is built. Raises Refused."""
    preflight.check(found, product.system.name, targets(product), product.userland)


def compare(found: Path, product: Product, strict: bool) -> Compared:
    """Its repositories against the pin. Raises Refused if they differ, or cannot be compared, and `strict` forbids that."""
    wanted = pin.load(product.system.tree or PIN)
    asked = targets(product)
    far = {one.path: one for one in projects.differences(found, wanted.projects, asked)}
    for path in sorted(projects.of_product(described.find(found, product.system.name), wanted.projects)):
        far.update((one.path, one) for one in [Difference(path, projects.commit(found / path), wanted.projects[path])] if one.commit != one.pinned)
    compared = Compared(wanted.version, tuple(far[path] for path in sorted(far)))
    if strict and compared.differences:
        raise Refused(compared.line, where=found, hint=f"check these commits out, or pin what is there: scons update={PIN} ohos={found}")
    return compared


def patches(found: Path) -> tuple[Path, ...]:
    """The folders of patches for a tree of its generation; none of a tree whose generation nobody knows (preflight tells)."""
    try:
        name = generations.of(found).name
    except Refused:
        return ()
    return folders(MINIATURE if (found / sandbox.LIST).is_file() else PIN, name)


def folders(of: str, generation: str) -> tuple[Path, ...]:
    """The folders of patches/`of` for a generation: `all`, and those that name it, such as 4.0+4.1."""
    root = share.folder("patches") / of
    return root / "all", *(folder for folder in sorted(root.glob("*")) if generation in folder.name.split("+"))


def journal(settings: Settings, found: Path) -> Path:
    """Where what we did to a tree is noted: in the cache, for it must outlive the checkout."""
    return settings.cache / "trees" / stamp.key(os.path.realpath(found))[:16] / "patched"


def identity(found: Path) -> tuple[str, str]:
    """What enters the key of a build in it: which tree and its commits, and its patches. A few dozen small files are read."""
    folders = patches(found)
    return f"{os.path.realpath(found)} {projects.identity(found, _patched(found))}", patch.digest(*folders)


def state(found: Path, strict: bool) -> str:
    """What a comparison of the tree with its pin depends on; strictly that is every commit in it (500 take some 30 ms to read)."""
    return " ".join((*identity(found), *([projects.identity(found, projects.every(found))] if strict else [])))


def apply(settings: Settings, found: Path) -> patch.Applied:
    """Our patches of its generation, all or none. Raises PatchError."""
    return patch.apply(found, patch.series(*patches(found)), journal(settings, found))


def unpatch(env: Any) -> list[str]:
    """Take our patches out of the tree again; lines that say of which files. Raises PatchError, and touches nothing, if one was changed since."""
    settings: Settings = env["KILN_SETTINGS"]
    found = around(settings, "unpatch")
    with script.locked(found) if (found / "out").is_dir() else nullcontext():
        files = patch.unapply(found, journal(settings, found))
    if not files:
        return [f"nothing of ours is applied in {found}"]
    return [f"{len(files)} {'file is' if len(files) == 1 else 'files are'} as before our patches in {found}:", *(f"  {name}" for name in sorted(files))]


def inputs(found: Path, product: Product, applied: patch.Applied) -> tuple[results.Input, ...]:
    """The tree as the manifest lists it: itself, and each repository that we patch or name, with its commit and if it was changed.

    A row is pinned if its commit is the pinned one and nothing but our patches was changed in it; the tree, if all of its rows are.
    """
    wanted = pin.load(product.system.tree or PIN)
    named = projects.look(found, projects.named(found, _patched(found)), applied.files)
    rows = tuple(results.Input(f"{PIN}/{one.path}", "git", f"{one.commit}+changed" if one.changed else one.commit,
                               "", 0, wanted.licence,
                               pinned=not one.changed and wanted.projects.get(one.path) == one.commit) for one in named)
    good = bool(rows) and all(row.pinned for row in rows) and not projects.differences(found, wanted.projects, targets(product))
    whole = results.Input(PIN, "repo", generations.version(found), projects.identity(found), 0, wanted.licence, pinned=good)
    return whole, *rows


def _patched(found: Path) -> set[str]:
    return {one.repository for one in patch.series(*patches(found))}


def recipe(product: Product) -> list[str]:
    """The lines that make the tree that a product names, at its pin; none for a product that names none."""
    if not product.system.tree:
        return []
    wanted = pin.load(product.system.tree)
    release = wanted.version.startswith("OpenHarmony-")
    branch = f"refs/tags/{wanted.version}" if release else "BRANCH"
    lines = [f"repo init -u {wanted.url} -b {branch} -m {wanted.file} --no-repo-verify", "repo sync -c", "repo forall -c 'git lfs pull'",
             "build/prebuilts_download.sh"]
    head = f"the tree of {wanted.version}, {len(wanted.projects)} repositories, for ohos=PATH:"
    last = [] if release else ["strict=1 then tells which repositories are at another commit than the pin"]
    return [head, *(f"  {line}" for line in lines), *last]


def told(lines: Sequence[str]) -> str:
    """Lines as they are printed, under one word."""
    return "".join(f"{'tree':10} {line}\n" for line in lines if line)
