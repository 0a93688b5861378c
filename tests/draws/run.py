"""Runs a draw in heddle or in the real MXNet, and writes it as a script.

`mx` is the package. An answer has two parts, "eager" and "bound", each a dictionary: out<i>, mut<i> (what input i
became) and grad<i>, which are arrays, and "raises" or "backward" where the call or its gradient raised.
"""
import contextlib
import dataclasses

import numpy as np

from ops.apply import as_list, operator


@dataclasses.dataclass
class Draw:
    """A call of an operator. Everything is text or plain Python, so that it can be sent and printed."""

    op: str
    seed: int
    names: list                # the operator's names, of which MXNet knows one
    params: dict
    inputs: list               # expressions of NumPy, see value_of()
    arguments: list            # their names
    roles: list                # "read", "mutate" or "aux", of each input
    reqs: list                 # "write", "add" or "null", of each input
    training: bool = False
    shapes_only: bool = False  # random numbers: the two agree on shapes and dtypes alone
    bindable: bool = True
    by_name: bool = False      # inputs are given by name: MXNet's functions count optional ones otherwise
    out: list = dataclasses.field(default_factory=list)  # the inputs that the call writes over, by out=
    dtype: str = "float32"
    scale: float = 1.0         # of the tolerance
    empty: bool = False        # some extent is zero, which MXNet allows under np_shape only

    @property
    def id(self):
        return f"{self.op}:{self.seed}"

    def arrays(self):
        return [value_of(text) for text in self.inputs]

    def shapes(self):
        return [a.shape for a in self.arrays()]


SCOPE = {"np": np, "rng": np.random.default_rng, "nan": np.nan, "inf": np.inf}


def value_of(text):
    return np.asarray(eval(text, dict(SCOPE)))


def head(number, output):
    """The gradient of an output: the same for both packages."""
    shape = tuple(output.shape)
    return np.random.default_rng(number).uniform(0.5, 1.5, shape).astype(output.dtype)


def to_nd(mx, array):
    return mx.nd.array(array, dtype=array.dtype)


def said(error):
    """An error in a line: what was thrown last, without C++'s stack."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Traceback", "File ", "[bt]", "Stack trace"))]
    text = next((line for line in told if "Error:" in line), told[0] if told else "")
    text = text.split("Error: ", 1)[-1] if text.startswith(("MXNetError", "[")) else text
    return f"{type(error).__name__}: {text[:300]}"


def function_of(package, draw):
    for name in draw.names:
        found = operator(package, name)
        if found:
            return found
    return None


def call(function, draw, inputs, **more):
    if draw.by_name:
        return function(**dict(zip(draw.arguments, inputs)), **draw.params, **more)
    return function(*inputs, **draw.params, **more)


def run_eager(mx, draw, arrays):
    ins = [to_nd(mx, a) for a in arrays]
    wrt = [i for i, req in enumerate(draw.reqs) if req != "null"]
    for i in wrt:
        ins[i].attach_grad(grad_req=draw.reqs[i])
        if draw.reqs[i] == "add":
            ins[i].grad[:] = 1
    mode = mx.autograd.record if wrt else mx.autograd.train_mode if draw.training else mx.autograd.predict_mode
    found = {}
    try:
        with mode(train_mode=draw.training) if wrt else mode():
            more = {"out": [ins[i] for i in draw.out]} if draw.out else {}
            outs = as_list(call(function_of(mx.nd, draw), draw, ins, **more))
        outs = [o for o in outs if o is not None]
        found |= {f"out{i}": o.asnumpy() for i, o in enumerate(outs)}
        found |= {f"mut{i}": ins[i].asnumpy() for i, role in enumerate(draw.roles) if role != "read"}
    except Exception as error:  # what it raises is the answer
        return {"raises": said(error)}
    if wrt:
        try:
            mx.autograd.backward(outs, [to_nd(mx, head(i, found[f"out{i}"])) for i in range(len(outs))],
                                 train_mode=draw.training)
            found |= {f"grad{i}": ins[i].grad.asnumpy() for i in wrt}
            found |= {f"mut{i}": ins[i].asnumpy() for i, role in enumerate(draw.roles) if role != "read"}
        except Exception as error:
            found["backward"] = said(error)
    return found


def bind(mx, symbol, draw, arrays):
    """An executor that holds the arrays; of shapes alone, an extent of zero would be an unknown one."""
    reqs = dict(zip(arrays, draw.reqs))
    if draw.empty:
        states = set(symbol.list_auxiliary_states())
        held = {n: to_nd(mx, a) for n, a in arrays.items()}
        return symbol.bind(mx.cpu(), {n: a for n, a in held.items() if n not in states}, grad_req=reqs,
                           args_grad={n: mx.nd.zeros(a.shape, dtype=a.dtype) for n, a in arrays.items()
                                      if reqs[n] != "null" and n not in states},
                           aux_states={n: a for n, a in held.items() if n in states})
    executor = symbol.simple_bind(mx.cpu(), grad_req=reqs or "null", type_dict={n: a.dtype for n, a in arrays.items()},
                                  **{n: a.shape for n, a in arrays.items()})
    held = {**executor.arg_dict, **executor.aux_dict}
    for name, array in arrays.items():
        if held[name].shape != array.shape:
            raise ValueError(f"bound {name} with shape {held[name].shape} for {array.shape}")
        held[name][:] = to_nd(mx, array)
    return executor


def run_bound(mx, draw, arrays):
    names = [f"in{i}" for i in range(len(arrays))]
    wrt = [i for i, req in enumerate(draw.reqs) if req != "null"]
    found = {}
    try:
        symbol = call(function_of(mx.sym, draw), draw, [mx.sym.Variable(n) for n in names], name="op")
        executor = bind(mx, symbol, draw, dict(zip(names, arrays)))
        held = {**executor.arg_dict, **executor.aux_dict}
        for i in wrt:
            if draw.reqs[i] == "add":
                executor.grad_dict[names[i]][:] = 1
        executor.forward(is_train=draw.training)
        found |= {f"out{i}": o.asnumpy() for i, o in enumerate(executor.outputs)}
        found |= {f"mut{i}": held[n].asnumpy() for i, (n, role) in enumerate(zip(names, draw.roles)) if role != "read"}
    except Exception as error:
        return {"raises": said(error)}
    if wrt:
        try:
            executor.backward([to_nd(mx, head(i, o)) for i, o in enumerate(executor.outputs)])
            found |= {f"grad{i}": executor.grad_dict[names[i]].asnumpy() for i in wrt
                      if executor.grad_dict[names[i]] is not None}
            found |= {f"mut{i}": held[n].asnumpy() for i, (n, role) in enumerate(zip(names, draw.roles)) if role != "read"}
        except Exception as error:
            found["backward"] = said(error)
    return found


def run(mx, draw):
    """The answer of a package: {"eager": ..., "bound": ...}, or {} where it has no such operator."""
    if function_of(mx.nd, draw) is None:
        return {}
    arrays = draw.arrays()
    extents = getattr(mx.util, "np_shape", None) if draw.empty else None
    answer = {}
    for way, runner in (("eager", run_eager), ("bound", run_bound)):
        if way == "bound" and not draw.bindable:
            continue
        mx.random.seed(11)
        with extents(True) if extents else contextlib.nullcontext():
            try:
                answer[way] = runner(mx, draw, arrays)
                mx.nd.waitall()
            except Exception as error:
                answer[way] = {"raises": said(error)}
    return answer


def script(draw):
    """The draw as a program: `python FILE heddle` beside MXNet's `python FILE mxnet`."""
    wrt = [i for i, req in enumerate(draw.reqs) if req != "null"]
    name = next((n for n in draw.names if not n.startswith("_")), draw.names[0])
    call = f"mx.nd.{name}"
    for room in ("contrib", "linalg", "image"):
        if name.startswith(f"_{room}_"):
            call = f"mx.nd.{room}.{name[len(room) + 2:]}"
    if call == f"mx.nd.{name}" and name.startswith("_"):
        call = f"mx.nd._internal.{name}"
    given = "".join(f", {k}={v!r}" for k, v in draw.params.items())
    lines = ["import sys, numpy as np", "from numpy import nan, inf", "rng = np.random.default_rng",
             "mx = __import__(sys.argv[1])"]
    if draw.empty:
        lines.append("if sys.argv[1] == 'mxnet': mx.util.set_np_shape(True)")
    lines += [f"a{i} = {text}" for i, text in enumerate(draw.inputs)]
    ins = [f"x{i}" for i in range(len(draw.inputs))]
    lines += [f"x{i} = mx.nd.array(a{i}, dtype=a{i}.dtype)" for i in range(len(draw.inputs))]
    for i in wrt:
        lines.append(f"x{i}.attach_grad({'grad_req=' + repr('add') if draw.reqs[i] == 'add' else ''})"
                     + (f"; x{i}.grad[:] = 1" if draw.reqs[i] == "add" else ""))
    scope = f"mx.autograd.record(train_mode={draw.training})" if wrt else \
        f"mx.autograd.{'train' if draw.training else 'predict'}_mode()"
    if draw.by_name:
        ins = [f"{name}={x}" for name, x in zip(draw.arguments, ins)]
    given += f", out=[{', '.join(f'x{i}' for i in draw.out)}]" if draw.out else ""
    arguments = (", ".join(ins) + given).removeprefix(", ")
    lines += [f"with {scope}:", f"    y = {call}({arguments})",
              "y = y if isinstance(y, (list, tuple)) else [y]",
              "print(*[(v.shape, v.dtype, v.asnumpy()) for v in y])"]
    if wrt:
        lines += ["mx.autograd.backward(y, [mx.nd.array(rng(i).uniform(0.5, 1.5, v.shape).astype(v.dtype), dtype=v.dtype) "
                  f"for i, v in enumerate(y)], train_mode={draw.training})",
                  "print(" + ", ".join(f"x{i}.grad.asnumpy()" for i in wrt) + ")"]
    changed = [f"x{i}.asnumpy()" for i, role in enumerate(draw.roles) if role != "read"]
    if changed:
        lines.append(f"print({', '.join(changed)})")
    return "\n".join(lines)
