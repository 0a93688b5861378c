"""Networks made of blocks, which run line by line and compile to the same graph."""
from . import loss, nn, rnn, utils
from .block import Block, HybridBlock, SymbolBlock
from .parameter import Constant, DeferredInitializationError, Parameter, ParameterDict, tensor_types
from .trainer import Trainer

__all__ = ["Block", "Constant", "DeferredInitializationError", "HybridBlock", "loss", "nn", "Parameter", "ParameterDict",
           "rnn", "SymbolBlock", "tensor_types", "Trainer", "utils"]
