# SPDX-License-Identifier: Apache-2.0
"""The whole room: a base, files and a model in; checked images, a table and a manifest out, the same bytes each time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from image.made import INPUTS, STEPS, model, shipped

from kiln import image
from kiln.image import place
from kiln.product import Product
from kiln.results import Base, Images

pytestmark = pytest.mark.fast


def bake(product: Product, base: Base, folder: Path) -> Images:
    gguf = model(folder / "m")
    placed = place.place(product, base, shipped(folder / "a"), gguf)
    return image.bake(product, base, placed, inputs=INPUTS, steps=STEPS, into=folder / "out" / "images",
                      scratch=folder / "out" / "image", log=folder / "log")


def test_end_to_end(virt: Product, base: Base, tmp_path: Path) -> None:
    made = bake(virt, base, tmp_path)
    print(json.loads(made.manifest.read_text()))
    print(*made.outputs, sep="\n")
