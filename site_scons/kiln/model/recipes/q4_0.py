# SPDX-License-Identifier: Apache-2.0
"""Q4_0: 4.5 bits a weight, one scale for 32; the type that ARM's dot-product kernels repack, so the fastest on a small board."""

from kiln.model.stock import Recipe

RECIPE = Recipe(tool="Q4_0", type="Q4_0", file_type=2, about="4.5 bits: fastest on ARM with dot products")
