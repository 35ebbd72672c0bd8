# SPDX-License-Identifier: Apache-2.0
"""auto: a type for each matrix, chosen so that the expected loss is least within model.size; measured by `scons update=recipe`."""

from kiln.model.stock import Recipe

RECIPE = Recipe(tool="", type="", file_type=-1, about="a type for each matrix, measured: the least loss within so many bytes", found=True)
