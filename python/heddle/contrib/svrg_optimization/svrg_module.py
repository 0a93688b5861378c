"""A module that trains by stochastic variance reduced gradients."""
from __future__ import annotations

import logging

from ...context import Context, cpu
from ...module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..._typing import GradReq, Groups, OneOrMore, RowIds, Shapes
    from ...io import DataBatch, DataIter
    from ...ndarray import NDArray
    from ...symbol import Symbol


class SVRGModule(Module):
    """A Module whose updates use g(w) - g(v) + G instead of the gradient g(w) of a batch (Johnson and Zhang, NIPS 2013).

    v are the weights of update_freq epochs ago at most, G is the gradient over all data at v, and g(v) that of the same
    batch at v: so the noise of the batch cancels the more, the closer w is to v, and the learning rate need not fall.
    fit() calls update_full_grads, which sets v and G, before every update_freq-th epoch; so must a loop of one's own. A
    batch costs two runs, forward and backward, and a full gradient one more pass over the data.
    """

    def __init__(self, symbol: Symbol, data_names: Sequence[str] = ("data",), label_names: Sequence[str] = ("softmax_label",),
                 logger: Any = logging, context: OneOrMore[Context] = cpu(), work_load_list: Sequence[float] | None = None,
                 fixed_param_names: Sequence[str] | None = None, state_names: Sequence[str] | None = None,
                 group2ctxs: OneOrMore[Groups] | None = None, compression_params: dict[str, Any] | None = None,
                 update_freq: int | None = None) -> None:
        if not isinstance(update_freq, int) or update_freq < 1:
            raise ValueError(f"found update_freq {update_freq!r}, expected how many epochs pass from one full gradient to the "
                             "next: an int of 1 or more")
        super().__init__(symbol, data_names, label_names, logger, context, work_load_list, fixed_param_names, state_names,
                         group2ctxs, compression_params)
        self.update_freq = update_freq
        self._mod_aux = Module(symbol, data_names, label_names, logger, context, work_load_list, fixed_param_names,
                               state_names, group2ctxs, compression_params)
        self._full_grads: list[list[NDArray | None]] | None = None  # by parameter, then by device

    # --- both modules do the same
    def bind(self, data_shapes: Shapes, label_shapes: Shapes | None = None, for_training: bool = True,
             inputs_need_grad: bool = False, force_rebind: bool = False, shared_module: Any = None,
             grad_req: GradReq = "write") -> None:
        super().bind(data_shapes, label_shapes, for_training, inputs_need_grad, force_rebind, shared_module, grad_req)
        if for_training:
            self._mod_aux.bind(data_shapes, label_shapes, for_training, inputs_need_grad, force_rebind, None, grad_req)

    def reshape(self, data_shapes: Shapes, label_shapes: Shapes | None = None) -> None:
        super().reshape(data_shapes, label_shapes)
        if self._mod_aux.binded:
            self._mod_aux.reshape(data_shapes, label_shapes)

    def forward(self, data_batch: DataBatch, is_train: bool | None = None) -> None:
        super().forward(data_batch, is_train)
        if self._full_grads is not None and (self.for_training if is_train is None else is_train):
            self._mod_aux.forward(data_batch, is_train)

    def backward(self, out_grads: OneOrMore[NDArray] | None = None) -> None:
        super().backward(out_grads)
        if self._full_grads is not None:
            self._mod_aux.backward(out_grads)

    def prepare(self, data_batch: DataBatch, sparse_row_id_fn: RowIds | None = None) -> None:
        super().prepare(data_batch, sparse_row_id_fn)
        if self._full_grads is not None:
            self._mod_aux.prepare(data_batch, sparse_row_id_fn)

    # --- the rule
    def update_full_grads(self, train_data: DataIter) -> None:
        """Keeps the weights, and computes the gradient over all of train_data at them: its mean over batches.

        The iterator is reset before and after.
        """
        arg_params, aux_params = self.get_params()
        if self._mod_aux.params_initialized:
            self._mod_aux.set_params(arg_params, aux_params)
        else:
            self._mod_aux.init_params(None, arg_params, aux_params)
        train_data.reset()
        sums: list[list[NDArray | None]] = []
        count = 0.0
        for batch in train_data:
            self._mod_aux.forward(batch, is_train=True)
            self._mod_aux.backward()
            grads = self._mod_aux._exec_group.grad_arrays
            sums = [[g if g is None else g.copy() for g in each] for each in grads] if not sums else \
                [[s if s is None else s + g for s, g in zip(*pair)] for pair in zip(sums, grads)]
            count += 1 - (batch.pad or 0) / train_data.batch_size
        if not count:
            raise ValueError("[SVRGModule] found no batch in train_data, expected one or more")
        self._full_grads = [[s if s is None else s / count for s in each] for each in sums]
        train_data.reset()

    def update(self) -> None:
        """Changes the parameters by g(w) - g(v) + G. Raises RuntimeError before update_full_grads."""
        if self._full_grads is None:
            raise RuntimeError("[SVRGModule] there is no gradient over all data yet: call update_full_grads first")
        for now, then, full in zip(self._exec_group.grad_arrays, self._mod_aux._exec_group.grad_arrays, self._full_grads):
            for g, old, mean in zip(now, then, full):
                if g is not None:
                    g -= old
                    g += mean
        super().update()

    def _fit_epoch(self, epoch: int, train_data: DataIter, *rest: Any) -> None:
        if self._full_grads is None or epoch % self.update_freq == 0:
            self.update_full_grads(train_data)
        super()._fit_epoch(epoch, train_data, *rest)
