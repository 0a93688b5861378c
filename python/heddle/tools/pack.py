"""heddle pack: a trained network with weights of 8 or 16 bits, and what that does to its answers.

    heddle pack PREFIX EPOCH OUT --bits 8 [--data data=IMAGES.npy] [--labels LABELS.npy]

Reads PREFIX-symbol.json and PREFIX-EPOCH.params, and writes OUT-symbol.json and OUT-0000.params. The weights of
convolutions and linear layers become int8 with one factor for each filter, so that the largest number of each is 127
steps, or float16. What is written is an ordinary network: casts and products, which a predictor computes once, turn the
weights into float32 again.
"""
from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import cpu, model, nd, symbol
from ..base import MXNetError

__all__ = ["Packed", "pack", "Comparison", "compare", "main"]

# Operators whose second input is a weight with one filter after the other.
_WITH_FILTERS = {"Convolution", "Convolution_v1", "FullyConnected"}
_BATCH = 32  # examples of a run


@dataclasses.dataclass
class Packed:
    """A network and its parameters, with the bytes of them before and after."""

    symbol: symbol.Symbol
    arguments: dict[str, nd.NDArray]
    auxiliary: dict[str, nd.NDArray]
    bytes_before: int
    bytes_after: int


def _weights(net: symbol.Symbol) -> set[str]:
    """The variables that are read as weights with filters, and as nothing else."""
    nodes = json.loads(net.tojson())["nodes"]
    read: dict[str, set[bool]] = {}
    for node in nodes:
        for place, (source, *_) in enumerate(node["inputs"]):
            if nodes[source]["op"] == "null":
                read.setdefault(nodes[source]["name"], set()).add(node["op"] in _WITH_FILTERS and place == 1)
    return {name for name, uses in read.items() if uses == {True}}


def _steps(weight: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """int8 numbers, and the factor of each filter: weight = steps * factor to half a step."""
    axes = tuple(range(1, weight.ndim))
    largest = np.abs(weight).max(axis=axes, keepdims=True)
    factor = np.where(largest > 0, largest / 127.0, 1.0).astype("float32")
    return np.clip(np.rint(weight / factor), -127, 127).astype("int8"), factor


def pack(net: symbol.Symbol, arguments: Mapping[str, nd.NDArray], auxiliary: Mapping[str, nd.NDArray], bits: int) -> Packed:
    """The same network with weights of fewer bits.

    Parameters
    ----------
    net : Symbol
    arguments, auxiliary : dict of str to NDArray
        Its parameters, as model.load_checkpoint() gives them. Weights that are not float32 stay as they are.
    bits : int
        16: float16. 8: int8, and float32 factors in a new parameter NAME_factor of shape (filters, 1, ...).

    Raises
    ------
    MXNetError
        For other bits, and where a weight holds what is no number, or too much for float16.
    """
    if bits not in (8, 16):
        raise MXNetError(f"[pack] bits is {bits}, expected 8 or 16")
    packed = dict(arguments)
    replaced = {}
    for name in sorted(_weights(net)):
        if name not in arguments or arguments[name].dtype != np.float32 or arguments[name].size == 0:
            continue
        weight = arguments[name].asnumpy()
        if not np.isfinite(weight).all() or (bits == 16 and np.abs(weight).max() > np.finfo("float16").max):
            raise MXNetError(f"[pack] '{name}' holds numbers that {bits} bits do not: the largest is {np.abs(weight).max()}")
        narrow = symbol.var(name, shape=weight.shape, dtype="float16" if bits == 16 else "int8")
        wide = symbol.cast(narrow, dtype="float32", name=f"{name}_wide")
        if bits == 16:
            packed[name] = nd.array(weight, dtype="float16")
        else:
            steps, factor = _steps(weight)
            packed[name] = nd.array(steps, dtype="int8")
            packed[f"{name}_factor"] = nd.array(factor)
            wide = symbol.broadcast_mul(wide, symbol.var(f"{name}_factor", shape=factor.shape), name=f"{name}_unpacked")
        replaced[name] = wide
    return Packed(net(**replaced) if replaced else net, packed, dict(auxiliary), _bytes(arguments) + _bytes(auxiliary),
                  _bytes(packed) + _bytes(auxiliary))


def _bytes(arrays: Mapping[str, nd.NDArray]) -> int:
    return sum(a.size * np.dtype(a.dtype).itemsize for a in arrays.values())


@dataclasses.dataclass
class Comparison:
    """What two networks make of the same examples: of each, its first output is compared."""

    examples: int
    largest_difference: float
    same_class: float  # share of examples with the same largest output
    accuracy: tuple[float, float] | None  # of both, where labels are known

    def __str__(self) -> str:
        text = (f"{self.examples} examples: outputs differ by {self.largest_difference:.3g} at most, "
                f"{self.same_class:.2%} have the same class")
        if self.accuracy:
            before, after = self.accuracy
            text += f"; accuracy {before:.4f} before, {after:.4f} after ({after - before:+.4f})"
        return text


def _outputs(net: symbol.Symbol, arguments: Mapping[str, nd.NDArray], auxiliary: Mapping[str, nd.NDArray],
             data: Mapping[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    count = len(next(iter(data.values())))
    found = []
    for begin in range(0, count, _BATCH):
        given = {name: nd.array(values[begin:begin + _BATCH], dtype="float32") for name, values in data.items()}
        shapes: dict[str, Any] = {name: a.shape for name, a in given.items()}
        executor = net.simple_bind(cpu(), grad_req="null", **shapes)
        executor.copy_params_from(dict(arguments), dict(auxiliary), allow_extra_params=True)
        found.append(executor.forward(is_train=False, **given)[0].asnumpy())
    return np.concatenate(found)


def compare(net: symbol.Symbol, arguments: Mapping[str, nd.NDArray], auxiliary: Mapping[str, nd.NDArray], packed: Packed,
            data: Mapping[str, np.ndarray[Any, Any]], labels: np.ndarray[Any, Any] | None = None) -> Comparison:
    """Runs both networks on `data`, arrays by the names of inputs whose first axis counts examples.

    Raises MXNetError where the inputs have different numbers of examples, or none, or `labels` another one.
    """
    counts = {len(values) for values in data.values()} | ({len(labels)} if labels is not None else set())
    if len(counts) != 1 or counts == {0}:
        raise MXNetError(f"[pack] data and labels have {sorted(counts)} examples, expected one number that is not 0")
    before = _outputs(net, arguments, auxiliary, data)
    after = _outputs(packed.symbol, packed.arguments, packed.auxiliary, data)
    classes = [a.reshape(len(a), -1).argmax(axis=1) for a in (before, after)]
    accuracy = None
    if labels is not None:
        accuracy = (float((classes[0] == labels).mean()), float((classes[1] == labels).mean()))
    return Comparison(counts.pop(), float(np.abs(before - after).max()), float((classes[0] == classes[1]).mean()), accuracy)


def _named(text: str) -> tuple[str, str]:
    name, given, file = text.partition("=")
    if not (name and given and file):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected name=file.npy")
    return name, file


def main(arguments: list[str]) -> None:
    """Packs a checkpoint as the arguments ask, and prints the sizes and the change that was measured."""
    parser = argparse.ArgumentParser(prog="heddle pack", description=str(__doc__).splitlines()[0])
    parser.add_argument("prefix", help="PREFIX-symbol.json and PREFIX-EPOCH.params are read")
    parser.add_argument("epoch", type=int)
    parser.add_argument("out", help="OUT-symbol.json and OUT-0000.params are written")
    parser.add_argument("--bits", type=int, choices=(8, 16), required=True)
    parser.add_argument("--data", action="append", type=_named, default=[], metavar="NAME=FILE.npy",
                        help="examples for an input, to measure what changes; once for each input")
    parser.add_argument("--labels", metavar="FILE.npy", help="the classes of the examples, for the accuracy")
    given = parser.parse_args(arguments)
    if given.labels and not given.data:
        parser.error("--labels needs --data")
    try:
        net, weights, auxiliary = model.load_checkpoint(given.prefix, given.epoch)
        packed = pack(net, weights, auxiliary, given.bits)
        model.save_checkpoint(given.out, 0, packed.symbol, packed.arguments, packed.auxiliary)
        print(f"{packed.bytes_before} bytes of parameters before, {packed.bytes_after} after")
        if given.data:
            labels = np.load(given.labels) if given.labels else None
            print(compare(net, weights, auxiliary, packed, {name: np.load(file) for name, file in given.data}, labels))
    except (MXNetError, OSError, ValueError) as e:
        raise SystemExit(str(e)) from None
