"""Modules in a row: the outputs of one are the data of the next."""
import logging

from ..initializer import Uniform
from ..io import DataBatch, DataDesc
from .base_module import BaseModule


class SequentialModule(BaseModule):
    """A chain. add(module, take_labels=True) shows a module the labels; auto_wiring renames its data."""

    META_TAKE_LABELS = "take_labels"
    META_AUTO_WIRING = "auto_wiring"

    def __init__(self, logger=logging):
        super().__init__(logger)
        self._modules = []
        self._metas = []
        self._label_shapes = None

    def add(self, module, **kwargs):
        """One more at the end; returns self, so that calls can be chained."""
        for key in kwargs:
            if key not in (self.META_TAKE_LABELS, self.META_AUTO_WIRING):
                raise ValueError(f'Unknown meta "{key}", a typo?')
        self._modules.append(module)
        self._metas.append(kwargs)
        self.binded = self.params_initialized = self.optimizer_initialized = False
        return self

    @property
    def data_names(self):
        return self._modules[0].data_names if self._modules else []

    @property
    def output_names(self):
        return self._modules[-1].output_names if self._modules else []

    @property
    def data_shapes(self):
        self._need("bind")
        return self._modules[0].data_shapes

    @property
    def label_shapes(self):
        self._need("bind")
        return self._label_shapes

    @property
    def output_shapes(self):
        self._need("bind")
        return self._modules[-1].output_shapes

    def get_params(self):
        self._need("bind", "init_params")
        arg_params, aux_params = {}, {}
        for module in self._modules:
            arg, aux = module.get_params()
            arg_params.update(arg)
            aux_params.update(aux)
        return arg_params, aux_params

    def init_params(self, initializer=Uniform(0.01), arg_params=None, aux_params=None, allow_missing=False,
                    force_init=False, allow_extra=False):
        if self.params_initialized and not force_init:
            return
        self._need("bind")
        owners = {}
        for at, module in enumerate(self._modules):
            module.init_params(initializer, arg_params, aux_params, allow_missing, force_init, allow_extra=True)
            for name in (n for part in module.get_params() for n in part):
                if name in owners:
                    raise ValueError(f'Duplicated parameter names: name "{name}" in layer {at} '
                                     f"({type(module).__name__}) is already used in layer {owners[name]}")
                owners[name] = at
        self.params_initialized = True

    def bind(self, data_shapes, label_shapes=None, for_training=True, inputs_need_grad=False, force_rebind=False,
             shared_module=None, grad_req="write"):
        """Binds the modules in order."""
        if self.binded and not force_rebind:
            self.logger.warning("Already bound, ignoring bind()")
            return
        if shared_module is not None:
            raise ValueError("Shared module is not supported")
        if not self._modules:
            raise RuntimeError("Attempting to bind an empty SequentialModule")
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        self._label_shapes = None
        shapes = data_shapes
        for at, (module, meta) in enumerate(zip(self._modules, self._metas)):
            labels = None
            if meta.get(self.META_TAKE_LABELS):
                labels = self._label_shapes = label_shapes
            if meta.get(self.META_AUTO_WIRING):
                shapes = [DataDesc(name, d[1]) for name, d in zip(module.data_names, shapes)]
            module.bind(shapes, labels, for_training, bool(inputs_need_grad or for_training and at > 0),
                        force_rebind, grad_req=grad_req)
            shapes = module.output_shapes
        self.binded = True

    def init_optimizer(self, kvstore="local", optimizer="sgd", optimizer_params=(("learning_rate", 0.01),),
                       force_init=False):
        self._need("bind", "init_params")
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring.")
            return
        for module in self._modules:
            module.init_optimizer(kvstore, optimizer, optimizer_params, force_init)
        self.optimizer_initialized = True

    def forward(self, data_batch, is_train=None):
        """Runs the modules in order."""
        self._need("bind", "init_params")
        batch = data_batch
        for module in self._modules:
            module.forward(batch, is_train)
            if module is self._modules[-1]:
                break
            outputs = module.get_outputs()
            descriptions = [DataDesc(name, out.shape) for (name, _), out in zip(module.output_shapes, outputs)]
            batch = DataBatch(outputs, data_batch.label, data_batch.pad, data_batch.index,
                              data_batch.bucket_key, descriptions, data_batch.provide_label)

    def backward(self, out_grads=None):
        """Runs the modules backward, from the last to the first."""
        self._need("bind", "init_params")
        for module in reversed(self._modules):
            module.backward(out_grads)
            if module is not self._modules[0]:
                out_grads = module.get_input_grads()

    def update(self):
        """Changes the parameters of all modules."""
        self._need("bind", "init_params", "init_optimizer")
        for module in self._modules:
            module.update()

    def get_outputs(self, merge_multi_context=True):
        """The outputs of the last module."""
        self._need("bind", "init_params")
        return self._modules[-1].get_outputs(merge_multi_context)

    def get_input_grads(self, merge_multi_context=True):
        """The gradients of the first module's data."""
        self._need("bind", "init_params")
        return self._modules[0].get_input_grads(merge_multi_context)

    def update_metric(self, eval_metric, labels, pre_sliced=False):
        """Shows the outputs of the modules that take labels to a metric."""
        self._need("bind", "init_params")
        for module, meta in zip(self._modules, self._metas):
            if meta.get(self.META_TAKE_LABELS):
                module.update_metric(eval_metric, labels, pre_sliced)

    def install_monitor(self, mon):
        """Lets a Monitor watch all modules."""
        self._need("bind")
        for module in self._modules:
            module.install_monitor(mon)
