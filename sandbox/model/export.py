# SPDX-License-Identifier: Apache-2.0
"""Write a trained net and its tokenizer as one F16 GGUF that llama.cpp loads.

The chat template gives only the last message to the model, which was trained on single questions.
"""
from pathlib import Path

import gguf
import numpy as np
import torch

from net import CONTEXT, EPSILON, ROPE_BASE, TINY, Net, Shape
from tokens import BOS, BYTES, EOS, UNK, Tokenizer

TEMPLATE = "{{- 'Question: ' + messages[-1]['content'] + '\\nAnswer:' -}}"
DESCRIPTION = ("A stand-in for a real model: four small layers that know the people and towns of an invented valley, "
               "trained by sandbox/model/train.py.")


def _metadata(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_name(shape.name)
    writer.add_description(DESCRIPTION)
    writer.add_license("Apache-2.0")
    writer.add_languages(["en"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads_kv)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_layer_norm_rms_eps(EPSILON)


def _vocabulary(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    first_piece = BYTES + 256
    special = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    pieces = len(tokenizer.vocabulary) - first_piece
    writer.add_vocab_size(len(tokenizer.vocabulary))
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokenizer.vocabulary)
    writer.add_token_scores([0.0] * first_piece + [-float(rank) for rank in range(1, pieces + 1)])
    writer.add_token_types([*special, *[gguf.TokenType.BYTE] * 256, *[gguf.TokenType.NORMAL] * pieces])
    writer.add_unk_token_id(UNK)
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(TEMPLATE)


def export(net: Net, tokenizer: Tokenizer, path: Path) -> None:
    """Matrices as F16, norms as F32, under ggml's tensor names, which are the net's own."""
    writer = gguf.GGUFWriter(path, net.shape.arch)
    _metadata(writer, net.shape)
    _vocabulary(writer, tokenizer)
    for name, weight in net.state_dict().items():
        data = weight.detach().to(torch.float32).numpy()
        writer.add_tensor(name, data.astype(np.float16) if data.ndim == 2 else data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"{path.name}: {path.stat().st_size} bytes")


def restore(path: Path, shape: Shape = TINY) -> tuple[Net, Tokenizer]:
    """The net and tokenizer of a file that export() wrote; the matrices are as exact as F16 is."""
    reader = gguf.GGUFReader(path)
    tokenizer = Tokenizer(reader.fields["tokenizer.ggml.tokens"].contents())
    net = Net(len(tokenizer.vocabulary), shape)
    net.load_state_dict({tensor.name: torch.from_numpy(np.array(tensor.data, np.float32)) for tensor in reader.tensors})
    return net, tokenizer
