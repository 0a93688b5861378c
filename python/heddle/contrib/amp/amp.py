"""Automatic mixed precision: products in float16 or bfloat16, what would lose by it in float32.

Which operator is which, its record says (OpDef::precision); docs/gluon.md shows how to train and convert networks.
"""
from __future__ import annotations

import contextlib
import logging

from ... import _core, _precision
from ..._ops import Op
from ...base import dtype_name
from ...context import Context
from ...gluon import HybridBlock, SymbolBlock, Trainer
from ...module import BucketingModule
from ...ndarray import NDArray
from ...symbol import Symbol
from .loss_scaler import LossScaler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from ..._typing import DTypeLike, OneOrMore

    Names = Sequence[str] | None
    Conditions = Sequence[tuple[str, str, Sequence[str]]] | None

__all__ = ["init", "init_trainer", "scale_loss", "unscale", "convert_model", "convert_hybrid_block", "convert_symbol",
           "convert_bucketing_module", "list_lp16_ops", "list_fp32_ops", "list_lp16_fp32_ops",
           "list_conditional_fp32_ops", "list_widest_type_cast", "list_loss_output_functions",
           "list_lp16_use_fp32_params"]

_started = False
_first_scaler: LossScaler | None = None  # of the first trainer: eager loss operators go by it


# --- training
def init(target_dtype: DTypeLike = "float16", target_precision_ops: Names = None, conditional_fp32_ops: Conditions = None,
         fp32_ops: Names = None) -> None:
    """Switches mixed precision on, for good: call it before networks are made.

    From then on operators of nd get their floating inputs cast, and blocks hybridized later hold the casts in their
    graphs; parameters stay in float32. Symbols stay as they are: see convert_symbol. target_dtype: float16 or bfloat16.
    The others take the place of what list_lp16_ops, list_conditional_fp32_ops and list_fp32_ops give. Further calls
    change nothing. Raises ValueError for another dtype or an operator in two lists, MXNetError for an unknown operator.
    """
    global _started
    if _started:
        return
    _precision.use(_policy(target_dtype, target_precision_ops, fp32_ops, conditional_fp32_ops))
    _started = True
    logging.info("Using AMP")


def _stop() -> None:
    """Undoes init()."""
    global _started, _first_scaler
    _started, _first_scaler = False, None
    _precision.use(None)
    _core.set_eager_loss_scale(1.0)


def init_trainer(optimizer_or_trainer: Trainer) -> None:
    """Gives a Trainer dynamic loss scaling: scale_loss says by how much, and steps with overflow are skipped.

    On several devices the trainer updates by itself, since a store cannot skip. Raises RuntimeError before init(),
    TypeError for what is no Trainer, ValueError where its store must update.
    """
    global _first_scaler
    if not _started:
        raise RuntimeError("AMP not initialized, did you forget to call amp.init()?")
    trainer = _trainer(optimizer_or_trainer)
    if trainer._kvstore_params["update_on_kvstore"] or trainer._update_on_kvstore:
        raise ValueError("[amp] the trainer updates parameters on its kvstore, which cannot skip a step: make it with "
                         "update_on_kvstore=False")
    trainer._kvstore_params["update_on_kvstore"] = False
    if _first_scaler is None:
        _first_scaler = scaler = LossScaler(_core.set_eager_loss_scale)
        _core.set_eager_loss_scale(scaler.loss_scale)
    else:
        scaler = LossScaler()
    trainer._amp_loss_scaler = scaler
    trainer._amp_original_scale = trainer._scale


@contextlib.contextmanager
def scale_loss(loss: OneOrMore[NDArray], optimizer_or_trainer: Trainer) -> Iterator[Any]:
    """The loss, or a list of losses, times the loss scale; the trainer's next step divides gradients by it.

        with amp.scale_loss(loss, trainer) as scaled:
            autograd.backward(scaled)
        trainer.step(batch_size)

    Call it while recording. Raises RuntimeError for a trainer without init_trainer.
    """
    trainer = _trainer(optimizer_or_trainer)
    scaler = trainer._amp_loss_scaler
    if scaler is None:
        raise RuntimeError("Loss scaler is not initialized, did you forget to call amp.init_trainer()?")
    scale = scaler.loss_scale
    trainer._scale = trainer._amp_original_scale / scale
    yield loss * scale if isinstance(loss, NDArray) else [part * scale for part in loss]


def unscale(optimizer_or_trainer: Trainer) -> None:
    """Divides the gradients by the loss scale now, so that they can be read or clipped; the step no longer does."""
    trainer = _trainer(optimizer_or_trainer)
    for p in trainer._params:
        if p.grad_req != "null":
            for grad in p.list_grad():
                grad[:] = grad * trainer._scale
    trainer._scale = 1.0


def _trainer(given: Any) -> Trainer:
    if not isinstance(given, Trainer):
        raise TypeError(f"[amp] optimizer_or_trainer is a {type(given).__name__}, expected a gluon.Trainer")
    return given


# --- conversion
def convert_symbol(sym: Symbol, target_dtype: DTypeLike = "float16", target_dtype_ops: Names = None,
                   fp32_ops: Names = None, conditional_fp32_ops: Conditions = None, excluded_sym_names: Names = None,
                   data_names: Names = None, cast_optional_params: bool = False) -> Symbol:
    """The same network with amp_cast operators that give each operator its inputs in the type that suits it.

    Variables count as float32 unless they have a dtype; outputs are float32 again. excluded_sym_names: nodes that are not cast for. Variables other
    than data_names (by default: that have a dtype) are parameters, and say their dtype in the attribute __dtype__; with
    cast_optional_params, those that are only read in the narrow type are narrow themselves. The lists are as in init().
    Raises TypeError for what is no Symbol, ValueError and MXNetError as init().
    """
    if not isinstance(sym, Symbol):
        raise TypeError(f"[convert_symbol] sym is a {type(sym).__name__}, expected a Symbol")
    policy = _policy(target_dtype, target_dtype_ops, fp32_ops, conditional_fp32_ops)
    inputs = set(sym.list_inputs())
    if data_names is None:
        attributes = sym.attr_dict()
        data_names = [name for name in inputs if "__dtype__" not in attributes.get(name, {})]
    return Symbol(_core.mix_precision(sym._core, policy, set(excluded_sym_names or ()), set(), inputs - set(data_names),
                                      cast_optional_params, True))


def convert_model(sym: Symbol, arg_params: Mapping[str, NDArray], aux_params: Mapping[str, NDArray],
                  target_dtype: DTypeLike = "float16", target_dtype_ops: Names = None, fp32_ops: Names = None,
                  conditional_fp32_ops: Conditions = None, excluded_sym_names: Names = None,
                  cast_optional_params: bool = False) -> tuple[Symbol, dict[str, NDArray], dict[str, NDArray]]:
    """(symbol, arguments, auxiliary states) of a checkpoint converted as by convert_symbol, for prediction: parameters
    are cast to what the symbol says of them, and those that were given stay as they are."""
    params = {*arg_params, *aux_params}
    converted = convert_symbol(sym, target_dtype, target_dtype_ops, fp32_ops, conditional_fp32_ops, excluded_sym_names,
                               [name for name in sym.list_inputs() if name not in params], cast_optional_params)
    types = _parameter_types(converted)
    return converted, _cast(arg_params, types), _cast(aux_params, types)


def convert_hybrid_block(block: HybridBlock, target_dtype: DTypeLike = "float16", target_dtype_ops: Names = None,
                         fp32_ops: Names = None, conditional_fp32_ops: Conditions = None,
                         excluded_sym_names: Names = None, ctx: OneOrMore[Context] | None = None,
                         cast_optional_params: bool = False) -> SymbolBlock:
    """A SymbolBlock that computes what a hybridized block does, converted as by convert_symbol, for prediction.

    Its parameters are copies, on ctx (by default where the block's are). Raises TypeError for what is no HybridBlock,
    RuntimeError where it has not run hybridized.
    """
    if not isinstance(block, HybridBlock):
        raise TypeError(f"[convert_hybrid_block] block is a {type(block).__name__}, expected a HybridBlock")
    if not block._cached_graph:
        raise RuntimeError("Please first call block.hybridize() and then run forward with this block at least once before "
                           "converting it.")
    inputs, graph = block._cached_graph
    params = block.collect_params()
    converted = convert_symbol(graph, target_dtype, target_dtype_ops, fp32_ops, conditional_fp32_ops, excluded_sym_names,
                               [str(i.name) for i in inputs], cast_optional_params)
    types = _parameter_types(converted)
    made = SymbolBlock(converted, inputs)
    for name, p in made.collect_params().items():
        p.cast(types[name])
    values = _cast({name: params[name]._reduce() for name in made.collect_params()}, types)
    made.collect_params().load_dict(values, ctx=params.list_ctx() if ctx is None else ctx)
    return made


def convert_bucketing_module(bucketing_mod: BucketingModule, target_dtype: DTypeLike = "float16",
                             target_dtype_ops: Names = None, fp32_ops: Names = None,
                             conditional_fp32_ops: Conditions = None, excluded_sym_names: Names = None,
                             cast_optional_params: bool = False) -> BucketingModule:
    """A BucketingModule, to be bound, of the buckets that a module has used, converted as by convert_model.

    Raises TypeError for another module, RuntimeError for one without parameters.
    """
    if not isinstance(bucketing_mod, BucketingModule):
        raise TypeError(f"[convert_bucketing_module] bucketing_mod is a {type(bucketing_mod).__name__}, expected a BucketingModule")
    if not bucketing_mod.params_initialized:
        raise RuntimeError("[convert_bucketing_module] the module has no parameters yet: bind it and initialise them")
    given = params = bucketing_mod.get_params()
    symbols = {}
    for key, bucket in bucketing_mod._buckets.items():
        symbols[key], args, states = convert_model(bucket.symbol, *given, target_dtype, target_dtype_ops, fp32_ops,
                                                   conditional_fp32_ops, excluded_sym_names, cast_optional_params)
        params = args, states
    current = bucketing_mod._curr_module
    return BucketingModule.load_dict(symbols, None, bucketing_mod._default_bucket_key, *params, **bucketing_mod._options,
                                     data_names=current.data_names, label_names=current.label_names)


def _policy(target_dtype: DTypeLike, narrow: Names, full: Names, conditional: Conditions) -> _core.PrecisionPolicy:
    name = _narrow(target_dtype)
    lists = [("target_dtype_ops", set(narrow or ())), ("fp32_ops", set(full or ())),
             ("conditional_fp32_ops", {op for op, _, _ in conditional or ()})]
    for at, (one, ops) in enumerate(lists):
        for other, those in lists[at + 1:]:
            if ops & those:
                raise ValueError(f"[amp] Ops cannot be in two or more lists: found {sorted(ops & those)} in {one} and {other}")
    return _core.PrecisionPolicy(name, narrow, full, conditional)


def _narrow(target_dtype: DTypeLike) -> str:
    name = dtype_name(target_dtype)
    if name not in ("float16", "bfloat16"):
        raise ValueError(f"[amp] target_dtype is {name}, expected float16 or bfloat16")
    return name


def _parameter_types(converted: Symbol) -> dict[str, int]:
    return {name: int(said["__dtype__"]) for name, said in converted.attr_dict().items() if "__dtype__" in said}


def _cast(arrays: Mapping[str, NDArray], types: Mapping[str, int]) -> dict[str, NDArray]:
    return {name: value.astype(types[name]) if name in types else value for name, value in arrays.items()}


# --- what the records say
def _names(target_dtype: DTypeLike, precision: str) -> list[str]:
    """All names of the operators of that precision."""
    _narrow(target_dtype)
    return [name for operator, aliases in _core.op_names() if Op.of(operator).precision == precision
            for name in (operator, *aliases) if not name.startswith("_backward")]


def list_lp16_ops(target_dtype: DTypeLike) -> list[str]:
    """Operators whose inputs are cast to the narrow type: products with weights."""
    return _names(target_dtype, "narrow")


def list_fp32_ops(target_dtype: DTypeLike) -> list[str]:
    """Operators whose inputs are cast to float32."""
    return _names(target_dtype, "full")


def list_lp16_fp32_ops(target_dtype: DTypeLike) -> list[str]:
    """Operators that take their inputs as they come."""
    conditional = {name for name, _, _ in list_conditional_fp32_ops(target_dtype)}
    return [name for name in _names(target_dtype, "any") if name not in conditional]


def list_widest_type_cast(target_dtype: DTypeLike) -> list[str]:
    """Operators whose inputs are cast to the widest type among them."""
    return _names(target_dtype, "widest")


def list_conditional_fp32_ops(target_dtype: DTypeLike) -> list[tuple[str, str, list[str]]]:
    """(operator, parameter, values): operators whose inputs are cast to float32 where a parameter has one of the values."""
    _narrow(target_dtype)
    found: dict[tuple[str, str], list[str]] = {}
    for operator, _ in _core.op_names():
        for condition in Op.of(operator).full_when:
            found.setdefault((operator, condition["param"]), []).append(condition["value"])
    return [(operator, parameter, values) for (operator, parameter), values in found.items()]


def list_loss_output_functions(target_dtype: DTypeLike) -> list[str]:
    """Operators that are losses whatever the gradient of their output, which are scaled by their parameter grad_scale."""
    _narrow(target_dtype)
    return [operator for operator, _ in _core.op_names()
            if Op.of(operator).is_loss and "grad_scale" in Op.of(operator).param_names]


def list_lp16_use_fp32_params(target_dtype: DTypeLike) -> dict[str, list[str]] | None:
    """Operators that take narrow data beside parameters and statistics in float32: the names of those by operator, ""
    for data. None for float16, as in MXNet, where no list is needed to know them."""
    if _narrow(target_dtype) == "float16":
        return None
    keeps = (Op.of(operator) for operator, _ in _core.op_names())
    return {op.name: ["", *op.input_names[1:]] for op in keeps
            if op.precision == "any" and any(i["role"] == "aux" for i in op.inputs)}
