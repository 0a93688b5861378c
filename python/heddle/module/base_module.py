"""What all modules share: fit, score and predict, over the steps that each kind of module defines."""
import logging
import time

from .. import metric as _metric
from ..initializer import Uniform
from ..io import DataDesc, NDArrayIter
from .._checkpoint import BatchEndParam
from ..ndarray import NDArray, load, op, save


def as_list(value):
    """A list of callbacks or names, given one, several or none."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def call_all(callbacks, *args):
    """Calls each of the callbacks."""
    for callback in as_list(callbacks):
        callback(*args)


def descriptions(data_shapes, label_shapes):
    """DataDescs of (name, shape) pairs."""
    data = [d if isinstance(d, DataDesc) else DataDesc(*d) for d in data_shapes]
    labels = [d if isinstance(d, DataDesc) else DataDesc(*d) for d in label_shapes or []]
    return data, labels or None


class BaseModule:
    """A network that can be bound, given parameters and an optimizer, and run on batches.

    Used in steps: bind, init_params, init_optimizer, then forward, backward and update per batch; or fit, which
    does all of them.
    """

    def __init__(self, logger=logging):
        self.logger = logger
        self.binded = False
        self.for_training = False
        self.inputs_need_grad = False
        self.params_initialized = False
        self.optimizer_initialized = False
        self._symbol = None

    @property
    def symbol(self):
        """The network."""
        return self._symbol

    def _need(self, *steps):
        for step in steps:
            done = {"bind": self.binded, "init_params": self.params_initialized,
                    "init_optimizer": self.optimizer_initialized}[step]
            if not done:
                raise RuntimeError(f"{type(self).__name__}.{step}() must be called before this")

    # --- loops
    def forward_backward(self, data_batch):
        """forward in training mode, then backward."""
        self.forward(data_batch, is_train=True)
        self.backward()

    def _run(self, data, num_batch, reset, sparse_row_id_fn=None):
        """Runs forward over an iterator; (number, batch) of each."""
        self._need("bind", "init_params")
        if reset:
            data.reset()
        for nbatch, batch in enumerate(data):
            if nbatch == num_batch:
                break
            self.prepare(batch, sparse_row_id_fn=sparse_row_id_fn)
            self.forward(batch, is_train=False)
            yield nbatch, batch

    def score(self, eval_data, eval_metric, num_batch=None, batch_end_callback=None, score_end_callback=None,
              reset=True, epoch=0, sparse_row_id_fn=None):
        """The metric over an iterator, as (name, value) pairs."""
        eval_metric = _metric.create(eval_metric)
        eval_metric.reset()
        seen = 0
        for nbatch, batch in self._run(eval_data, num_batch, reset, sparse_row_id_fn):
            self.update_metric(eval_metric, batch.label)
            call_all(batch_end_callback, BatchEndParam(epoch, nbatch, eval_metric, locals()))
            seen += 1
        call_all(score_end_callback, BatchEndParam(epoch, seen, eval_metric, locals()))
        return eval_metric.get_global_name_value()

    def _unpadded(self, batch):
        pad = batch.pad or 0
        return [out[:out.shape[0] - pad] for out in self.get_outputs()]

    def iter_predict(self, eval_data, num_batch=None, reset=True, sparse_row_id_fn=None):
        """(outputs, number, batch) for every batch, without padding."""
        for nbatch, batch in self._run(eval_data, num_batch, reset, sparse_row_id_fn):
            yield self._unpadded(batch), nbatch, batch

    def predict(self, eval_data, num_batch=None, merge_batches=True, reset=True, always_output_list=False,
                sparse_row_id_fn=None):
        """The outputs over an iterator; joined unless merge_batches is false."""
        if isinstance(eval_data, NDArray) or hasattr(eval_data, "__array__"):
            eval_data = NDArrayIter(eval_data, batch_size=len(eval_data))
        batches = []
        for _, batch in self._run(eval_data, num_batch, reset, sparse_row_id_fn):
            batches.append([out.copy() for out in self._unpadded(batch)])
        if not batches or not merge_batches:
            return batches
        if any(len(b) != len(batches[0]) for b in batches):
            raise ValueError("Cannot merge batches, as num of outputs is not the same in mini-batches. "
                             "Maybe bucketing is used?")
        outputs = [op.concat(*parts, dim=0) for parts in zip(*batches)]
        return outputs[0] if len(outputs) == 1 and not always_output_list else outputs

    def fit(self, train_data, eval_data=None, eval_metric="acc", epoch_end_callback=None,
            batch_end_callback=None, kvstore="local", optimizer="sgd",
            optimizer_params=(("learning_rate", 0.01),), eval_end_callback=None, eval_batch_end_callback=None,
            initializer=Uniform(0.01), arg_params=None, aux_params=None, allow_missing=False,
            force_rebind=False, force_init=False, begin_epoch=0, num_epoch=None, validation_metric=None,
            monitor=None, sparse_row_id_fn=None):
        """Trains from begin_epoch up to num_epoch."""
        if num_epoch is None:
            raise ValueError("please specify number of epochs: num_epoch")
        self.bind(train_data.provide_data, train_data.provide_label, for_training=True,
                  force_rebind=force_rebind)
        if monitor is not None:
            self.install_monitor(monitor)
        self.init_params(initializer, arg_params, aux_params, allow_missing, force_init)
        self.init_optimizer(kvstore, optimizer, optimizer_params)
        eval_metric = _metric.create(eval_metric)
        validation_metric = eval_metric if validation_metric is None else validation_metric

        for epoch in range(begin_epoch, num_epoch):
            start = time.time()
            eval_metric.reset()
            self._fit_epoch(epoch, train_data, eval_metric, batch_end_callback, monitor, sparse_row_id_fn)
            for name, value in eval_metric.get_global_name_value():
                self.logger.info("Epoch[%d] Train-%s=%f", epoch, name, value)
            self.logger.info("Epoch[%d] Time cost=%.3f", epoch, time.time() - start)

            arg_now, aux_now = self.get_params()
            self.set_params(arg_now, aux_now)
            for callback in as_list(epoch_end_callback):
                callback(epoch, self.symbol, arg_now, aux_now)
            if eval_data is not None:
                results = self.score(eval_data, validation_metric, score_end_callback=eval_end_callback,
                                     batch_end_callback=eval_batch_end_callback, epoch=epoch)
                for name, value in results:
                    self.logger.info("Epoch[%d] Validation-%s=%f", epoch, name, value)
            train_data.reset()

    def _fit_epoch(self, epoch, train_data, eval_metric, batch_end_callback, monitor, sparse_row_id_fn):
        """One pass over the training data. The next batch is fetched while this one is computed."""
        batches = iter(train_data)
        batch = next(batches, None)
        nbatch = 0
        while batch is not None:
            if monitor is not None:
                monitor.tic()
            self.forward_backward(batch)
            self.update()
            if isinstance(batch, list):
                self.update_metric(eval_metric, [b.label for b in batch], pre_sliced=True)
            else:
                self.update_metric(eval_metric, batch.label)
            following = next(batches, None)
            if following is not None:
                self.prepare(following, sparse_row_id_fn=sparse_row_id_fn)
            if monitor is not None:
                monitor.toc_print()
            if batch_end_callback is not None:
                call_all(batch_end_callback, BatchEndParam(epoch, nbatch, eval_metric, locals()))
            batch = following
            nbatch += 1

    # --- parameters
    def get_params(self):
        """(arg_params, aux_params): names to arrays."""
        raise NotImplementedError(f"{type(self).__name__} has no parameters")

    def init_params(self, initializer=Uniform(0.01), arg_params=None, aux_params=None, allow_missing=False,
                    force_init=False, allow_extra=False):
        """First values: from the dicts, the rest by the initializer."""
        raise NotImplementedError(f"{type(self).__name__} has no parameters")

    def set_params(self, arg_params, aux_params, allow_missing=False, force_init=True, allow_extra=False):
        """Values for the parameters."""
        self.init_params(None, arg_params, aux_params, allow_missing, force_init, allow_extra)

    def save_params(self, fname):
        """Writes the parameters to a file."""
        arg_params, aux_params = self.get_params()
        named = {f"arg:{name}": value for name, value in arg_params.items()}
        named.update((f"aux:{name}", value) for name, value in aux_params.items())
        save(fname, named)

    def load_params(self, fname):
        """Reads the parameters from a file."""
        parts = {"arg": {}, "aux": {}}
        for key, value in load(fname).items():
            kind, _, name = key.partition(":")
            if kind not in parts:
                raise ValueError(f"Invalid param file {fname}: found the name {key}")
            parts[kind][name] = value
        self.set_params(parts["arg"], parts["aux"])

    def prepare(self, data_batch, sparse_row_id_fn=None):
        """Called with the next batch before it is run."""
        if sparse_row_id_fn is not None:
            raise ValueError("sparse_row_id_fn needs row_sparse parameters, which this module does not have")

    def get_states(self, merge_multi_context=True):
        """Values of the states of recurrent networks; none here."""
        self._need("bind", "init_params")
        return []

    def set_states(self, states=None, value=None):
        """Sets the states of recurrent networks; there are none here."""
        self._need("bind", "init_params")
        if states or value:
            raise ValueError(f"{type(self).__name__} has no states")
