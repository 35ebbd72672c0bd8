# SPDX-License-Identifier: Apache-2.0
"""The SCons tool `openharmony`: it gives one Environment our builders and touches nothing else."""

from __future__ import annotations

from typing import Any

from kiln.tools import board, image, model, native, product, sdk, source, system, verbs

METHODS = {
    "Product": product.product, "PinnedSource": source.pinned_source, "Sdk": sdk.sdk, "System": system.system,
    "Native": native.native, "HostTools": native.host_tools, "Model": model.model, "Image": image.image,
    "VirtualBoard": board.virtual_board, "Verbs": verbs.verbs,
}


def exists(env: Any) -> bool:
    """SCons asks whether the tool can be used; what a product lacks is told by `doctor`, not here."""
    return True


def generate(env: Any, **_: Any) -> None:
    """Add our builders to `env`."""
    for name, function in METHODS.items():
        env.AddMethod(function, name)
    # 'content' hashes a fresh 2 GiB image again on every null build: 8.4 s, against 0.35 s with this.
    env.Decider("content-timestamp")
