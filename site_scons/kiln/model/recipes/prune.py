# SPDX-License-Identifier: Apache-2.0
"""prune: the model.drop layers that matter least are left out, the others stored as by `auto`; measured by `scons update=recipe`."""

from kiln.model.stock import Recipe

RECIPE = Recipe(tool="", type="", file_type=-1, about="without the layers that matter least, the others as by auto", found=True)
