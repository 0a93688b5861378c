"""The table of a network's layers."""
from __future__ import annotations

import math

from ..ndarray import NDArray
from ..symbol import Symbol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_ROW = "{:>20}  {:>42} {:>15}"
_WIDTH = 80


def _shapes(value: Any) -> str:
    if isinstance(value, NDArray):
        return str(value.shape)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_shapes, value)) + "]"
    return str(value)


class _Table:
    """Rows, filled in by hooks while the network runs once."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, int]] = []
        self.counted: dict[int, int] = {}  # parameters that were met, by id, and their sizes
        self.total = self.trainable = self.shared = 0

    def add(self, block: Any, inputs: Any, outputs: Any) -> None:
        """A forward hook. Symbols come by while shapes are inferred."""
        if isinstance(outputs, Symbol):
            return
        count = 0
        for p in block.params.values():
            size = math.prod(p.shape)
            count += size
            self.trainable += size if p.grad_req != "null" else 0
            if id(p) in self.counted:
                self.shared += size
            self.counted[id(p)] = size
        self.total += count
        self.rows.append((f"{type(block).__name__}-{len(self.rows)}", _shapes(outputs), count))

    def print(self) -> None:
        print("-" * _WIDTH)
        print(_ROW.format("Layer (type)", "Output Shape", "Param #"))
        print("=" * _WIDTH)
        for row in self.rows:
            print(_ROW.format(*row))
        print("=" * _WIDTH)
        print("Parameters in forward computation graph, duplicate included")
        print(f"   Total params: {self.total}")
        print(f"   Trainable params: {self.trainable}")
        print(f"   Non-trainable params: {self.total - self.trainable}")
        print(f"Shared params in forward computation graph: {self.shared}")
        print(f"Unique parameters in model: {sum(self.counted.values())}")
        print("-" * _WIDTH)


def summarize(block: Any, inputs: Sequence[Any]) -> None:
    """Runs a block once and prints a row for it and every block below, but for plain chains."""
    table = _Table()
    table.rows.append(("Input", _shapes(inputs[0] if len(inputs) == 1 else inputs), 0))
    handles: list[Any] = []

    def watch(b: Any) -> None:
        if not b._is_container:
            handles.append(b.register_forward_hook(table.add))

    block.apply(watch)
    try:
        block(*inputs)
    finally:
        for handle in handles:
            handle.detach()
    table.print()
