# SPDX-License-Identifier: Apache-2.0
"""A spec says what is wrong at file:line, with the close matches; hostile YAML is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kiln import product, share, spec
from kiln.errors import Refused, SpecError

pytestmark = pytest.mark.fast


@dataclass(frozen=True)
class Inner:
    size: spec.Size
    on: bool = False


@dataclass(frozen=True)
class Outer:
    word: str
    inner: Inner
    list: tuple[int, ...] = ()
    map: dict[str, Inner] = field(default_factory=dict)
    maybe: int | None = None


def read(tmp_path: Path, text: str) -> Outer:
    file = tmp_path / "s.yaml"
    file.write_text(text)
    return spec.read(file, Outer, shown="s.yaml")


def test_a_good_spec(tmp_path: Path) -> None:
    made = read(tmp_path, "word: x\ninner: {size: 512MiB, on: true}\nlist: [1, 2]\nmap: {a: {size: 3}}\nmaybe: null\n")
    assert made == Outer("x", Inner(spec.Size(512 << 20), True), (1, 2), {"a": Inner(spec.Size(3))}, None)


BAD = {
    "unknown key": ("word: x\ninner:\n  siez: 1MiB\n", "s.yaml:3: unknown key 'inner.siez'; did you mean size?"),
    "missing key": ("word: x\ninner: {on: true}\n", "s.yaml:2: key 'inner.size' is missing"),
    "twice": ("word: x\nword: y\ninner: {size: 1}\n", "s.yaml:2: key 'word' is given twice"),
    "bad size": ("word: x\ninner: {size: 1MB}\n", "s.yaml:2: inner.size must be a size such as 512MiB, not '1MB'"),
    "not an integer": ("word: x\ninner: {size: 1}\nlist: [1, two]\n", "s.yaml:3: list[1] must be an integer, not 'two'"),
    "a list for a mapping": ("- a\n", "s.yaml:1: the file must be a mapping"),
    "empty": ("", "s.yaml: is empty"),
    "not YAML": ("word: [\n", "s.yaml:2: not YAML"),
    "aliases": ("word: &a x\ninner: *a\n", "s.yaml:2: aliases are not allowed"),
    "a tab": ("word: x\n\tinner: 1\n", "s.yaml:2: not YAML"),
    "null": ("word: ~\ninner: {size: 1}\n", "s.yaml:1: word must be text"),
    "python object": ("word: !!python/object/apply:os.system [id]\ninner: {size: 1}\n", "s.yaml:1: word must be text"),
    "control characters": ("word: \x1b[31m\n", "s.yaml: not YAML"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_spec_names_its_line(tmp_path: Path, name: str) -> None:
    text, wanted = BAD[name]
    with pytest.raises(SpecError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(wanted)
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)


def test_a_huge_spec_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="larger than"):
        read(tmp_path, "#" * (spec.LARGEST + 1))


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError):
        read(tmp_path, "word: " + "[" * 5000)


def test_unknown_product_names_the_close_ones() -> None:
    with pytest.raises(Refused, match="unknown product 'vrit'; did you mean virt"):
        product.load("vrit")


def variant(tmp_path: Path, old: str, new: str) -> Path:
    text = (share.folder("products") / "virt.yaml").read_text()
    assert old in text
    (tmp_path / "virt.yaml").write_text(text.replace(old, new))
    return tmp_path


def test_a_service_open_to_the_network_wants_a_key(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"products/virt.yaml:\d+: service.host 0.0.0.0 is open to the network"):
        product.load("virt", variant(tmp_path, "host: 127.0.0.1", "host: 0.0.0.0"))


def test_unknown_key_of_a_product_has_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"products/virt.yaml:\d+: unknown key 'board.rma'; did you mean ram"):
        product.load("virt", variant(tmp_path, "  ram:", "  rma:"))


def test_canonical_does_not_depend_on_how_the_yaml_looked(tmp_path: Path) -> None:
    plain = product.load("virt")
    other = product.load("virt", variant(tmp_path, "sdk: ziglang\n", "\n\n# a remark\nsdk:    'ziglang'\n"))
    assert product.canonical(plain) == product.canonical(other)
