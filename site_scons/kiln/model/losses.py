# SPDX-License-Identifier: Apache-2.0
"""What each type costs each matrix: the energy of the error that it adds to the matrix's output, measured, not guessed.

The expected squared error of W x for inputs with mean squares m is sum_ij m_j (W - W')_ij^2. W' comes from
llama-quantize itself: a small GGUF of sampled rows is quantized once for every type, so the pinned quantizers and the
importance matrix have their say, and an 8B model costs what its sample costs. Streamed: one tensor in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kiln import run
from kiln.model import ggml, stock
from kiln.model.gguf import Header, Tensor
from kiln.progress import Progress, silent

WIDE = ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_XS")      # rows of whole 256s
NARROW = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "IQ4_NL")            # rows of whole 32s
SAMPLE = 48 << 20                      # weights, all matrices together
LEAST = 32                             # rows of one matrix
_LENGTH = 1 << 22                      # weights that are compared at once


def matrices(header: Header) -> tuple[Tensor, ...]:
    """The tensors that llama-quantize would quantize, in the file's order."""
    return tuple(tensor for tensor in header.tensors if not stock.kept(tensor) and types(tensor))


def types(tensor: Tensor) -> tuple[str, ...]:
    """The types that this tensor's rows can take. IQ2 and IQ3 are left out: Arm has no fast code for them."""
    columns = tensor.shape[0]
    wide = WIDE if columns % 256 == 0 else ()
    return tuple(dict.fromkeys((*wide, *(NARROW if columns % 32 == 0 else ()))))


def measure(source: Path, header: Header, importance: Mapping[str, Any], imatrix: Path, tool: Path, folder: Path, *, log: Path,
            progress: Progress = silent) -> dict[str, dict[str, float]]:
    """Error energy of every matrix in every type that it can take, and under "": the energy of its output itself.

    A value is a mean over the sampled rows times all rows, so tensors of different size compare.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = matrices(header)
    sample = folder / "sample.gguf"
    rows = _sample(source, header, wanted, sample)
    made: dict[str, dict[str, float]] = {tensor.name: {} for tensor in wanted}
    every = sorted({kind for tensor in wanted for kind in types(tensor)})
    inputs = {tensor.name: weight(tensor, importance, source, header) for tensor in wanted}
    for tensor, rows_of in zip(wanted, _read(sample, wanted), strict=True):
        made[tensor.name][""] = _energy(rows_of(), inputs[tensor.name]) * _scale(tensor, rows)
    with progress(len(every), "loss of each type", "types") as update:
        for kind in every:
            out = folder / "quantized.gguf"
            run.run([tool.resolve(), "--pure", "--imatrix", imatrix.resolve(), sample.name, out.name, TOOL.get(kind, kind),
                     str(run.threads())], cwd=folder, log=log)
            for tensor, was, now in zip(wanted, _read(sample, wanted), _read(out, wanted), strict=True):
                if kind in types(tensor):
                    made[tensor.name][kind] = _energy(was() - now(), inputs[tensor.name]) * _scale(tensor, rows)
            update(1)
    return made


TOOL = {"Q3_K": "Q3_K_S", "Q4_K": "Q4_K_S", "Q5_K": "Q5_K_S"}


def weight(tensor: Tensor, importance: Mapping[str, Any], source: Path, header: Header) -> Any:
    """Mean squared input of each column of this matrix; for an output that nothing measured, what its norm lets through."""
    import numpy

    if tensor.name in importance:
        return importance[tensor.name]
    if tensor.name in ("output.weight", "token_embd.weight"):
        norm = next((one for one in header.tensors if one.name == "output_norm.weight"), None)
        if norm is not None and norm.shape[0] == tensor.shape[0]:
            return numpy.square(_raw(source, header, norm).astype(numpy.float64)).reshape(-1)
    return numpy.ones(tensor.shape[0])


def _rows(tensor: Tensor) -> int:
    made = 1
    for side in tensor.shape[1:]:
        made *= side
    return made


def _scale(tensor: Tensor, rows: Mapping[str, int]) -> float:
    return _rows(tensor) / rows[tensor.name]


def _sample(source: Path, header: Header, wanted: Sequence[Tensor], into: Path) -> dict[str, int]:
    """A GGUF with the model's metadata and evenly spaced rows of each matrix, F32, other tensors left out. Gives the rows."""
    import gguf
    import numpy

    total = sum(weights(tensor) for tensor in wanted)
    share = min(1.0, SAMPLE / total)
    rows = {tensor.name: max(min(LEAST, _rows(tensor)), int(_rows(tensor) * share)) for tensor in wanted}
    writer = gguf.GGUFWriter(into, header.architecture)
    writer.add_block_count(header.n_layer)
    for name in ("context_length", "embedding_length", "feed_forward_length", "attention.head_count", "attention.head_count_kv"):
        value = header.metadata.get(f"{header.architecture}.{name}")
        if isinstance(value, int):
            writer.add_uint32(f"{header.architecture}.{name}", value)
    epsilon = header.metadata.get(f"{header.architecture}.attention.layer_norm_rms_epsilon")
    if isinstance(epsilon, float):
        writer.add_float32(f"{header.architecture}.attention.layer_norm_rms_epsilon", epsilon)
    for tensor in wanted:
        writer.add_tensor_info(tensor.name, (rows[tensor.name], tensor.shape[0]), numpy.dtype(numpy.float32), 4 * rows[tensor.name] * tensor.shape[0])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in wanted:
        chosen = numpy.linspace(0, _rows(tensor) - 1, rows[tensor.name]).astype(numpy.int64)
        writer.write_tensor_data(_raw(source, header, tensor, chosen))
    writer.close()
    return rows


def _raw(source: Path, header: Header, tensor: Tensor, chosen: Any = slice(None)) -> Any:
    """The chosen rows of a tensor as float32; the file is mapped, so nothing else of it is read."""
    import numpy

    kinds: dict[str, Any] = {"F32": numpy.float32, "F16": numpy.float16, "BF16": numpy.uint16}
    mapped = numpy.memmap(source, mode="r", dtype=kinds[tensor.type], offset=header.data + tensor.offset,
                          shape=(_rows(tensor), tensor.shape[0]))[chosen]
    wide = (mapped.astype(numpy.uint32) << 16).view(numpy.float32) if tensor.type == "BF16" else mapped
    return numpy.ascontiguousarray(wide.astype(numpy.float32))


def _read(file: Path, wanted: Sequence[Tensor]) -> Iterator[Callable[[], Any]]:
    """For each wanted tensor, a function that gives its rows in a sample file as float32."""
    import gguf

    there = {str(tensor.name): tensor for tensor in gguf.GGUFReader(file).tensors}
    for tensor in wanted:
        found = there[tensor.name]
        yield lambda found=found: gguf.quants.dequantize(found.data, found.tensor_type)  # type: ignore[misc]


def _energy(rows: Any, weights: Any) -> float:
    """Sum over rows of the weighted squares, in pieces: numpy's temporaries are the memory that this takes."""
    import numpy

    step = max(1, _LENGTH // rows.shape[-1])
    return float(sum(numpy.square(rows[at:at + step].astype(numpy.float64)).dot(weights).sum() for at in range(0, rows.shape[0], step)))


def weights(tensor: Tensor) -> int:
    """How many numbers it has."""
    return tensor.shape[0] * _rows(tensor)


def size(tensor: Tensor, kind: str) -> int:
    """Bytes of the tensor in a file, with its padding."""
    return ggml.padded(ggml.size(kind, tensor.shape), 32)
