# SPDX-License-Identifier: Apache-2.0
"""Kiln bakes a large language model into an OpenHarmony system image."""

__version__ = "0.1.0"
