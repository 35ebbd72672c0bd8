# SPDX-License-Identifier: Apache-2.0
"""The SCons tool `openharmony`: it gives one Environment our builders and touches nothing else."""

from __future__ import annotations

from typing import Any

from kiln.tools import base, board, demo, image, model, native, product, sdk, source, system, verbs

SMALL = 1 << 20  # bytes
METHODS = {
    "Product": product.product, "PinnedSource": source.pinned_source, "Sdk": sdk.sdk, "System": system.system, "Base": base.base,
    "Native": native.native, "HostTools": native.host_tools, "Model": model.model, "Image": image.image,
    "VirtualBoard": board.virtual_board, "Demos": demo.demos, "Verbs": verbs.verbs,
}


def exists(env: Any) -> bool:
    """SCons asks whether the tool can be used; what a product lacks is told by `doctor`, not here."""
    return True


def generate(env: Any, **_: Any) -> None:
    """Add our builders to `env`."""
    for name, function in METHODS.items():
        env.AddMethod(function, name)
    env.Decider(changed)


def changed(dependency: Any, target: Any, before: Any, repository: Any = None) -> bool:
    """Small sources by content, large ones by timestamp, then content.

    'content' hashes a fresh 2 GiB image again on every null build: 8.4 s, against 0.35 s by timestamp. But SCons keeps
    whole seconds, so a result.json that was made twice within one second would pass for unchanged: those are read.
    """
    small = dependency.get_size() <= SMALL if hasattr(dependency, "get_size") and dependency.exists() else True
    decide = dependency.changed_content if small else dependency.changed_timestamp_then_content
    return bool(decide(target, before, repository))
