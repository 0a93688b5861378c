"""What an Estimator does with one batch."""
from __future__ import annotations

from .... import autograd
from ...utils import split_and_load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ....context import Context

__all__ = ["BatchProcessor"]


class BatchProcessor:
    """Runs the network on a batch: subclass it for batches of another form, or for losses of another kind.

    A batch is (data, label), split over the estimator's contexts. Both methods return lists of data, labels, predictions and
    losses, one of each per context.
    """

    def _get_data_and_label(self, batch: Any, ctx: list[Context], batch_axis: int = 0) -> tuple[list[Any], list[Any]]:
        return split_and_load(batch[0], ctx, batch_axis), split_and_load(batch[1], ctx, batch_axis)

    def evaluate_batch(self, estimator: Any, val_batch: Any, batch_axis: int = 0) -> tuple[Any, Any, Any, Any]:
        """Predictions and losses of a batch, in prediction mode."""
        data, label = self._get_data_and_label(val_batch, estimator.context, batch_axis)
        pred = [estimator.val_net(x) for x in data]
        return data, label, pred, [estimator.val_loss(p, y) for p, y in zip(pred, label)]

    def fit_batch(self, estimator: Any, train_batch: Any, batch_axis: int = 0) -> tuple[Any, Any, Any, Any]:
        """The same, recorded, and the gradients: who updates is another handler."""
        data, label = self._get_data_and_label(train_batch, estimator.context, batch_axis)
        with autograd.record():
            pred = [estimator.net(x) for x in data]
            loss = [estimator.loss(p, y) for p, y in zip(pred, label)]
        autograd.backward(loss)
        return data, label, pred, loss
