# SPDX-License-Identifier: Apache-2.0
"""Q6_K: 6.6 bits a weight throughout, blocks of 256."""

from kiln.model.stock import Recipe

RECIPE = Recipe(tool="Q6_K", type="Q6_K", file_type=18, about="6.6 bits: little loss")
