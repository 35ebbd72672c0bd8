# SPDX-License-Identifier: Apache-2.0
"""What each type costs the model's answers, matrix by matrix, in nats of KL divergence a token.

A quantized matrix errs twice. Its weights are rounded: losses.py measures the energy of that error in every type, and the divergence is
proportional to it. And the kernels round the inputs that they multiply it with, by blocks of 256 for the K types and of 32 for the others,
so a matrix whose inputs have outliers has a floor that more bits do not lower (ffn_down of the sandbox model: Q6_K costs as much as Q5_1
of half the precision). Slope and floors are measured by running the model with one matrix, or all of one kind, quantized; a model that is
slow to run takes PRIOR.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from kiln.model import losses, stock
from kiln.model.gguf import Tensor
from kiln.progress import Progress, silent

Costs = dict[str, dict[str, float]]    # by matrix, by type; F16 costs nothing

ALONE = 1 << 30                        # matrices times weights of a model whose matrices are measured one by one
TOGETHER = 256 << 20                   # weights of a model whose matrices are measured by kind
COARSE = ("Q3_K", "Q4_0")              # the type whose divergence gives the slope, for rows of 256s and of 32s
FINE = ("Q6_K", "Q8_0")                # the types whose divergence above the slope is the floor
FAMILY = {kind: "Q6_K" for kind in ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS")}   # ggml-cpu's vec_dot_type Q8_K; Q8_0 or Q8_1 else
TELLS = 5e-6                           # llama-perplexity prints six digits: below this a measured divergence says little
LEAST = 3e-7
# The divergence that a relative error of one in a matrix's output causes, by kind: judged, not fitted. Floors are not known unmeasured.
PRIOR = {"attn_q": 0.35, "attn_k": 0.35, "attn_v": 1.3, "attn_qkv": 1.0, "attn_output": 1.0, "ffn_gate": 0.7, "ffn_up": 0.9, "ffn_down": 1.2,
         "token_embd.weight": 2.0, "output.weight": 2.0}
PRIOR_FLOOR = {"Q6_K": 0.0, "Q8_0": 0.0}


def prior(wanted: Sequence[Tensor], energies: Mapping[str, Mapping[str, float]]) -> Costs:
    """Costs of a model that is not run."""
    made: Costs = {}
    for tensor in wanted:
        each = energies[tensor.name]
        whole = max(each[""], 1e-30)
        kind = PRIOR.get(stock.kind_of(tensor.name), 1.0)
        made[tensor.name] = {one: kind * (each[one] / whole + PRIOR_FLOOR[FAMILY.get(one, "Q8_0")]) for one in losses.types(tensor)}
    return made


def groups(wanted: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], ...]:
    """The matrices that are measured together: each alone, all of a kind, or () where the model is not run at all."""
    weights = sum(losses.weights(tensor) for tensor in wanted)
    if weights * len(wanted) <= ALONE:
        return tuple((tensor,) for tensor in wanted)
    if weights > TOGETHER:
        return ()
    kinds: dict[tuple[str, int], list[Tensor]] = defaultdict(list)
    for tensor in wanted:
        kinds[stock.kind_of(tensor.name), len(losses.types(tensor))].append(tensor)
    return tuple(map(tuple, kinds.values()))


def measured(every: Sequence[Sequence[Tensor]], energies: Mapping[str, Mapping[str, float]], divergence: Callable[[Mapping[str, str]], float],
             progress: Progress = silent) -> tuple[Costs, Costs]:
    """Costs by slope and floor, and the same with the divergence of each type itself wherever it tells more.

    `divergence` gives that of the model with these matrices in these types and all others in F16.
    """
    smooth, direct = {}, {}
    with progress(len(every), "cost of each type", "groups") as update:
        for group in every:
            kinds = losses.types(group[0])
            total = {kind: sum(energies[tensor.name][kind] for tensor in group) for kind in kinds}
            asked = {kind: divergence({tensor.name: kind for tensor in group}) for kind in kinds if kind in FINE or kind == _coarse(kinds)}
            line = fitted(total, asked)
            better = dict(line)
            if len(group) == 1:
                for kind in kinds:
                    if line[kind] > TELLS:
                        said = asked[kind] if kind in asked else divergence({group[0].name: kind})
                        better[kind] = said if said > TELLS else line[kind]
            for tensor in group:
                share = {kind: energies[tensor.name][kind] / total[kind] if total[kind] else 1 / len(group) for kind in kinds}
                smooth[tensor.name] = {kind: line[kind] * share[kind] for kind in kinds}
                direct[tensor.name] = {kind: better[kind] * share[kind] for kind in kinds}
            update(1)
    return smooth, direct


def fitted(energies: Mapping[str, float], asked: Mapping[str, float]) -> dict[str, float]:
    """The cost of every type from three divergences: proportional to the energy of its error, above the floor of its family."""
    coarse = _coarse(tuple(energies))
    slope = max(asked[coarse], LEAST) / max(energies[coarse], 1e-30)
    floors = {fine: max(0.0, asked[fine] - slope * energies[fine]) for fine in FINE if fine in asked}
    return {kind: slope * energy + floors[FAMILY.get(kind, "Q8_0")] for kind, energy in energies.items()}


def _coarse(kinds: Sequence[str]) -> str:
    return next(kind for kind in COARSE if kind in kinds)
