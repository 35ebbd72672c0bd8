# SPDX-License-Identifier: Apache-2.0
"""Q2_K: 2.6 bits a weight, Q3_K and Q4_K where it hurts most; large loss, the last resort."""

from kiln.model.stock import Part, Recipe


def choose(part: Part) -> str:
    """llama_tensor_get_type_impl for LLAMA_FTYPE_MOSTLY_Q2_K."""
    if part.kind in ("attn_v", "attn_kv_b", "attn_qkv"):
        return "Q4_K" if part.grouped >= 4 else "Q3_K"
    return "Q3_K" if part.kind in ("ffn_down", "attn_output") else "Q2_K"


RECIPE = Recipe(tool="Q2_K", type="Q2_K", file_type=10, about="3 bits: large loss, the last resort", choose=choose)
