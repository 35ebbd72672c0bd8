# SPDX-License-Identifier: Apache-2.0
"""An entry goes into a JSON file in the style of its neighbors and comes out again; every other byte stays."""

from __future__ import annotations

import json

import pytest

from kiln.system import entries

ENTRY = {"subsystem": "kiln", "components": [{"component": "kiln", "features": []}]}
STYLES = {
    "two spaces": json.dumps({"a": 1, "list": [{"x": [1, 2]}, {"y": "ü \\ \" ]"}]}, indent=2) + "\n",
    "four spaces, no newline at the end": json.dumps({"list": [{"x": 1}], "b": {}}, indent=4),
    "tabs": json.dumps({"list": [1, 2]}, indent="\t") + "\n\n",
    "windows": json.dumps({"list": [{"x": 1}]}, indent=2).replace("\n", "\r\n") + "\r\n",
    "with a mark": "\ufeff" + json.dumps({"list": [{"x": 1}]}, indent=2),
    "one line": '{"list": [{"x":1} , {"y":2}], "z": 3}',
    "hugging": '{\n    "list" : [{\n            "x" : 1\n        }, {\n            "y" : [ ]\n        }],\n  "z": 0}\n',
    "empty": '{\n  "list": [\n  ]\n}\n',
    "empty, one line": '{"list":[]}',
    "blank lines": '{"list": [\n\n   "x",\n\n\n   "y"\n\n]}',
}


@pytest.mark.parametrize("text", STYLES.values(), ids=STYLES)
def test_in_and_out_again_byte_for_byte(text: str) -> None:
    made = entries.insert(text, ("list",), ENTRY)
    before, after = (json.loads(one.removeprefix("\ufeff")) for one in (text, made))
    assert after == {**before, "list": [*before["list"], ENTRY]}
    assert made.count("\n") - made.count("\r\n") == 0 or "\r\n" not in text
    assert len(made) > len(text) and entries.remove(made, ("list",), ENTRY) == text
    top = entries.insert(text, (), {"path": "x"}, "key")
    assert json.loads(top.removeprefix("\ufeff")) == {**before, "key": {"path": "x"}} and entries.remove(top, (), {"path": "x"}, "key") == text


def test_it_looks_like_what_stands_before_it() -> None:
    made = entries.insert(STYLES["two spaces"], ("list",), {"z": [1]})
    assert made.endswith('    },\n    {\n      "z": [\n        1\n      ]\n    }\n  ]\n}\n')
    assert entries.insert(STYLES["windows"], ("list",), "z").endswith('    },\r\n    "z"\r\n  ]\r\n}\r\n')
    assert entries.insert(STYLES["one line"], ("list",), "z") == '{"list": [{"x":1} , {"y":2}, "z"], "z": 3}'


def test_what_came_after_ours_stays_when_ours_goes() -> None:
    made = entries.insert('{"list": []}', ("list",), "ours")
    later = entries.insert(made, ("list",), "theirs")
    assert entries.remove(later, ("list",), "ours") == '{"list": ["theirs"]}'
    assert entries.remove(later, ("list",), "nobody's") is None and entries.remove(later, ("no", "where"), "ours") is None


def test_a_place_is_found_by_what_it_holds() -> None:
    text = '{"subsystems": [{"subsystem": "a", "components": [1]}, {"subsystem": "ai", "components": [2]}], "n": 3}'
    place = ("subsystems", {"subsystem": "ai"}, "components")
    assert [item.value for item in entries.items(text, place) or ()] == [2]
    assert entries.items(text, ("subsystems", {"subsystem": "no"}, "components")) is None and entries.items(text, ("n",)) is None
