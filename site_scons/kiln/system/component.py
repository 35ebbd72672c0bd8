# SPDX-License-Identifier: Apache-2.0
"""What Kiln built as an OpenHarmony component of prebuilts: where it stands in a tree, its bundle.json, its BUILD.gn, its entries."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kiln.errors import Refused
from kiln.system.described import Described
from kiln.system.entries import Place
from kiln.system.generations import Generation

NAME = "kiln"
CFG = "/vendor/etc/kiln.cfg"
CONF = "vendor_image_conf.txt"
_IMAGES = ("vendor", "system", "sys_prod", "chip_prod")
_PART: Mapping[str, object] = {"component": NAME, "features": []}


@dataclass(frozen=True)
class Edit:
    """An entry of ours in a file of the tree; `fresh` files hold nothing else when we make them."""

    file: str
    place: Place
    entry: object
    key: str = ""
    fresh: bool = False


def folder(product: Described, row: Generation) -> str:
    """Where the component stands: beside the product; in 3.2, whose loader knows no overlay, in the folder of a known subsystem.

    Not in the product's own folder: what stands there must be of the subsystem product_<name>.
    """
    return f"foundation/ai/{NAME}" if row.name == "3.2" else f"{product.folder.rpartition('/')[0]}/{NAME}"


def subsystem(row: Generation) -> str:
    """The component's subsystem."""
    return "ai" if row.name == "3.2" else NAME


def edits(product: Described, row: Generation, init: str) -> tuple[Edit, ...]:
    """The entries that make the product ship the component, in order: the overlay, the product's list, init's import."""
    if row.name == "3.2":
        listed = Edit(product.file, ("subsystems", {"subsystem": "ai"}, "components"), _PART)
        return listed, Edit(init, ("import",), CFG)
    overlay = Edit(f"{product.folder}/subsystem_config_overlay.json", (), {"path": folder(product, row), "name": NAME}, NAME, fresh=True)
    listed = Edit(product.file, ("subsystems",), {"subsystem": NAME, "components": [_PART]})
    return overlay, listed, Edit(init, ("import",), CFG)


def bundle(row: Generation, path: str, rom: int) -> str:
    """bundle.json; `rom` is in bytes."""
    return json.dumps({
        "name": f"@kiln/{NAME}", "description": "A large language model and the server that answers with it, built by Kiln.", "version": "1.0",
        "license": "Apache-2.0", "publishAs": "code-segment", "segment": {"destPath": path}, "dirs": {}, "scripts": {},
        "component": {
            "name": NAME, "subsystem": subsystem(row), "syscap": [], "features": [], "adapted_system_type": ["standard"],
            "rom": f"{-(-rom // 1024)}KB", "ram": "", "deps": {"components": [], "third_party": []},
            "build": {"sub_component": [f"//{path}:{NAME}_files"], "inner_kits": [], "test": []},
        },
    }, indent=2) + "\n"


def build_gn(row: Generation, dests: Sequence[str], conf: bool) -> str:
    """BUILD.gn: a prebuilt for each file, by its place on the board, and with `conf` the size of the vendor image."""
    blocks, names = [], []
    for dest in dests:
        names.append(f"{NAME}_{re.sub(r'[^A-Za-z0-9]+', '_', dest).strip('_')}")
        blocks.append(_prebuilt(names[-1], dest, subsystem(row)))
    if conf:
        names.append(f"{NAME}_{CONF.removesuffix('.txt')}")
        blocks.append(f'ohos_copy("{names[-1]}") {{\n  sources = [ "{CONF}" ]\n'
                      '  outputs = [ "${product_output_dir}/imagesconf/{{source_file_part}}" ]\n}\n')
    listed = "".join(f'    ":{name}",\n' for name in names)
    return "\n".join(['# Made by Kiln (scons graft); scons ungraft takes it away.\nimport("//build/ohos.gni")\n', *blocks,
                      f'group("{NAME}_files") {{\n  deps = [\n{listed}  ]\n}}\n'])


def _prebuilt(name: str, dest: str, of: str) -> str:
    image, path = split(dest)
    kind = "executable" if path.startswith("bin/") else "shared_library" if re.search(r"\.so(\.\d+)*$", path) else "etc"
    enable = "  install_enable = true\n" if kind == "executable" else ""
    return (f'ohos_prebuilt_{kind}("{name}") {{\n  source = "files{dest}"\n{enable}  install_images = [ "{image}" ]\n'
            f'  module_install_dir = "{path.rpartition("/")[0]}"\n  part_name = "{NAME}"\n  subsystem_name = "{of}"\n}}\n')


def split(dest: str) -> tuple[str, str]:
    """The image of a file of the board and its path there. Raises Refused where the build can install nothing."""
    _, image, path = f"{dest}//".split("/", 2)
    path = path.rstrip("/")
    if image not in _IMAGES or "/" not in path or not re.fullmatch(r"[A-Za-z0-9._+/-]+", path) or ".." in path.split("/"):
        raise Refused(f"{dest} is in no image that build.sh fills by name", where="graft", hint=f"it fills {', '.join(_IMAGES)}, folders in them")
    return image, path
