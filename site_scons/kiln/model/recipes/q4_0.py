# SPDX-License-Identifier: Apache-2.0
"""Q4_0: 4.5 bits a weight, one scale for 32; the type that ARM's dot-product kernels repack, so the fastest on a small board."""

from kiln.model.stock import Part, Recipe


def choose(part: Part) -> str:
    """llama_tensor_get_type_impl for LLAMA_FTYPE_MOSTLY_Q4_0."""
    return "Q4_1" if part.kind == "ffn_down" and part.weighted and part.index < part.count // 8 else "Q4_0"


RECIPE = Recipe(tool="Q4_0", type="Q4_0", file_type=2, about="4.5 bits: fastest on ARM with dot products", choose=choose)
