# SPDX-License-Identifier: Apache-2.0
"""Q8_0: 8.5 bits a weight, loss hardly measurable; where memory allows."""

from kiln.model.stock import Recipe

RECIPE = Recipe(tool="Q8_0", type="Q8_0", file_type=7, about="8.5 bits: hardly any loss")
