"""What a hybrid block becomes when it is traced: a symbol, and an operator made of it."""
from __future__ import annotations

import warnings

from .. import _core
from ._structure import flatten, regroup
from .parameter import Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ..symbol import Symbol


class CachedGraph:
    """The graph of a block. It knows the block's parameters, and not the block.

    inputs: the variables that stand for the arguments, in a row. in_form, out_form: how arguments and outputs are nested.
    """

    def __init__(self, inputs: Sequence[Symbol], symbol: Symbol, in_form: Any, out_form: Any) -> None:
        self.inputs = list(inputs)
        self.symbol = symbol
        self.in_form = in_form
        self.out_form = out_form
        self._op: Any = None
        # Of each input of the symbol: its place among the arguments, or its parameter.
        self._sources: list[int | Parameter] = []

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_op": None, "_sources": []}

    def forget(self) -> None:
        """Drops plans; the symbol stays."""
        self._op = None

    def _prepare(self, name: str, params: Mapping[str, Parameter], memory_budget: Any) -> None:
        """Finds where inputs come from. Raises ValueError for one that comes from nowhere."""
        places = {i.name: at for at, i in enumerate(self.inputs)}
        wanted = self.symbol.list_inputs()
        self._sources = []
        for variable in wanted:
            source = places[variable] if variable in places else params[variable] if variable in params else None
            if source is None:
                raise ValueError(f"Unknown input to HybridBlock: {variable} is no input of {name} and no parameter of it or "
                                 "its children")
            self._sources.append(source)
        for at, i in enumerate(self.inputs):
            if i.name not in wanted:
                warnings.warn(f"The {at}-th input to HybridBlock is not used by any computation. Is this intended?",
                              stacklevel=6)
        for p in params:
            if p not in wanted:
                warnings.warn(f"Parameter {p} is not used by any computation. Is this intended?", stacklevel=6)
        self._op = _core.CachedOp(self.symbol._core, memory_budget)

    def known(self, args: Sequence[Any], attribute: str) -> dict[str, Any]:
        """An attribute of the arguments, by the names of the inputs that the symbol reads."""
        row, _ = flatten(args, "input")
        read = set(self.symbol.list_inputs())
        return {str(i.name): getattr(a, attribute) for i, a in zip(self.inputs, row) if i.name in read}

    def run_beside(self, args: tuple[Any, ...]) -> Any:
        """run() where it needs no more than a look: a graph that has run, of arrays that are not nested, with parameters
        that have one array each where the first argument is. None: run() has to see."""
        if self._op is None or self.in_form != [0] * len(args):
            return None
        out = _core.run_beside(self._op, args, self._sources)
        return out if out is None else out[0] if self.out_form == 0 else regroup(out, self.out_form)

    def run(self, block: Any, args: Sequence[Any]) -> Any:
        """The outputs for NDArrays. Raises AssertionError where they are nested in another way than when it was traced,
        DeferredInitializationError where parameters still wait for their shapes."""
        row, form = flatten(args, "input")
        if form != self.in_form:
            raise AssertionError("The argument structure of HybridBlock does not match the cached version. Stored format = "
                                 f"{self.in_form}, input format = {form}")
        if self._op is None:
            self._prepare(block.name, block.collect_params(), block._flags.get("memory_budget"))
        ctx = row[0].context
        arrays = [row[s] if isinstance(s, int) else s.data(ctx) for s in self._sources]
        if block._op_hook is None:
            out = self._op(arrays)
        else:
            out = self._op.watched(arrays, *block._op_hook)
        return out[0] if self.out_form == 0 else regroup(out, self.out_form)
