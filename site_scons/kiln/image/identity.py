# SPDX-License-Identifier: Apache-2.0
"""Identities that are the same in every build: GUIDs, UUIDs and hash seeds out of product, part and purpose."""

from __future__ import annotations

import uuid

_KILN = uuid.UUID("6b696c6e-0000-5000-8000-6f70656e6861")


def guid(who: str, purpose: str) -> str:
    """A version 5 UUID of `<product>/<part>` and what it is for."""
    return str(uuid.uuid5(_KILN, f"{who}/{purpose}"))
