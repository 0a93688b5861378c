"""Checkpoints: a network and its parameters in files. Users find these functions in heddle.model."""
from __future__ import annotations

import logging
from collections import namedtuple

from .ndarray import load, save
from .symbol import load as load_symbol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .metric import EvalMetric
    from typing import Any
    from ._typing import Arrays
    from .symbol import Symbol



class BatchEndParam(namedtuple("BatchEndParams", ["epoch", "nbatch", "eval_metric", "locals"])):
    """What callbacks are told at the end of a batch: the numbers of the epoch and of the batch in it, the metric so
    far, and the local variables of the training loop."""

    __slots__ = ()
    epoch: int
    nbatch: int
    eval_metric: EvalMetric
    locals: dict[str, Any] | None



def save_checkpoint(prefix: str, epoch: int, symbol: Symbol | None, arg_params: Arrays, aux_params: Arrays,
                    remove_amp_cast: bool = True) -> None:
    """Writes PREFIX-symbol.json and PREFIX-EPOCH.params."""
    if symbol is not None:
        symbol.save(f"{prefix}-symbol.json", remove_amp_cast)
    named = {f"arg:{name}": value for name, value in arg_params.items()}
    named.update((f"aux:{name}", value) for name, value in aux_params.items())
    path = f"{prefix}-{epoch:04d}.params"
    save(path, named)
    logging.info('Saved checkpoint to "%s"', path)


def split_params(named: Arrays, path: str) -> tuple[Arrays, Arrays]:
    """(arg_params, aux_params) of a dict whose keys start with "arg:" or "aux:"."""
    parts: dict[str, Arrays] = {"arg": {}, "aux": {}}
    for key, value in named.items():
        kind, _, name = key.partition(":")
        if kind in parts:
            parts[kind][name] = value
    if named and not any(parts.values()):
        raise ValueError(f"{path} has no names that start with arg: or aux:")
    return parts["arg"], parts["aux"]


def load_params(prefix: str, epoch: int) -> tuple[Arrays, Arrays]:
    """(arg_params, aux_params) of a checkpoint."""
    path = f"{prefix}-{epoch:04d}.params"
    named = load(path)
    if not named:
        logging.warning("Params file '%s' is empty", path)
        return {}, {}
    if not isinstance(named, dict):
        raise ValueError(f"{path} holds arrays without names, expected a checkpoint")
    return split_params(named, path)


def load_checkpoint(prefix: str, epoch: int) -> tuple[Symbol, Arrays, Arrays]:
    """(symbol, arg_params, aux_params) of a checkpoint."""
    return (load_symbol(f"{prefix}-symbol.json"), *load_params(prefix, epoch))
