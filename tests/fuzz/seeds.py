"""Writes the seeds of the fuzz target: small networks of many kinds, with their weights.

    python tests/fuzz/seeds.py FOLDER

Each becomes NAME-symbol.json, for tools/amalgamate.py --model, and NAME.seed: the JSON, a zero byte, the .params.
"""
from __future__ import annotations

import pathlib
import sys

import numpy as np

import heddle as mx

SHAPES = {"images": (2, 3, 8, 8), "steps": (4, 2, 6)}


def convolutions(x: mx.sym.Symbol) -> mx.sym.Symbol:
    x = mx.sym.Convolution(x, kernel=(3, 3), num_filter=4, pad=(1, 1), name="conv")
    x = mx.sym.Activation(mx.sym.BatchNorm(x, fix_gamma=False, name="bn"), act_type="relu")
    y = mx.sym.Convolution(x, kernel=(1, 1), num_filter=4, num_group=2, no_bias=True, name="grouped")
    x = mx.sym.Pooling(mx.sym.LeakyReLU(x + y, slope=0.1), kernel=(2, 2), stride=(2, 2), pool_type="max")
    x = mx.sym.Dropout(mx.sym.FullyConnected(mx.sym.Flatten(x), num_hidden=5, name="fc"))
    return mx.sym.SoftmaxOutput(x, name="softmax")


def decoder(x: mx.sym.Symbol) -> mx.sym.Symbol:
    x = mx.sym.Deconvolution(x, kernel=(2, 2), stride=(2, 2), num_filter=2, name="up")
    x = mx.sym.Pad(x, mode="reflect", pad_width=(0, 0, 0, 0, 1, 1, 1, 1))
    x = mx.sym.clip(mx.sym.slice_axis(x, axis=2, begin=0, end=-1), a_min=0.0, a_max=6.0)
    parts = mx.sym.SliceChannel(x, num_outputs=2, axis=1)
    x = mx.sym.Concat(mx.sym.sigmoid(parts[0]), mx.sym.UpSampling(parts[1], scale=1, sample_type="nearest"), dim=1)
    return mx.sym.mean(mx.sym.L2Normalization(x, mode="channel"), axis=(2, 3))


def shapes(x: mx.sym.Symbol) -> mx.sym.Symbol:
    x = mx.sym.transpose(mx.sym.reshape(x, shape=(0, -1, 4)), axes=(0, 2, 1))
    x = mx.sym.broadcast_mul(mx.sym.expand_dims(x, axis=1), mx.sym.ones((1, 2, 1, 1)))
    x = mx.sym.take(mx.sym.tile(x, reps=(1, 1, 1, 2)), mx.sym.Variable("places"), axis=1)
    x = mx.sym.repeat(mx.sym.stack(x, mx.sym.flip(x, axis=1), axis=0), repeats=2, axis=0)
    return mx.sym.topk(mx.sym.reshape(x, shape=(-1, 6)), k=2, axis=1, ret_typ="both")


def recurrent(x: mx.sym.Symbol) -> mx.sym.Symbol:
    x = mx.sym.RNN(x, state_size=3, num_layers=2, mode="lstm", bidirectional=True, p=0.1, name="lstm")
    x = mx.sym.batch_dot(mx.sym.swapaxes(x, dim1=0, dim2=1), mx.sym.swapaxes(x, dim1=0, dim2=1), transpose_b=True)
    return mx.sym.softmax(mx.sym.LayerNorm(x, name="ln"), axis=-1)


def words(x: mx.sym.Symbol) -> mx.sym.Symbol:
    x = mx.sym.Embedding(mx.sym.abs(x), input_dim=5, output_dim=3, name="embed")
    x = mx.sym.SequenceMask(mx.sym.sum(x, axis=2), use_sequence_length=False)
    return mx.sym.FullyConnected(mx.sym.tanh(x), num_hidden=3, flatten=False, name="out")


NETWORKS = {"convolutions": (convolutions, "images"), "decoder": (decoder, "images"), "shapes": (shapes, "images"),
            "recurrent": (recurrent, "steps"), "words": (words, "steps")}


def write(folder: pathlib.Path) -> None:
    """All seeds, the same on every run."""
    random = np.random.RandomState(5)
    for name, (network, kind) in NETWORKS.items():
        symbol = network(mx.sym.Variable("data"))
        shapes = {"places": (3,)} if name == "shapes" else {}
        arguments, _, auxiliary = symbol.infer_shape(data=SHAPES[kind], **shapes)
        params = {}
        for prefix, names, extents in (("arg", symbol.list_arguments(), arguments),
                                       ("aux", symbol.list_auxiliary_states(), auxiliary)):
            for key, extent in zip(names, extents):
                if key != "data" and not key.endswith("label"):
                    params[f"{prefix}:{key}"] = mx.nd.array(random.rand(*extent))
        json = symbol.tojson()
        (folder / f"{name}-symbol.json").write_text(json)
        binary = mx._core.save_bytes(list(params.values()), list(params))
        (folder / f"{name}.seed").write_bytes(json.encode() + b"\0" + binary)


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]))
