# SPDX-License-Identifier: Apache-2.0
"""The only place that imports SCons: builders, front door, verbs, and the boundary where errors become one line."""

from __future__ import annotations

from typing import Any


def openharmony(env: Any) -> None:
    """The SCons tool as a callable, for a pip install: `Environment(tools=[kiln.tools.openharmony])`."""
    from kiln.tools.generate import generate

    generate(env)
