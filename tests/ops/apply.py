"""Runs a row of the operator tests: eagerly or bound, in heddle or in the real MXNet.

`mx` is the package, `heddle` or `mxnet`; they offer the same names. Results are dictionaries of NumPy
arrays: out0 ..., mut<i> (what input i became), grad<i> (the gradient of input i).
"""
import numpy as np

# Forward differs between training and prediction, and a bound gradient needs a forward for training.
DEPENDS_ON_MODE = {"BatchNorm", "BatchNorm_v1", "_contrib_SyncBatchNorm", "_contrib_BatchNormWithReLU", "_fused_batch_norm", "Dropout",
                   "LeakyReLU", "RNN"}


def operator(package, name):
    """The function of operator `name` in mx.nd or mx.sym; None when there is none."""
    inner = getattr(package, "_internal", package)
    for prefix in ("contrib", "linalg", "random", "image", "sparse"):
        for start in (f"_{prefix}_", f"{prefix}_"):
            if name.startswith(start) and hasattr(package, prefix):
                found = getattr(getattr(package, prefix), name[len(start):], None)
                if found and not hasattr(package, name):
                    return getattr(inner, name, None) or found
    return getattr(package, name, None) or getattr(inner, name, None)


def as_list(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]



def to_nd(mx, array):
    return mx.nd.array(array, dtype=array.dtype)


def eager(mx, row, arrays, *, wrt=(), heads=None, req="write", passes=1, mutates=(), out=None,
          params=None):
    """Calls the operator line by line; `out` is the input that the output overwrites."""
    function = operator(mx.nd, row.op)
    params = row.params if params is None else params
    ins = [to_nd(mx, a) for a in arrays]
    for i in wrt:
        ins[i].attach_grad(grad_req=req)
    extra = {} if out is None else {"out": ins[out]}
    if wrt:
        for _ in range(passes):
            with mx.autograd.record(train_mode=row.training):
                outs = as_list(function(*ins, **params))
            given = [to_nd(mx, h) for h in heads] if heads is not None else None
            mx.autograd.backward(outs[:len(given)] if given else outs, given, train_mode=row.training)
    else:
        with mx.autograd.train_mode() if row.training else mx.autograd.predict_mode():
            outs = as_list(function(*ins, **params, **extra))
    mx.nd.waitall()
    found = {f"out{i}": o.asnumpy() for i, o in enumerate(outs)}
    found |= {f"mut{i}": ins[i].asnumpy() for i in mutates}
    found |= {f"grad{i}": ins[i].grad.asnumpy() for i in wrt}
    return found


def bound(mx, row, arrays, *, wrt=(), heads=None, req="write", passes=1, mutates=(), copied=False, only=None):
    """The same through a Symbol. With `copied` the operator's inputs are values of the graph, whose
    memory the plan may reuse; `only`: the output that the graph has, the others being read by nobody."""
    names = [f"in{i}" for i in range(len(arrays))]
    variables = [mx.sym.Variable(n) for n in names]
    if copied:
        variables = [operator(mx.sym, "_copy")(v) if i not in mutates else v
                     for i, v in enumerate(variables)]
    symbol = operator(mx.sym, row.op)(*variables, **row.params, name="op")
    if only is not None:
        symbol = symbol[only]
    executor = symbol.simple_bind(
        mx.cpu(), grad_req={n: req if i in wrt else "null" for i, n in enumerate(names)},
        type_dict={n: a.dtype for n, a in zip(names, arrays)},
        **{n: a.shape for n, a in zip(names, arrays)})
    held = {**executor.arg_dict, **executor.aux_dict}
    for name, array in zip(names, arrays):
        held[name][:] = to_nd(mx, array)
    with_grads = bool(wrt) and (row.training or row.op not in DEPENDS_ON_MODE)
    for _ in range(passes):
        executor.forward(is_train=row.training or with_grads)
        if with_grads:
            executor.backward([to_nd(mx, h) for h in heads] if heads is not None else None)
    mx.nd.waitall()
    found = {f"out{i}": o.asnumpy() for i, o in enumerate(executor.outputs)}
    found |= {f"mut{i}": held[names[i]].asnumpy() for i in mutates}
    if with_grads:
        found |= {f"grad{i}": executor.grad_dict[names[i]].asnumpy() for i in wrt}
    return found


def heads_for(row, outputs):
    """Head gradients for these outputs: random, and the same every time."""
    rng = np.random.default_rng(len(row.id))
    return [rng.uniform(0.5, 1.5, np.shape(o)).astype(o.dtype) for o in outputs]
