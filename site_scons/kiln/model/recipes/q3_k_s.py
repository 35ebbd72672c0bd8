# SPDX-License-Identifier: Apache-2.0
"""Q3_K_S: 3.4 bits a weight throughout; visible loss, for boards where nothing larger fits."""

from kiln.model.stock import Recipe

RECIPE = Recipe(tool="Q3_K_S", type="Q3_K", file_type=11, about="3.4 bits: visible loss")
