# SPDX-License-Identifier: Apache-2.0
"""A product for the DAYU200's base (image/dayu200.py) on the virtual board: flashed by rockusb, its model in a partition of its own."""

from __future__ import annotations

import dataclasses

from image import dayu200

from kiln.product import Product, System
from kiln.spec import Size


def product(virt: Product) -> Product:
    """Made of products/virt, whose compiler is there in every test."""
    return dataclasses.replace(
        virt, name="dayu", system=System("rk3568", virt.system.targets), image=dataclasses.replace(virt.image, formats=("directory",), model_in="model"),
        board=dataclasses.replace(virt.board, transport="rockusb", emmc=Size(dayu200.SECTORS * 512)),
        check=dataclasses.replace(virt.check, boot_timeout=60))
