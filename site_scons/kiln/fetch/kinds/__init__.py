# SPDX-License-Identifier: Apache-2.0
"""Where a pin comes from, one kind a file: each has `fetch(pin, part, ask)`, which fills the Part or says why not."""
