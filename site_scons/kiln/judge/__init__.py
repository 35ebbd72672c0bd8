# SPDX-License-Identifier: Apache-2.0
"""The judge: asks a running board over HTTP, says whether the answers are right, and keeps the card."""
