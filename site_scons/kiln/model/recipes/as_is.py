# SPDX-License-Identifier: Apache-2.0
"""The file as it was given: quantized by others, or not at all."""

from kiln.model.stock import Recipe

RECIPE = Recipe(tool="", type="", file_type=-1, about="the file as it was given")
