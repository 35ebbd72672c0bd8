# SPDX-License-Identifier: Apache-2.0
"""git, run so that no configuration of the user, the machine, the environment or a hostile repository has a say.

Inside another checkout many of its commands look above their folder and then do nothing, with exit code 0 [tried, git 2.39].
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from kiln import run

_OURS = ("GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_ATTR_NOSYSTEM=1",
         "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=/bin/false")
# Certificates are the machine's, and say nothing that git would run.
_THEIRS = ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH")
# Another user's repository may be read; its own configuration may start no monitor and no hook.
_QUIET = ("-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")


def argv(words: Sequence[str], folder: Path) -> list[str]:
    """The command of git with these words, which looks no higher than `folder`; a caller may be a hook with an index of its own."""
    gone = [word for name in sorted(os.environ) if name.startswith("GIT_") and name not in _THEIRS for word in ("-u", name)]
    return ["env", *gone, *_OURS, f"GIT_CEILING_DIRECTORIES={os.path.realpath(folder.parent)}", run.find("git"), *_QUIET, *words]
