"""Every row of tests/ops through every claim its operator's record makes."""
import contextlib
import pathlib

import numpy as np
import pytest

import heddle as mx
from heddle import _core
from ops import custom  # noqa: F401
from ops.apply import DEPENDS_ON_MODE, as_list, bound, eager, heads_for, operator
from ops.cases import CASES

RECORDS = {record["name"]: record for record in _core.ops()}
NAMES = {name: record for record in RECORDS.values() for name in (record["name"], *record["aliases"])}
ROWS = [row for row in CASES if row.op in NAMES]
LEVELS = range(2, _core.best_isa_level() + 1)
# Operators that no call tells the type of: those who read them in a graph do.
GRAPHS_ONLY = {"_NoGradient", "_zeros_without_dtype"}
TOLERANCE = {"float64": 1e-10, "float32": 1e-5, "float16": 1e-2, "bfloat16": 4e-2}



def rows(claim=None):
    """The rows to which a claim applies: the others are not collected."""
    return pytest.mark.parametrize("row", [row for row in ROWS if claim is None or claim(row)], ids=lambda row: row.id)


every_row = rows()


# --- what a row and its record say --------------------------------------------------------------
def record_of(row):
    return NAMES[row.op]


def call_of(row, arrays):
    """The operator's inputs and outputs, for these parameters."""
    record = record_of(row)
    params = dict(row.params)
    if record["variadic"]:
        params.setdefault(record["variadic"], len(arrays))
    return _core.call_info(record["name"], params)


def inputs_of(row, arrays):
    """(name, role) of each input."""
    return call_of(row, arrays)["inputs"]


def visible_outputs(row):
    return sum(not hidden for _, hidden in call_of(row, row.arrays())["outputs"])


def mutated(row, arrays):
    return tuple(i for i, (_, role) in enumerate(inputs_of(row, arrays)) if role == "mutate")


def differentiated(row, arrays):
    """The inputs whose gradient is checked: floating ones that are neither state nor indices."""
    if row.grad is False or not record_of(row)["differentiable"]:
        return ()
    if isinstance(row.grad, tuple):
        return row.grad
    roles = [role for _, role in inputs_of(row, arrays)]
    whole = [not isinstance(given, tuple) and np.array_equal(a, np.rint(a))
             for given, a in zip(row.inputs, arrays)]
    return tuple(i for i, a in enumerate(arrays)
                 if a.dtype.kind == "f" and roles[i] == "read" and not whole[i])


def refusable(row):
    """The inputs whose gradient an operator without one must refuse."""
    arrays = row.arrays()
    roles = [role for _, role in inputs_of(row, arrays)]
    return [i for i, a in enumerate(arrays) if a.dtype.kind == "f" and roles[i] == "read"]


def smooth(row):
    """Whether finite differences can tell the gradient."""
    record = record_of(row)
    return record["differentiable"] and not record["zero_gradient"] and not record["loss"] and row.grad is not False


def compare(found, wanted, rtol, atol=None, what=""):
    for name, value in wanted.items():
        np.testing.assert_allclose(np.asarray(found[name], "float64"), np.asarray(value, "float64"),
                                   rtol=rtol, atol=rtol if atol is None else atol, err_msg=f"{what} {name}")


def same_bits(found, wanted, what):
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name].tobytes() == value.tobytes(), \
            f"{what}: {name} differs by {np.nanmax(np.abs(found[name].astype('float64') - value)):.3g}"


def run_eager(row, arrays, grads=True, **options):
    """The row's results, with gradients for fixed head gradients."""
    wrt = differentiated(row, arrays) if grads else ()
    mx.random.seed(11)
    heads = None
    if wrt and not record_of(row)["loss"]:
        plain = eager(mx, row, arrays)
        heads = heads_for(row, [plain[k] for k in sorted(plain, key=lambda k: int(k[3:]))])
        mx.random.seed(11)
    return eager(mx, row, arrays, wrt=wrt, heads=heads, mutates=mutated(row, arrays), **options)


def run_bound(row, arrays, **options):
    wrt = differentiated(row, arrays)
    mx.random.seed(11)
    heads = None
    if wrt and not record_of(row)["loss"]:
        plain = bound(mx, row, arrays)
        heads = heads_for(row, [plain[f"out{i}"] for i in range(len(plain))])
        mx.random.seed(11)
    return bound(mx, row, arrays, wrt=wrt, heads=heads, mutates=mutated(row, arrays), **options)


@contextlib.contextmanager
def kernels(library):
    _core.prefer_kernels(library)
    try:
        yield
    finally:
        _core.prefer_kernels("")


@contextlib.contextmanager
def isa(level):
    before = _core.isa_level()
    _core.set_isa_level(level)
    try:
        assert _core.isa_level() == level
        yield
    finally:
        _core.set_isa_level(before)


@contextlib.contextmanager
def threads(count):
    before = _core.threads()
    _core.set_threads(count)
    try:
        assert _core.threads() == count
        yield
    finally:
        _core.set_threads(before)


# --- the table ----------------------------------------------------------------------------------
def test_every_operator_has_a_row_and_every_row_an_operator():
    described = {NAMES[row.op]["name"] if row.op in NAMES else row.op for row in CASES}
    missing = set(RECORDS) - described - GRAPHS_ONLY
    unknown = described - set(RECORDS)
    assert not missing and not unknown, f"operators without a row: {sorted(missing)}; rows without an " \
                                        f"operator: {sorted(unknown)}"


def test_nothing_to_differentiate_is_zero_wherever_it_stands():
    x, nothing = mx.sym.var("x"), mx.sym._internal._NoGradient()
    for dtype in ("float32", "float64", "int32"):
        bound = mx.sym.Group([x + nothing, nothing]).simple_bind(mx.cpu(), x=(2, 3), type_dict={"x": dtype}, grad_req="null")
        bound.arg_dict["x"][:] = 5
        total, zero = bound.forward()
        assert total.dtype == zero.dtype == np.dtype(dtype) and np.all(total.asnumpy() == 5) and np.all(zero.asnumpy() == 0)
    with pytest.raises(mx.base.MXNetError, match=r"_NoGradient\] cannot infer"):
        mx.nd._internal._NoGradient()


def test_zeros_without_dtype_have_that_of_their_readers():
    x, zeros = mx.sym.var("x"), mx.sym._internal._zeros_without_dtype(shape=(2, 0))
    for dtype in ("float64", "int32"):
        total, zero = mx.sym.Group([x + zeros, zeros]).simple_bind(mx.cpu(), x=(2, 3), type_dict={"x": dtype}, grad_req="null").forward()
        assert total.shape == zero.shape == (2, 3) and zero.dtype == np.dtype(dtype) and np.all(zero.asnumpy() == 0)
    for dtype in ("float64", 1):
        found = mx.nd._internal._zeros_without_dtype(shape=(2, 3), dtype=dtype)
        assert found.dtype == np.float64 and np.all(found.asnumpy() == np.zeros((2, 3)))
    with pytest.raises(mx.base.MXNetError, match="dtype unknown"):
        mx.nd._internal._zeros_without_dtype(shape=(2, 3))


def test_rows_cover_the_operators_of_0_10():
    listing = pathlib.Path(__file__).parents[1] / "ops" / "names_0_10.txt"
    old = {line for line in listing.read_text().splitlines() if line and line[0] != "#"}
    described = {row.op for row in CASES}
    covered = [name for name in old if name in NAMES
               and described & {NAMES[name]["name"], *NAMES[name]["aliases"]}]
    assert len(covered) >= 120, f"{len(covered)} of {len(old)}"


def test_losses_have_a_reference_for_their_gradient():
    losses = {name for name, record in RECORDS.items() if record["loss"]}
    checked = {NAMES[row.op]["name"] for row in ROWS if row.ref_grad}
    assert losses <= checked, f"without ref_grad: {sorted(losses - checked)}"


# --- values -------------------------------------------------------------------------------------
def expect(row, arrays, found, rtol):
    wanted = row.expected([a.astype("float64") if a.dtype.kind == "f" else a for a in arrays])
    changed = mutated(row, arrays)
    outputs = len([k for k in found if k.startswith("out")])
    assert len(wanted) in (outputs, outputs + len(changed)), \
        f"the reference gives {len(wanted)} arrays, the operator {outputs} and changes {len(changed)}"
    names = [f"out{i}" for i in range(outputs)] + [f"mut{i}" for i in changed]
    for name, value in zip(names, wanted):
        shape = value.shape or (1,)  # as in MXNet, a full reduction has one element
        assert found[name].shape == shape, f"{name} has shape {found[name].shape}, expected {shape}"
    compare(found, dict(zip(names, wanted)), rtol, row.atol)


@every_row
def test_value(row):
    arrays = row.arrays()
    if record_of(row)["random"] and row.moments:
        return check_moments(row, arrays)
    mx.random.seed(11)
    found = eager(mx, row, arrays, mutates=mutated(row, arrays))
    expect(row, arrays, found, row.rtol or TOLERANCE.get(row.dtype, 0))


def check_moments(row, arrays):
    mx.random.seed(11)
    sample = eager(mx, row, arrays)["out0"].astype("float64")
    mean, variance = row.expected_moments(arrays)
    axes = tuple(range(mean.ndim, sample.ndim))
    n = np.prod([sample.shape[a] for a in axes])
    assert n >= 1000, "too few samples to tell the moments"
    centred = sample - np.expand_dims(mean, tuple(range(mean.ndim, sample.ndim)))
    fourth = np.maximum((centred ** 4).mean(axes), variance ** 2)
    assert np.all(np.abs(sample.mean(axes) - mean) <= 5 * np.sqrt(variance / n) + 1e-7)
    assert np.all(np.abs((centred ** 2).mean(axes) - variance) <= 6 * np.sqrt(fourth / n) + 1e-7)


@rows(lambda row: record_of(row)["random"])
def test_random_numbers_follow_the_seed(row):
    arrays = row.arrays()

    def draw(seed):
        mx.random.seed(seed)
        return eager(mx, row, arrays), eager(mx, row, arrays)

    first, second = draw(5)
    again, _ = draw(5)
    other, _ = draw(6)
    same_bits(again, first, "the same seed")
    if row.moments:
        assert any(np.any(first[k] != other[k]) for k in first), "another seed gives the same numbers"
        assert any(np.any(first[k] != second[k]) for k in first), "a second call repeats the first"


def has_dtype(row, dtype):
    if row.dtype != "float32" or dtype not in row.dtypes or row.moments:
        return False
    return "dtype" in row.params or any(a.dtype == dtype for a in row.arrays(dtype))


@pytest.mark.parametrize("row, dtype", [pytest.param(row, dtype, id=f"{row.id}-{dtype}") for row in ROWS
                                        for dtype in ("float16", "float64") if has_dtype(row, dtype)])
def test_other_dtypes(row, dtype):
    arrays = row.arrays(dtype)
    mx.random.seed(11)
    found = eager(mx, row, arrays, mutates=mutated(row, arrays))
    rtol = TOLERANCE[dtype] if row.rtol is None or dtype == "float16" else min(row.rtol, 1e-5)
    expect(row, arrays, found, rtol if exact_parameters(row) else max(rtol, 1e-6))


def exact_parameters(row):
    """Whether the parameters survive float32, which operators keep them in, as MXNet does."""
    given = {p["name"]: row.params.get(p["name"], p["default"]) for p in record_of(row)["params"] if p["type"] == "float"}
    return all(float(np.float32(v)) == float(v) for v in given.values())


# --- gradients ----------------------------------------------------------------------------------
def has_gradient_claim(row):
    """Whether there is a gradient to check, or one to refuse."""
    record = record_of(row)
    if not record["differentiable"]:
        return bool(refusable(row))
    return bool(row.ref_grad or record["zero_gradient"] or smooth(row) and differentiated(row, row.arrays()))


@rows(has_gradient_claim)
def test_gradient(row):
    arrays = row.arrays()
    if not record_of(row)["differentiable"]:
        return check_refuses_gradient(row, arrays)
    wrt = differentiated(row, arrays)
    if row.ref_grad:
        found = run_eager(row, arrays)
        wanted = {f"grad{i}": g for i, g in enumerate(row.expected_grads(arrays)) if g is not None}
        return compare(found, wanted, row.rtol or 1e-5)
    if record_of(row)["zero_gradient"]:
        found = run_eager(row, arrays)
        return compare(found, {f"grad{i}": 0 * arrays[i] for i in wrt}, 0)
    check_finite_differences(row, wrt)


def check_refuses_gradient(row, arrays):
    """Backward through an operator without a gradient is an error, not silence."""
    with pytest.raises(mx.base.MXNetError):
        eager(mx, row, arrays, wrt=refusable(row)[-1:])


def check_finite_differences(row, wrt, most=120):
    wide = "float64" in row.dtypes and row.dtype == "float32" or row.dtype == "float64"
    arrays = row.arrays("float64" if wide else None)
    step, rtol, atol = (1e-5, 1e-5, 1e-6) if wide else (1e-2, 2e-2, 2e-2)
    mx.random.seed(11)
    plain = eager(mx, row, arrays)
    heads = heads_for(row, [plain[f"out{i}"] for i in range(len(plain))])
    mx.random.seed(11)
    found = eager(mx, row, arrays, wrt=wrt, heads=heads)

    def total(changed):
        mx.random.seed(11)
        outs = eager(mx, row, changed)
        return sum(float((outs[f"out{i}"].astype("float64") * h).sum()) for i, h in enumerate(heads))

    rng = np.random.default_rng(3)
    for i in wrt:
        flat = np.arange(arrays[i].size)
        picked = flat if flat.size <= most else rng.choice(flat, most, replace=False)
        wanted = np.zeros(len(picked))
        for k, at in enumerate(picked):
            ends = []
            for sign in (1, -1):
                moved = [a.copy() for a in arrays]
                moved[i].reshape(-1)[at] += sign * step
                ends.append(total(moved))
            wanted[k] = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(found[f"grad{i}"].reshape(-1)[picked], wanted, rtol=rtol, atol=atol,
                                   err_msg=f"gradient of input {i}")


def composed(row):
    """Whether the record says that the gradient has a gradient, and finite differences can tell."""
    once = row.params.get("act_type") == "prelu" or row.params.get("use_length") or row.params.get("ret_typ") == "value"  # whose build() says so
    return not once and not row.ref_grad and record_of(row)["second_gradient"] and smooth(row) and "float64" in (row.dtype, *row.dtypes) \
        and bool(differentiated(row, row.arrays()))


def gradients(row, arrays, wrt, order):
    """A number made of the derivatives of this order, and its gradients: of the next order.

    Weights that are fixed tell elements apart; squares keep linear operators from having constant gradients.
    """
    ins = [mx.nd.array(a, dtype=a.dtype) for a in arrays]
    for i in wrt:
        ins[i].attach_grad()
    rng = np.random.default_rng(len(row.id))

    def weighted(values):
        return sum((v * v * mx.nd.array(rng.uniform(0.5, 1.5, v.shape), dtype=v.dtype)).sum() for v in values)

    with mx.autograd.record(train_mode=row.training):
        total = weighted(as_list(operator(mx.nd, row.op)(*ins, **row.params)))
        for _ in range(order):
            total = weighted(mx.autograd.grad([total], [ins[i] for i in wrt], create_graph=True, retain_graph=True))
    total.backward()
    return float(total.asscalar()), {i: ins[i].grad.asnumpy() for i in wrt}


@pytest.mark.parametrize("order", [1, 2])
@rows(composed)
def test_gradients_of_gradients_match_differences(row, order, most=6):
    arrays, wrt, step = row.arrays("float64"), differentiated(row, row.arrays()), 1e-5
    _, found = gradients(row, arrays, wrt, order)
    rng = np.random.default_rng(3)
    for i in wrt:
        for at in rng.choice(arrays[i].size, min(most, arrays[i].size), replace=False):
            ends = []
            for sign in (1, -1):
                moved = [a.copy() for a in arrays]
                moved[i].reshape(-1)[at] += sign * step
                ends.append(gradients(row, moved, wrt, order)[0])
            np.testing.assert_allclose(found[i].reshape(-1)[at], (ends[0] - ends[1]) / (2 * step), rtol=1e-4,
                                       atol=1e-6 * max(1, np.abs(found[i]).max()),
                                       err_msg=f"derivative {order + 1} by input {i}, element {at}")


# What they invert must not be singular.
REGULAR_ONLY = {"_linalg_potri", "_linalg_inverse", "_linalg_slogdet", "_cofactor"}


@rows(composed)
def test_the_graph_of_a_gradient_gives_what_its_kernel_gives(row):
    """Also where numbers are special."""
    wrt = differentiated(row, row.arrays())
    for special in (False,) if row.op in REGULAR_ONLY else (False, True):
        arrays = row.arrays("float64")
        if special:
            for i, (a, shift) in enumerate(zip(arrays, range(len(arrays)))):
                if row.op == "gather_nd" and i not in wrt:
                    continue  # indices have to be there
                a.reshape(-1)[:] = np.resize(np.roll([0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -1.0, 0.5], shift), a.size)
        found = []
        for create_graph in (True, False):
            ins = [mx.nd.array(a, dtype=a.dtype) for a in arrays]
            for i in wrt:
                ins[i].attach_grad()
            with mx.autograd.record(train_mode=row.training):
                outs = as_list(operator(mx.nd, row.op)(*ins, **row.params))
                found.append(mx.autograd.grad(outs, [ins[i] for i in wrt], create_graph=create_graph))
        for graph, kernel in zip(*found):
            np.testing.assert_allclose(graph.asnumpy(), kernel.asnumpy(), rtol=1e-12, atol=1e-14,
                                       err_msg="special" if special else "")


@rows(lambda row: differentiated(row, row.arrays()) and not record_of(row)["random"])
def test_adding_gradients_is_writing_twice(row):
    arrays = row.arrays()
    for run in (run_eager,) if record_of(row)["dynamic"] else (run_eager, run_bound):
        once = run(row, arrays)
        twice = run(row, arrays, req="add", passes=2)
        wanted = {k: 2 * v for k, v in once.items() if k.startswith("grad")}
        compare(twice, wanted, 1e-6, 1e-7, run.__name__)


# --- the same answer every way --------------------------------------------------------------------
@rows(visible_outputs)  # what has no output stands in no graph
def test_eager_is_bound(row):
    arrays = row.arrays()
    if record_of(row)["dynamic"]:
        with pytest.raises(mx.base.MXNetError, match="extent|shape"):
            bound(mx, row, arrays)
        return
    if row.moments:
        return same_bits(run_bound(row, arrays), run_bound(row, arrays), "the same seed")
    wanted = run_eager(row, arrays)
    rtol = TOLERANCE.get(row.dtype, 0)
    for copied in (False, True):
        found = run_bound(row, arrays, copied=copied)
        if row.op in DEPENDS_ON_MODE and not row.training:
            wanted = {k: v for k, v in wanted.items() if not k.startswith("grad")}
        assert found.keys() == wanted.keys()
        compare(found, wanted, rtol, what="inputs inside the graph" if copied else "")
        for name in wanted:
            assert found[name].dtype == wanted[name].dtype and found[name].shape == wanted[name].shape, name


@rows(lambda row: visible_outputs(row) and not record_of(row)["dynamic"])
def test_each_output_alone(row):
    """What nobody reads has no memory, whichever of the outputs it is."""
    arrays = row.arrays()
    mx.random.seed(1)
    everything = bound(mx, row, arrays)
    for i in range(len(everything) if len(everything) > 1 else 0):
        mx.random.seed(1)
        alone = bound(mx, row, arrays, only=i)
        same_bits({"out0": everything[f"out{i}"]}, {"out0": alone["out0"]}, f"output {i}")


@rows(lambda row: len({k["library"] for k in record_of(row)["kernels"]}) > 1)
def test_kernels_agree_with_the_portable_one(row):
    arrays = row.arrays()
    with kernels("portable"):
        wanted = run_eager(row, arrays)
    for library in {k["library"] for k in record_of(row)["kernels"]} - {"portable"}:
        with kernels(library):
            compare(run_eager(row, arrays), wanted, row.rtol or 1e-5, row.atol, library)


STAY_SMALL = {line for line in (pathlib.Path(__file__).parents[1] / "ops/stay_small.txt").read_text().split("\n") if line[:1] != "#"}


def enlarged(row):
    """The row's inputs with a first axis long enough to be shared between threads; as they are for those operators
    that tests/ops/stay_small.txt names, if they do not allow it."""
    arrays = row.arrays()
    wide = widened(row, arrays)
    assert wide is not None or row.op in STAY_SMALL, f"{row.op} ran on small arrays only: see tests/ops/stay_small.txt"
    return arrays if wide is None else wide


def widened(row, arrays):
    if not arrays or not arrays[0].ndim or not all(isinstance(i, tuple) for i in row.inputs[:1]):
        return None
    first = arrays[0].shape[0]
    times = -(-150_000 // max(1, arrays[0].size))
    wide = [np.concatenate([a] * times) if a.ndim and a.shape[0] == first else a for a in arrays]
    try:
        eager(mx, row, wide, mutates=mutated(row, wide))
    except mx.base.MXNetError:  # another shape rule: a parameter fixes the extent
        return None
    return wide if any(w.shape != a.shape for w, a in zip(wide, arrays)) else None


@every_row
def test_bits_do_not_depend_on_level_threads_or_run(row):
    arrays = enlarged(row)
    with threads(2):
        wanted = run_eager(row, arrays)
    for n in (1, 2, 4):
        with threads(n):
            same_bits(run_eager(row, arrays), wanted, f"{n} threads")
    with kernels("portable"):
        portable = None
        for level in LEVELS:
            with isa(level):
                found = run_eager(row, arrays)
            portable = portable or found
            same_bits(found, portable, f"level {level}")


def test_loops_run_at_the_level_that_was_set():
    x = mx.nd.ones((1000,))
    for level in LEVELS:
        with isa(level):
            mx.nd.exp(x).wait_to_read()
            assert _core.last_isa_level() == level


@rows(lambda row: visible_outputs(row) == 1 and not row.moments)
def test_output_over_an_input(row):
    """An output may be written over an input of its shape and dtype."""
    arrays = row.arrays()
    wanted = run_eager(row, arrays, grads=False)
    fits = [i for i, a in enumerate(arrays)
            if a.shape == wanted["out0"].shape and a.dtype == wanted["out0"].dtype and i not in mutated(row, arrays)]
    for i in fits:
        found = run_eager(row, arrays, grads=False, out=i)
        same_bits(found, wanted, f"written over input {i}")
