"""Networks made of blocks, which run line by line and compile to the same graph, and data for them."""
from . import contrib, data, loss, model_zoo, nn, rnn, utils
from .block import Block, HybridBlock, SymbolBlock
from .parameter import Constant, DeferredInitializationError, Parameter, ParameterDict, tensor_types
from .trainer import Trainer

__all__ = ["Block", "Constant", "contrib", "data", "DeferredInitializationError", "HybridBlock", "loss", "model_zoo", "nn",
           "Parameter", "ParameterDict", "rnn", "SymbolBlock", "tensor_types", "Trainer", "utils"]
