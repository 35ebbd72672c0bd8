# SPDX-License-Identifier: Apache-2.0
"""Q5_K_M: 5.5 bits a weight, Q6_K for half of the values and down projections."""

from kiln.model.stock import Part, Recipe


def choose(part: Part) -> str:
    """llama_tensor_get_type_impl for LLAMA_FTYPE_MOSTLY_Q5_K_M."""
    if part.kind in ("attn_v", "attn_kv_b", "attn_qkv", "ffn_down") and part.more_bits:
        return "Q6_K"
    return "Q5_K"


RECIPE = Recipe(tool="Q5_K_M", type="Q5_K", file_type=17, about="5.7 bits: a step above the usual", choose=choose)
