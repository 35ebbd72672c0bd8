# SPDX-License-Identifier: Apache-2.0
"""F16: every matrix in half precision, no loss that is seen; the yardstick for the others."""

from kiln.model.stock import Recipe

RECIPE = Recipe(tool="F16", type="F16", file_type=1, about="16 bits: the yardstick")
