# SPDX-License-Identifier: Apache-2.0
"""manifest.json, written here only: what went in, what was made of it, where every file of ours lies. No time, no path of this machine."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from kiln import stamp
from kiln.image.place import partition_of
from kiln.product import Product
from kiln.results import Artifact, Base, Input, Output, Step

NAME = "manifest.json"
SCHEMA = 1


def write(product: Product, base: Base, inputs: Sequence[Input], steps: Sequence[Step], outputs: Sequence[Output],
          items: Sequence[Artifact], into: Path) -> Path:
    """The manifest beside the images folder's files; sorted, so equal builds give equal bytes."""
    made = {
        "schema": SCHEMA, "product": product.name, "epoch": product.image.epoch,
        "reproducible": all(one.pinned for one in inputs),
        "base": _base(product, base),
        "inputs": [dataclasses.asdict(one) for one in sorted(inputs, key=lambda one: (one.name, one.sha256))],
        "steps": [dataclasses.asdict(one) for one in sorted(steps, key=lambda one: (one.step, one.key))],
        "images": [_image(one) for one in sorted(outputs, key=lambda one: (one.file.name, one.format))],
        "files": [_file(one) for one in sorted(items, key=lambda one: one.dest)],
    }
    file = into / NAME
    stamp.write(file, json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    return file


def _base(product: Product, base: Base) -> dict[str, object]:
    """What the base is, and how that decides each native target."""
    linked = {name: product.linked(native, base.abi) for name, native in product.native.items()}
    return {"abi": base.abi, "version": base.version, "variant": base.variant, "selinux": base.selinux, "sandbox": base.sandbox,
            "file_systems": [dataclasses.asdict(one) for one in base.file_systems],
            "linkage": [{"target": name, "linkage": linkage, "why": why} for name, (linkage, why) in linked.items()]}


def _image(one: Output) -> dict[str, object]:
    return {"file": one.file.name, "format": one.format, "size": one.size, "sha256": one.sha256,
            "partition": one.partition, "offset": one.offset}


def _file(one: Artifact) -> dict[str, object]:
    return {"partition": partition_of(one.dest), "path": one.dest, "sha256": one.sha256, "size": one.size,
            "mode": f"{one.mode:04o}", "uid": one.uid, "gid": one.gid, "label": one.label, "origin": one.origin}
