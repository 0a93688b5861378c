"""Metrics in TensorBoard. Needs the Python package tensorboardX, which writes its files: pip install tensorboardX."""
from __future__ import annotations

import os
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._checkpoint import BatchEndParam


def _writer(logging_dir: str) -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise ImportError("[LogMetricsCallback] writing for TensorBoard needs the Python package tensorboardX, which is "
                          f"missing here ({error}): pip install tensorboardX") from None
    return SummaryWriter(logging_dir, flush_secs=10)


class LogMetricsCallback:
    """Writes the values of a metric to event files that TensorBoard shows. A callback for the end of batches, or of an
    evaluation: fit(batch_end_callback=..., eval_end_callback=...).

    logging_dir: the folder of the files; give training and evaluation one each to see both in one chart. prefix: comes
    before the names, divided by "-". What was written is in the file after ten seconds, and when the callback is gone or the
    program ends. Raises ImportError where the package tensorboardX is missing.
    """

    def __init__(self, logging_dir: str | os.PathLike[str], prefix: str | None = None) -> None:
        self.prefix = prefix
        self.step = 0
        self.summary_writer = _writer(os.fspath(logging_dir))
        weakref.finalize(self, self.summary_writer.close)

    def __call__(self, param: BatchEndParam) -> None:
        self.step += 1
        if param.eval_metric is None:
            return
        for name, value in param.eval_metric.get_name_value():
            self.summary_writer.add_scalar(name if self.prefix is None else f"{self.prefix}-{name}", value, self.step)
