"""How parameters change: optimizers, and the updater that keeps their states."""
from . import contrib, optimizer, rules
from .optimizer import Optimizer, create, register
from .rules import (DCASGD, FTML, LAMB, LARS, LBSGD, NAG, SGD, SGLD, AdaDelta, AdaGrad, Adam, Adamax, AdamW, Ftrl, Nadam,
                    RMSProp, Signum, Test, ccSGD)
from .updater import Updater, get_updater

__all__ = ["AdaDelta", "AdaGrad", "Adam", "AdamW", "Adamax", "DCASGD", "FTML", "Ftrl", "LAMB", "LARS", "LBSGD", "NAG", "Nadam",
           "Optimizer", "RMSProp", "SGD", "SGLD", "Signum", "Test", "Updater", "ccSGD", "contrib", "create", "get_updater",
           "optimizer", "register", "rules"]

# Pickles of MXNet 1.x say that all of these are in mxnet.optimizer.optimizer.
vars(optimizer).update({_name: globals()[_name] for _name in __all__ if isinstance(globals()[_name], type)})
optimizer.get_updater = get_updater  # type: ignore[attr-defined]
