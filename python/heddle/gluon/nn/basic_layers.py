"""Chains of layers, linear layers, embeddings and normalisations."""
from __future__ import annotations

import warnings

from ... import ndarray, symbol
from ..block import Block, HybridBlock
from .activations import Activation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from ..._typing import DTypeLike

__all__ = ["BatchNorm", "BatchNormReLU", "Dense", "Dropout", "Embedding", "Flatten", "GroupNorm", "HybridLambda",
           "HybridSequential", "InstanceNorm", "Lambda", "LayerNorm", "Sequential"]


class _Chain(Block):
    """What both kinds of chain are."""

    _is_container = True

    def add(self, *blocks: Any) -> None:
        """Appends blocks."""
        for block in blocks:
            self.register_child(block)

    def _run_all(self, x: Any, args: tuple[Any, ...]) -> Any:
        """Each block on the output of the one before; what a list or tuple holds beside its first goes to the next as
        further arguments."""
        for block in self._children.values():
            x = block(x, *args)
            args = ()
            if isinstance(x, (tuple, list)):
                x, *rest = x
                args = tuple(rest)
        return (x, *args) if args else x

    def __repr__(self) -> str:
        inside = "\n".join(f"  ({key}): " + repr(block).replace("\n", "\n  ") for key, block in self._children.items())
        return f"{type(self).__name__}(\n{inside}\n)"

    def __getitem__(self, key: int | slice) -> Any:
        """A block by its number, or some as a chain of their own, with the same parameters."""
        found = list(self._children.values())[key]
        if not isinstance(found, list):
            return found
        chain = type(self)(prefix=self._prefix)
        with chain.name_scope():
            chain.add(*found)
        return chain

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._children.values()))


class Sequential(_Chain):
    """Blocks one after the other.

        net = nn.Sequential()
        with net.name_scope():
            net.add(nn.Dense(10, activation="relu"), nn.Dense(20))
    """

    def forward(self, x: Any, *args: Any) -> Any:
        """The last block's output."""
        return self._run_all(x, args)

    def hybridize(self, active: bool = True, **kwargs: Any) -> None:
        """Hybridizes the blocks. Warns where all are hybrid: HybridSequential would make one graph of them."""
        if self._children and all(isinstance(c, HybridBlock) for c in self._children.values()):
            warnings.warn(f"All children of this Sequential layer '{self.prefix}' are HybridBlocks. Consider using "
                          "HybridSequential for the best performance.", stacklevel=2)
        super().hybridize(active, **kwargs)


class HybridSequential(_Chain, HybridBlock):
    """Hybrid blocks one after the other.

        net = nn.HybridSequential()
        with net.name_scope():
            net.add(nn.Dense(10, activation="relu"), nn.Dense(20))
        net.hybridize()
    """

    def hybrid_forward(self, F: Any, x: Any, *args: Any) -> Any:
        return self._run_all(x, args)


def _shape_text(shape: Any) -> str:
    return f"{shape[1] if shape[1] else None} -> {shape[0]}"


class Dense(HybridBlock):
    """activation(x W^T + b): fully connected.

    x: (batch, ...) of a floating dtype, where all but the batch is one axis; (..., in_units) with flatten=False. The output
    is (batch, units), or (..., units). weight: (units, in_units); bias: (units,), none with use_bias=False. in_units: 0 is
    found out at the first forward. activation: a name for Activation, or None.
    """

    def __init__(self, units: int, activation: str | None = None, use_bias: bool = True, flatten: bool = True,
                 dtype: DTypeLike = "float32", weight_initializer: Any = None, bias_initializer: Any = "zeros",
                 in_units: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._flatten = flatten
        self._units = units
        self._in_units = in_units
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(units, in_units), init=weight_initializer, dtype=dtype,
                                          allow_deferred_init=True)
            self.bias = self.params.get("bias", shape=(units,), init=bias_initializer, dtype=dtype,
                                        allow_deferred_init=True) if use_bias else None
            self.act = None if activation is None else Activation(activation, prefix=activation + "_")

    def hybrid_forward(self, F: Any, x: Any, weight: Any, bias: Any = None) -> Any:
        if bias is None:
            out = F.FullyConnected(x, weight, no_bias=True, num_hidden=self._units, flatten=self._flatten, name="fwd")
        else:
            out = F.FullyConnected(x, weight, bias, no_bias=False, num_hidden=self._units, flatten=self._flatten, name="fwd")
        return out if self.act is None else self.act(out)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_shape_text(self.weight.shape)}, {self.act if self.act else 'linear'})"


class Dropout(HybridBlock):
    """Zeros a part `rate` of the elements in training, and divides the others by 1 - rate; else x as it is.

    axes: along these one draw holds for all. Srivastava et al., Dropout, 2014. Of any shape.
    """

    def __init__(self, rate: float, axes: Any = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._rate = rate
        self._axes = axes

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        if self._rate > 0:
            return F.Dropout(x, p=self._rate, axes=self._axes, name="fwd", cudnn_off=False)
        return F.identity(x)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p = {self._rate}, axes={self._axes})"


class _BatchNorm(HybridBlock):
    """What both batch norms are."""

    _fuse_relu = False

    def __init__(self, axis: int = 1, momentum: float = 0.9, epsilon: float = 1e-5, center: bool = True, scale: bool = True,
                 use_global_stats: bool = False, beta_initializer: Any = "zeros", gamma_initializer: Any = "ones",
                 running_mean_initializer: Any = "zeros", running_variance_initializer: Any = "ones", in_channels: int = 0,
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kwargs: dict[str, Any] = {"axis": axis, "eps": epsilon, "momentum": momentum, "fix_gamma": not scale,
                        "use_global_stats": use_global_stats}
        self._axis = axis
        self.in_channels = in_channels

        def parameter(name: str, init: Any, learned: bool | None) -> Any:
            """learned: None for moving averages, which nothing differentiates."""
            more = {"grad_req": "write" if learned else "null"} if learned is not None else {"grad_req": "null"}
            return self.params.get(name, shape=(in_channels,), init=init, allow_deferred_init=True,
                                   differentiable=bool(learned), **more)

        self.gamma = parameter("gamma", gamma_initializer, scale)
        self.beta = parameter("beta", beta_initializer, center)
        self.running_mean = parameter("running_mean", running_mean_initializer, None)
        self.running_var = parameter("running_var", running_variance_initializer, None)

    def cast(self, dtype: DTypeLike) -> None:
        """As Block's, but statistics and factors stay in float32 where the layer gets float16."""
        super().cast("float32" if str(getattr(dtype, "__name__", dtype)) == "float16" else dtype)

    def hybrid_forward(self, F: Any, x: Any, gamma: Any, beta: Any, running_mean: Any, running_var: Any) -> Any:
        if self._fuse_relu:
            return F.contrib.BatchNormWithReLU(x, gamma, beta, running_mean, running_var, name="fwd", **self._kwargs)
        return F.BatchNorm(x, gamma, beta, running_mean, running_var, name="fwd", **self._kwargs)

    def __repr__(self) -> str:
        settings = ", ".join(f"{key}={value!r}" for key, value in self._kwargs.items())
        return f"{type(self).__name__}({settings}, in_channels={self.gamma.shape[0] or None})"


class BatchNorm(_BatchNorm):
    """(x - mean) / sqrt(var + epsilon) * gamma + beta, with mean and variance of the batch along all axes but `axis` in
    training, and their moving averages else, or always with use_global_stats.

    running = running * momentum + of_batch * (1 - momentum). center, scale: whether beta and gamma are learned, or 0 and
    1. gamma, beta, running_mean and running_var are (in_channels,), found out at the first forward. Ioffe and Szegedy,
    Batch Normalization, 2015.
    """


class BatchNormReLU(_BatchNorm):
    """max(BatchNorm(x), 0), in one operator."""

    _fuse_relu = True


class Embedding(HybridBlock):
    """Rows of a table: weight[x].

    x: indices below input_dim, of any shape and dtype; the output has one axis more, of output_dim. weight: (input_dim,
    output_dim). sparse_grad: gradients are dense here, whatever it says.
    """

    def __init__(self, input_dim: int, output_dim: int, dtype: DTypeLike = "float32", weight_initializer: Any = None,
                 sparse_grad: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._input_dim = input_dim
        self._output_dim = output_dim
        self._kwargs = {"input_dim": input_dim, "output_dim": output_dim, "dtype": dtype, "sparse_grad": sparse_grad}
        self.weight = self.params.get("weight", shape=(input_dim, output_dim), init=weight_initializer, dtype=dtype,
                                      allow_deferred_init=True, grad_stype="row_sparse" if sparse_grad else "default")

    def hybrid_forward(self, F: Any, x: Any, weight: Any) -> Any:
        return F.Embedding(x, weight, name="fwd", **self._kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._input_dim} -> {self._output_dim}, {self._kwargs['dtype']})"


class Flatten(HybridBlock):
    """(batch, ...) to (batch, all the rest)."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.Flatten(x)

    def __repr__(self) -> str:
        return type(self).__name__


class _Norm(HybridBlock):
    """What layers that normalise have in common: a scale gamma and a shift beta, learned or fixed.

    extent: of both, 0 where it is found out at the first forward; settings: the rest of what repr() says.
    """

    def __init__(self, extent: int, epsilon: float, center: bool, scale: bool, beta_initializer: Any, gamma_initializer: Any,
                 settings: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kwargs = {"eps": epsilon, **settings, "center": center, "scale": scale}
        self._epsilon = epsilon
        self.gamma = self.params.get("gamma", grad_req="write" if scale else "null", shape=(extent,), init=gamma_initializer,
                                     allow_deferred_init=True)
        self.beta = self.params.get("beta", grad_req="write" if center else "null", shape=(extent,), init=beta_initializer,
                                    allow_deferred_init=True)

    def _settings(self) -> str:
        return ", ".join(f"{key}={value!r}" for key, value in self._kwargs.items())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._settings()}, in_channels={(self.gamma.shape or (0,))[0]})"


class InstanceNorm(_Norm):
    """(x - mean) / sqrt(var + epsilon) * gamma + beta, with mean and variance over all axes but the first and `axis`.

    x: (batch, ..., channels, ...), at least three axes. gamma, beta: (in_channels,). Ulyanov et al., Instance
    Normalization, 2016.
    """

    def __init__(self, axis: int = 1, epsilon: float = 1e-5, center: bool = True, scale: bool = False,
                 beta_initializer: Any = "zeros", gamma_initializer: Any = "ones", in_channels: int = 0,
                 **kwargs: Any) -> None:
        super().__init__(in_channels, epsilon, center, scale, beta_initializer, gamma_initializer, {"axis": axis}, **kwargs)
        self._axis = axis

    def hybrid_forward(self, F: Any, x: Any, gamma: Any, beta: Any) -> Any:
        if self._axis == 1:
            return F.InstanceNorm(x, gamma, beta, name="fwd", eps=self._epsilon)
        return F.InstanceNorm(x.swapaxes(1, self._axis), gamma, beta, name="fwd", eps=self._epsilon).swapaxes(1, self._axis)


class LayerNorm(_Norm):
    """(x - mean) / sqrt(var + epsilon) * gamma + beta, with mean and variance along `axis` alone.

    gamma, beta: (in_channels,), the extent of that axis. Ba et al., Layer Normalization, 2016.
    """

    def __init__(self, axis: int = -1, epsilon: float = 1e-5, center: bool = True, scale: bool = True,
                 beta_initializer: Any = "zeros", gamma_initializer: Any = "ones", in_channels: int = 0,
                 prefix: str | None = None, params: Any = None) -> None:
        super().__init__(in_channels, epsilon, center, scale, beta_initializer, gamma_initializer, {"axis": axis}, prefix=prefix,
                         params=params)
        self._axis = axis

    def hybrid_forward(self, F: Any, data: Any, gamma: Any, beta: Any) -> Any:
        return F.LayerNorm(data, gamma=gamma, beta=beta, axis=self._axis, eps=self._epsilon)


class GroupNorm(_Norm):
    """(x - mean) / sqrt(var + epsilon) * gamma + beta, with mean and variance over all axes but the first, in num_groups
    groups of channels (axis 1).

    gamma, beta: (num_groups,), as MXNet 1.x has them. Wu and He, Group Normalization, 2018.
    """

    def __init__(self, num_groups: int = 1, epsilon: float = 1e-5, center: bool = True, scale: bool = True,
                 beta_initializer: Any = "zeros", gamma_initializer: Any = "ones", prefix: str | None = None,
                 params: Any = None) -> None:
        super().__init__(num_groups, epsilon, center, scale, beta_initializer, gamma_initializer, {"num_groups": num_groups},
                         prefix=prefix, params=params)
        self._num_groups = num_groups

    def hybrid_forward(self, F: Any, data: Any, gamma: Any, beta: Any) -> Any:
        return F.GroupNorm(data, gamma=gamma, beta=beta, num_groups=self._num_groups, eps=self._epsilon)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._settings()})"


class Lambda(Block):
    """A function as a block: one of NDArrays, or the name of an operator of mx.nd."""

    def __init__(self, function: Any, prefix: str | None = None) -> None:
        super().__init__(prefix=prefix)
        if isinstance(function, str):
            if not hasattr(ndarray, function):
                raise AssertionError(f"Function name {function} is not found in ndarray.")
            self._func_name = function
            self._func_impl = getattr(ndarray, function)
        elif callable(function):
            self._func_name = getattr(function, "__name__", type(function).__name__)
            self._func_impl = function
        else:
            raise ValueError(f"Unrecognized function in lambda: {function} of type {type(function)}")

    def forward(self, *args: Any) -> Any:
        """function(*args)."""
        return self._func_impl(*args)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._func_name})"


class HybridLambda(HybridBlock):
    """A function as a hybrid block: one of F and of arrays or symbols, or the name of an operator of mx.nd and mx.sym."""

    def __init__(self, function: Any, prefix: str | None = None) -> None:
        super().__init__(prefix=prefix)
        if isinstance(function, str):
            if not hasattr(ndarray, function) or not hasattr(symbol, function):
                raise AssertionError(f"Function name {function} is not found in symbol/ndarray.")
            self._func_name = function
            self._function = None
        elif callable(function):
            self._func_name = getattr(function, "__name__", type(function).__name__)
            self._function = function
        else:
            raise ValueError(f"Unrecognized function in lambda: {function} of type {type(function)}")

    def hybrid_forward(self, F: Any, x: Any, *args: Any) -> Any:
        if self._function is None:
            return getattr(F, self._func_name)(x, *args)
        return self._function(F, x, *args)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._func_name})"
