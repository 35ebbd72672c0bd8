# SPDX-License-Identifier: Apache-2.0
"""The first true error: what build.sh printed, and the line that must come of it. Add a case, add a row."""

from __future__ import annotations

import pytest

from kiln.system import diagnose

pytestmark = pytest.mark.fast

TAIL = ["[OHOS ERROR] [NINJA] ninja: build stopped: subcommand failed.", "[OHOS ERROR] Code:        4000",
        "[OHOS ERROR] Reason:      COMPILE Failed! Please check error in out/virt/error.log", "\x1b[31m=====build  error=====\x1b[0m"]
CASES = {
    "compiler": (["[OHOS INFO] [NINJA] [3/9] CXX obj/a.o", "[OHOS ERROR] [NINJA] FAILED: obj/a.o ",
                  "[OHOS ERROR] [NINJA] ../../foundation/ai/a.cpp:3:5: error: unknown type name 'x'", *TAIL],
                 "foundation/ai/a.cpp:3:5: error: unknown type name 'x'"),
    "a warning before it is not it": (["../../a.cpp:1:1: warning: unused error: x", "../../b.cpp:2:2: fatal error: 'no.h' file not found", *TAIL],
                                      "b.cpp:2:2: fatal error: 'no.h' file not found"),
    "linker": (["[OHOS ERROR] FAILED: libx.so", "[OHOS ERROR] ld.lld: error: undefined symbol: f()", *TAIL],
               "ld.lld: error: undefined symbol: f()"),
    "gn": (["[OHOS ERROR] [GN] ERROR at //a/BUILD.gn:3:3: Undefined identifier.", "[OHOS ERROR] Reason:      GN Failed! Please check"],
           "ERROR at //a/BUILD.gn:3:3: Undefined identifier."),
    "unknown target": (["[OHOS ERROR] [NINJA] ninja: error: unknown target 'nope'", "[OHOS ERROR] Code:        4015"],
                       "ninja: error: unknown target 'nope'"),
    "disk full": (["cp: error writing 'x': No space left on device", *TAIL], "cp: error writing 'x': No space left on device"),
    "python": (["Please execute the build/prebuilts_download.sh"], "Please execute the build/prebuilts_download.sh"),
    "node": (["Node.js version mismatch. Expected v14.21.1 but found v20", "x"], "Node.js version mismatch. Expected v14.21.1 but found v20"),
    "product": (["[OHOS ERROR] Code:        0000", "[OHOS ERROR] Reason:      product rk3@None not found", TAIL[-1]],
                "product rk3@None not found"),
    "nothing known": (["strange", "words"], "words"),
    "nothing at all": ([], "it printed nothing"),
}


@pytest.mark.parametrize("lines,wanted", CASES.values(), ids=CASES)
def test_the_cause_is_named(lines: list[str], wanted: str) -> None:
    assert diagnose.cause(lines) == wanted


def test_a_hostile_line_is_made_safe() -> None:
    told = diagnose.cause(["\x1b]0;own\x07../../a.cpp:1:1: error: \x1b[2Jbad" + "x" * 5000])
    assert told.startswith("a.cpp:1:1: error: bad") and "\x1b" not in told and len(told) <= 300
