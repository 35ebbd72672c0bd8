# SPDX-License-Identifier: Apache-2.0
"""graft and ungraft: what this run built for the board as a component in a team's tree, and out of it again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from kiln import results, stamp
from kiln.errors import Refused
from kiln.image import owners, place, service, table
from kiln.product import Product
from kiln.results import Artifact, Artifacts, Gguf, Placement
from kiln.system import described, generations, graft as room, script
from kiln.system.described import Described
from kiln.tools import model as model_step
from kiln.tools import native, ohos
from kiln.tools.settings import Settings


def graft(env: Any) -> Sequence[str]:
    """The component in the tree, or Refused; lines that say where."""
    settings: Settings = env["KILN_SETTINGS"]
    product: Product = env["KILN_PRODUCT"]
    tree = ohos.around(settings, "graft")
    row = generations.of(tree)
    found = described.find(tree, product.system.name)
    built = [_built(env, product, name) for name in product.native]
    gguf = results.load(Gguf, settings.build / product.name / "model" / results.NAME)
    items = _items(settings, product, [item for one in built for item in one.items], gguf)
    with script.locked(tree):
        lines = room.graft(tree, found, row, items, _partition(tree, found))
    return [*lines, *_cpu(found, product, items)]


def ungraft(env: Any) -> Sequence[str]:
    """Every graft out of the tree."""
    tree = ohos.around(env["KILN_SETTINGS"], "ungraft")
    with script.locked(tree) if (tree / "out").is_dir() else nullcontext():
        return room.ungraft(tree)


def _built(env: Any, product: Product, name: str) -> Artifacts:
    return results.load(Artifacts, Path(native.native(env, product, name, env.Sdk(product)).get_abspath()))


def _items(settings: Settings, product: Product, built: Sequence[Artifact], gguf: Gguf) -> list[Artifact]:
    """The files of every target, the model in vendor, and what starts the server: all that the image holds beyond its base."""
    path = place.FILES["vendor"]
    model = Artifact(gguf.file, path, *owners.file(path), f"model {gguf.name} {gguf.recipe}", gguf.sha256, gguf.size)
    placed = Placement((*built, model), (), "vendor", path, model_step.planned(product, gguf, int(product.board.emmc)))
    file = settings.build / product.name / "graft" / "kiln.cfg"
    stamp.write(file, json.dumps(service.cfg(product, placed), indent=4) + "\n")
    cfg = Artifact(file, service.CFG, *owners.file(service.CFG), service.ORIGIN, stamp.digest(file), file.stat().st_size)
    return sorted((item for item in (*placed.items, cfg) if item.dest), key=lambda item: item.dest)


def _partition(tree: Path, found: Described) -> int:
    """The bytes of the vendor partition, as the board's own table says."""
    files = sorted(file for folder in filter(None, (found.device, found.folder)) for file in (tree / folder).rglob("parameter.txt"))
    if not files:
        raise Refused("has no parameter.txt, so nobody knows how large vendor may be", where=tree / (found.device or found.folder))
    row = table.read(files[0]).row("vendor")
    if row is None or not row.size:
        raise Refused("has no vendor partition of a size", where=files[0])
    return row.size * table.SECTOR


def _cpu(found: Described, product: Product, items: Sequence[Artifact]) -> list[str]:
    """Shared libraries run only in a system of their own CPU."""
    ours, theirs = generations.CPUS[product.board.abi], found.cpu or "arm"
    if ours == theirs or not any(".so" in item.file.name for item in items):
        return []
    return [f"{found.file} says target_cpu {theirs}, and these libraries are for {ours}: build with --target-cpu {ours}"]
