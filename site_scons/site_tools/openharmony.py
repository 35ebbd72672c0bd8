# SPDX-License-Identifier: Apache-2.0
"""`Environment(tools=["openharmony"])` in a checkout, or in a vendored copy with toolpath=[".../site_scons/site_tools"]."""
import sys
from pathlib import Path

if str(Path(__file__).resolve().parent.parent) not in sys.path:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from kiln.tools.generate import exists, generate  # noqa: E402, F401
