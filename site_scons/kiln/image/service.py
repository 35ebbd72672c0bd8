# SPDX-License-Identifier: Apache-2.0
"""What makes the board start the server: kiln.cfg, its import, the mount of the model, the table. Their only writer.

cfg files are OpenHarmony's init JSON (startup_init). A file below /vendor/etc/init/ would run in the chipset_init
domain; /vendor/etc/kiln.cfg, imported by init.<board>.cfg, runs in init's own, which may enter `service.secon`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kiln import stamp
from kiln.errors import ImageError, Refused, one_line
from kiln.image import debugfs, ext4, files, owners, table
from kiln.image.place import MODEL, MOUNTS, table_for
from kiln.product import Product
from kiln.results import Artifact, Base, Input, Placement

CFG = "/vendor/etc/kiln.cfg"
NOTICE = "/vendor/etc/kiln/licenses/NOTICE"
SERVER = "/vendor/bin/llama-server"
BACKEND = "libggml-nnrt.so"            # llama.cpp's own list of backends lacks it: it is told where it lies
ORIGIN = "kiln"
USER = 6900                            # free in OpenHarmony's passwd: nothing else on the board is this user's
# What init takes (startup_init, init_service_manager.c); a service past a limit is dropped without a word.
ARGUMENTS, ARGUMENT, NAME, VALUE = 19, 200, 64, 128


def cfg(product: Product, placement: Placement) -> dict[str, Any]:
    """kiln.cfg as JSON. The settings go by environment: init takes 19 strings in `path`."""
    service = product.service
    started: dict[str, Any] = {
        "name": service.name, "path": [SERVER], "uid": USER, "gid": [USER], "once": 0, "importance": service.importance,
        "start-mode": service.start,
        "sandbox": 0,                  # the mount sandbox of /vendor/bin binds /mnt without what is mounted below it
        "secon": service.secon,
        "env": [{"name": name, "value": value} for name, value in settings(product, placement).items()],
    }
    if service.cores:
        started["cpucore"] = list(service.cores)
    made: dict[str, Any] = {"jobs": [], "services": [started]}
    if placement.model == MODEL:
        made["jobs"].append({"name": "pre-init", "cmds": [f"mkdir {MOUNTS[MODEL]}"]})
    return limited(made)


def settings(product: Product, placement: Placement) -> dict[str, str]:
    """The server's environment: what the budget planned, by the names of llama.cpp's common/arg.cpp; the backend that is loaded, and what the product adds."""
    service, budget = product.service, placement.budget
    made = {
        "LLAMA_ARG_MODEL": placement.model_path,
        "LLAMA_ARG_CTX_SIZE": str(budget.pool),                     # the server shares it out between the slots
        "LLAMA_ARG_N_PARALLEL": str(budget.slots),
        "LLAMA_ARG_KV_UNIFIED": str(int(budget.unified)),
        "LLAMA_ARG_CACHE_TYPE_K": budget.kv_type, "LLAMA_ARG_CACHE_TYPE_V": budget.kv_type,
        "LLAMA_ARG_THREADS": str(service.threads),
        "LLAMA_ARG_HOST": service.host, "LLAMA_ARG_PORT": str(service.port),
        "LLAMA_ARG_CACHE_RAM": str(budget.prompts >> 20),           # its default keeps up to 8 GiB of old prompts
        "LLAMA_ARG_FIT": "off",        # planned here: the server must not make the context smaller by itself
        "LLAMA_ARG_OFFLINE": "1",
    }
    if budget.unified:
        made["LLAMA_ARG_KV_UNIFIED_PER_SLOT"] = str(budget.context)
    if service.api_key_file:
        made["LLAMA_ARG_API_KEY_FILE"] = service.api_key_file
    made |= {"GGML_BACKEND_PATH": item.dest for item in placement.items if item.dest.endswith(f"/{BACKEND}")}
    return {**made, **service.env}


def limited(made: dict[str, Any]) -> dict[str, Any]:
    """The configuration, if init takes its services whole. Raises Refused."""
    for service in made["services"]:
        if len(service["path"]) > ARGUMENTS or any(len(word) > ARGUMENT for word in service["path"]):
            raise Refused(f"service {service['name']} has more than {ARGUMENTS} words, or one of over {ARGUMENT} characters")
        for item in service["env"]:
            if len(item["name"]) > NAME or len(item["value"]) > VALUE:
                raise Refused(f"{item['name']} has {len(item['value'])} characters; OpenHarmony's init takes {VALUE}",
                              where="service", hint="shorten it: init drops the whole service")
    return made


def generated(product: Product, placement: Placement, inputs: Sequence[Input], vendor: Path, folder: Path) -> tuple[Artifact, ...]:
    """The files that we write ourselves and the two of the base that we edit, made in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [_ours(folder, CFG, _json(cfg(product, placement))), _ours(folder, NOTICE, notice(inputs))]
    board = product.system.name
    edits = [(f"/vendor/etc/init.{board}.cfg", lambda text: imported(text, CFG))]
    if placement.model == MODEL:
        edits.append((f"/vendor/etc/fstab.{board}", mounted))
    for path, edit in edits:
        changed = _edited(vendor, path, edit, folder)
        made += [changed] if changed else []
    return tuple(made)


def notice(inputs: Sequence[Input]) -> str:
    """What went in and under which licence."""
    rows = sorted({(one.name, one.version, one.licence) for one in inputs})
    return "".join(f"{name} {version}: {licence}\n" for name, version, licence in rows)


def imported(text: str, path: str) -> str:
    """init.<board>.cfg with one import more; the rest keeps its order."""
    try:
        top = json.loads(text)
        imports = top.setdefault("import", []) if isinstance(top, dict) else None
    except (ValueError, RecursionError) as error:
        raise ImageError(f"is not JSON: {error}") from error
    if not isinstance(imports, list):
        raise ImageError("is no init configuration: its top is no object, or its import no list")
    return text if path in imports else _json({**top, "import": [*imports, path]})


def mounted(text: str) -> str:
    """fstab with a line for the model partition, its device named as vendor's is."""
    rows = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if any(len(row) > 1 and row[1] == MOUNTS[MODEL] for row in rows):
        return text
    vendor = next((row[0] for row in rows if len(row) > 1 and row[1] == "/vendor"), "")
    if not vendor.endswith("/vendor"):
        raise ImageError("has no line for /vendor", hint="expected OpenHarmony's fstab: device, folder, type, options, flags")
    device = vendor.removesuffix("vendor") + MODEL
    return text.rstrip("\n") + f"\n{device} {MOUNTS[MODEL]} ext4 ro,barrier=1 wait\n"


def _edited(vendor: Path, path: str, edit: Any, folder: Path) -> Artifact | None:
    """A file of the base with our line in it, owner, mode and label kept; None if the line is there already."""
    with ext4.Reader(vendor) as reader:
        found, raw = files.find(reader, path.removeprefix("/vendor")), files.text(reader, path.removeprefix("/vendor"), limit=1 << 20)
        there = [name for name in files.names(reader, "/etc") if name.startswith(path.rsplit("/", 1)[1].split(".")[0] + ".")]
    if found is None or raw is None:
        raise ImageError(f"has no {path}", where=vendor.name, hint=f"system.name names the board; there is: {one_line(', '.join(there)) or 'nothing like it'}")
    try:
        text = raw.decode("utf-8")
        changed = edit(text)
    except (ImageError, UnicodeDecodeError) as error:
        raise ImageError(str(error), where=f"{vendor.name}:{path}") from error
    label = debugfs.label(vendor, path.removeprefix("/vendor"), folder)
    owner = owners.Owner(found.mode & 0o7777, found.uid, found.gid, label)
    return _artifact(folder, path, changed, owner, f"{ORIGIN}, edited") if changed != text else None


def _ours(folder: Path, path: str, text: str) -> Artifact:
    return _artifact(folder, path, text, owners.file(path), ORIGIN)


def _artifact(folder: Path, path: str, text: str, owner: owners.Owner, origin: str) -> Artifact:
    file = folder / path.rsplit("/", 1)[1]
    stamp.write(file, text)
    return Artifact(file, path, *owner, origin, stamp.digest(file), file.stat().st_size)


def _json(value: Any) -> str:
    return json.dumps(value, indent=4, ensure_ascii=False) + "\n"


def parameter(product: Product, base: Base, placement: Placement, into: Path) -> Path:
    """Write parameter.txt: the base's, with the model's row if the model has a partition of its own."""
    stamp.write(into, table_for(product, table.read(base.parameter), placement.model).text)
    return into
