# SPDX-License-Identifier: Apache-2.0
"""The `images` target: what is installed into packages/phone/<image>, and the image that is made of each."""

from __future__ import annotations

import json
from pathlib import Path

from generation import since
from graph import Graph, Install
from ninja_file import Ninja

IMAGES = ("system", "vendor", "sys_prod", "chip_prod", *(("eng_system", "eng_chipset") if since("4.0") else ()),
          *(("chip_ckm",) if since("4.1") else ()), "userdata")
FOLDERS = {"userdata": "data"}         # packages/phone/<folder> of an image, where the names differ
ALWAYS = ("chip_ckm", "userdata")      # the other images are left out if nothing is installed in them
PHONE = "packages/phone"


def package(graph: Graph, ninja: Ninja) -> None:
    """Edges for everything below packages/, behind the phony target `images`; nothing else writes there."""
    installs = [entry for module in graph.modules.values() for entry in module.installs]
    copied = {file for module in graph.modules.values() for file in module.files if file.startswith("packages/")}
    made = [file for file in sorted(copied) if file.startswith(f"{PHONE}/images/")]
    for image in IMAGES:
        wanted = [entry for entry in installs if entry.image == image]
        if wanted or image in ALWAYS:
            made.append(_image(image, wanted, copied, ninja))
    ninja.edge("phony", ["images"], made)
    ninja.edge("phony", ["make_packages"], ["images"])


def _image(image: str, wanted: list[Install], copied: set[str], ninja: Ninja) -> str:
    folder = f"{PHONE}/{FOLDERS.get(image, image)}"
    modules, stamp, output = f"build_configs/install/{image}.json", f"gen/install/{image}.stamp", f"{PHONE}/images/{image}.img"
    rows = [{"from": entry.file, "to": entry.path, "links": list(entry.links)}
            for entry in sorted(wanted, key=lambda entry: entry.path)]
    _write(ninja.out / modules, json.dumps(rows, indent=1) + "\n")
    ninja.edge("install", [stamp], needs=[modules, ninja.source(Path("build/ohos/packages/install.py")),
                                          *(entry.file for entry in wanted)], modules=modules, into=folder, image=image)
    own = f"packages/imagesconf/{image}_image_conf.txt"
    tools = Path("build/ohos/images")
    conf = own if own in copied else ninja.source(tools / "mkimage" / f"{image}_image_conf.txt")
    needs = [stamp, conf, *(ninja.source(tools / name) for name in ("build_image.py", "ext4.py", "mkimage/dac.txt"))]
    needs.append(ninja.source(Path("base/security/selinux_adapter/file_contexts")))
    ninja.edge("image", [output], needs=needs, image=image, conf=conf,
               product=str(ninja.values["product_name"]), **{"from": folder})
    return output


def _write(file: Path, text: str) -> None:
    if not file.is_file() or file.read_text() != text:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
