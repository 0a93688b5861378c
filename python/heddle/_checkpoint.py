"""Checkpoints: a network and its parameters in files. Users find these functions in heddle.model."""
import logging
from collections import namedtuple

from .ndarray import load, save
from .symbol import load as load_symbol

BatchEndParam = namedtuple("BatchEndParams", ["epoch", "nbatch", "eval_metric", "locals"])


def save_checkpoint(prefix, epoch, symbol, arg_params, aux_params, remove_amp_cast=True):
    """Writes PREFIX-symbol.json and PREFIX-EPOCH.params."""
    if symbol is not None:
        symbol.save(f"{prefix}-symbol.json")
    named = {f"arg:{name}": value for name, value in arg_params.items()}
    named.update((f"aux:{name}", value) for name, value in aux_params.items())
    path = f"{prefix}-{epoch:04d}.params"
    save(path, named)
    logging.info('Saved checkpoint to "%s"', path)


def split_params(named, path):
    """(arg_params, aux_params) of a dict whose keys start with "arg:" or "aux:"."""
    parts = {"arg": {}, "aux": {}}
    for key, value in named.items():
        kind, _, name = key.partition(":")
        if kind in parts:
            parts[kind][name] = value
    if named and not any(parts.values()):
        raise ValueError(f"{path} has no names that start with arg: or aux:")
    return parts["arg"], parts["aux"]


def load_params(prefix, epoch):
    """(arg_params, aux_params) of a checkpoint."""
    path = f"{prefix}-{epoch:04d}.params"
    named = load(path)
    if not named:
        logging.warning("Params file '%s' is empty", path)
        return {}, {}
    if not isinstance(named, dict):
        raise ValueError(f"{path} holds arrays without names, expected a checkpoint")
    return split_params(named, path)


def load_checkpoint(prefix, epoch):
    """(symbol, arg_params, aux_params) of a checkpoint."""
    return (load_symbol(f"{prefix}-symbol.json"), *load_params(prefix, epoch))
