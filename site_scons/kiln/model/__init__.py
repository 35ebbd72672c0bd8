# SPDX-License-Identifier: Apache-2.0
"""The model: what a GGUF says of itself, which recipe makes it small, whether it fits the board."""
