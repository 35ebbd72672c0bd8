# SPDX-License-Identifier: Apache-2.0
"""Native targets: what CMake and ninja build for the board or for this machine, and the gates that each file passes."""

from __future__ import annotations

from kiln.native import kept
from kiln.native.llama import llama_for_board, llama_for_host, llama_static
from kiln.native.ours import Need, build, digest

__all__ = ["Need", "build", "digest", "kept", "llama_for_board", "llama_for_host", "llama_static"]
