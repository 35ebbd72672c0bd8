# SPDX-License-Identifier: Apache-2.0
"""The product and its parts: config.json where hb looks for it, then every bundle.json and ohos.build below the subsystems' folders."""

from __future__ import annotations

import json
import tarfile
import time
from pathlib import Path

from console import Console, OhosError
from generation import since

PLACES = ("out/products_ext/vendor/*/*/config.json", "vendor/*/*/config.json", "productdefine/common/products/*.json")
KITS = ("inner_kits", "inner_api")


def product(root: Path, name: str) -> dict[str, object]:
    """The config.json of that product (the name is a key in the file, not a folder), with `product_path` added."""
    wanted, _, company = name.partition("@")
    for file in (file for place in PLACES for file in sorted(root.glob(place))):
        config = json.loads(file.read_text())
        if config.get("product_name") == wanted and company in ("", file.parent.parent.name):
            return {"product_path": file.parent.relative_to(root).as_posix(), "device_build_path": "", **config}
    raise OhosError("0000", f"product {wanted}@{company or None} not found")


def parts(config: dict[str, object], console: Console) -> dict[str, dict[str, object]]:
    """Every part that the product names, plus the parts of the product and of its device, by name."""
    if config["product_name"] == "ohos-sdk":
        raise OhosError("0000", "the stand-in builds no SDK")
    found = {name: part for folder in _folders(config) for name, part in _in(folder).items()}
    systems = [entry for inherited in config.get("inherit", []) for entry in _json(Path(inherited))["subsystems"]] + config["subsystems"]
    wanted = {entry["component"]: None for system in systems for entry in system["components"]}
    _named(found, str(config["product_path"]), str(config["product_name"]))
    wanted |= {name: None for name in found if name.startswith(("product_", "device_"))}
    missing = [name for name in wanted if name not in found]
    if missing:
        raise OhosError("2012", f"component {missing[0]} of product {config['product_name']} has no bundle.json")
    console.say(f"loading {len(wanted)} parts", "LOAD")
    return {name: found[name] for name in sorted(wanted)}


def write_state(config: dict[str, object], loaded: dict[str, dict[str, object]], out: Path, console: Console) -> None:
    """out/ohos_config.json and out/preloader/<product>/, each only if it changed."""
    folder = Path("out/preloader") / str(config["product_name"])
    state = {"root_path": str(Path.cwd()), "board": config["board"], "product": config["product_name"], "out_path": str(out),
             "product_path": config["product_path"], "target_cpu": config["target_cpu"],
             "product_json": f"{config['product_path']}/config.json"}
    _write(Path("out/ohos_config.json"), state)
    for name, value in {"parts.json": loaded, "build_config.json": {key: value for key, value in config.items() if isinstance(value, str)}}.items():
        _write(folder / name, value)
        console.say(f"generated {name} to {folder}/{name}", "PRELOAD")


def _folders(config: dict[str, object]) -> list[Path]:
    known = {name: [entry["path"]] for name, entry in _json(Path("build/subsystem_config.json")).items()}
    overlay = Path(str(config["product_path"])) / "subsystem_config_overlay.json"
    if overlay.is_file() and since("4.0"):
        for name, entry in _json(overlay).items():
            # For a subsystem that is known already, a path counts only below vendor or device.
            if name not in known or any(word in entry["path"] for word in ("vendor", "device")):
                known.setdefault(name, []).append(entry["path"])
    paths = [path for each in known.values() for path in each]
    return [Path(path) for path in (*paths, str(config["product_path"]), str(config["device_build_path"])) if path]


def _named(found: dict[str, dict[str, object]], folder: str, product_name: str) -> None:
    """A component in the product's own folder is of the subsystem product_<name>, or else the loader stops."""
    for part in found.values():
        inside = f"{part['path']}/".startswith(f"{folder}/")
        if inside and part["file"] == "bundle.json" and part["subsystem"] != f"product_{product_name}":
            raise OhosError("2014", f"subsystem name config incorrect in '{part['path']}/bundle.json'")


def _in(folder: Path) -> dict[str, dict[str, object]]:
    made: dict[str, dict[str, object]] = {}
    for file in sorted([*folder.rglob("bundle.json"), *folder.rglob("ohos.build")]):
        value = _json(file)
        place = {"path": file.parent.as_posix(), "file": file.name}
        if file.name == "ohos.build":
            for name, part in value["parts"].items():
                made[name] = {**place, "subsystem": value["subsystem"], "modules": part["module_list"], "inner_kits": part.get("inner_kits", [])}
        else:
            component, build = value["component"], value["component"]["build"]
            grouped = build.get("group_type", {})
            modules = build.get("sub_component") or build.get("modules") or [label for labels in grouped.values() for label in labels]
            if not modules:
                raise OhosError("2011", f"{file} has none of sub_component, modules, group_type")
            made[component["name"]] = {**place, "subsystem": component["subsystem"], "modules": modules,
                                       "inner_kits": [kit for key in KITS for kit in build.get(key, [])]}
    return made


def _json(file: Path) -> dict:
    try:
        return json.loads(file.read_text())
    except ValueError as error:
        raise OhosError("2010", f"{file} is not JSON: {error}") from error


def _write(file: Path, value: object) -> None:
    text = json.dumps(value, indent=1, sort_keys=True) + "\n"
    if not file.is_file() or file.read_text() != text:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def hold_arguments(argv: list[str]) -> Path:
    """out/hb_args/build.json: the arguments of the running build, taken away at its end."""
    file = Path("out/hb_args/build.json")
    _write(file, {"argv": argv, "at": time.time()})
    return file


def archive(out: Path) -> None:
    """packages/phone/images as out/<board>/images.tar.gz, which 3.2 packs after every build unless told not to."""
    with tarfile.open(out / "images.tar.gz", "w:gz") as packed:
        packed.add(out / "packages/phone/images", "images")
