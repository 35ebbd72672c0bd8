# SPDX-License-Identifier: Apache-2.0
"""Stand-in for the check after a build: hb imports it, and a tree without it cannot build."""
