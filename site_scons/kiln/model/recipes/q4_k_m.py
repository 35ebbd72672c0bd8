# SPDX-License-Identifier: Apache-2.0
"""Q4_K_M: 4.5 bits a weight, Q6_K for half of the values and down projections; the usual compromise."""

from kiln.model.stock import Part, Recipe


def choose(part: Part) -> str:
    """llama_tensor_get_type_impl for LLAMA_FTYPE_MOSTLY_Q4_K_M."""
    if part.kind in ("attn_v", "attn_kv_b", "attn_qkv", "ffn_down") and part.more_bits:
        return "Q6_K"
    return "Q4_K"


RECIPE = Recipe(tool="Q4_K_M", type="Q4_K", file_type=15, about="4.8 bits: the usual compromise", choose=choose)
