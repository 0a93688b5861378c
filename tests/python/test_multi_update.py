"""Updates of several weights: half weights beside float32 ones, results over the weights, and what they refuse."""
import numpy as np
import pytest

import heddle as mx

nd, inner = mx.nd, mx.nd._internal
RNG = np.random.default_rng(2)
RATES = dict(lrs=(0.25, 0.5), wds=(0.125, 0.0625))


def tensors(count, positive=()):
    """Two groups of `count` arrays, weight and gradient such as halves can hold."""
    groups = []
    for shape in ((7, 3), (4,)):
        arrays = [RNG.uniform(1 if k in positive else -1, 2, shape).astype("float32") for k in range(count)]
        arrays[:2] = [a.astype("float16").astype("float32") for a in arrays[:2]]
        groups.append(arrays)
    return groups


def as_nd(groups, mixed):
    """Flat; when mixed, weight and gradient as halves and a float32 weight at the end of each group."""
    flat = []
    for arrays in groups:
        kept = [nd.array(a.astype("float16"), dtype="float16") for a in arrays[:2]] if mixed else map(nd.array, arrays[:2])
        flat += [*kept, *map(nd.array, arrays[2:]), *([nd.array(arrays[0])] if mixed else [])]
    return flat


TENSORS = dict(learning_rates=(0.25, 0.5), wds=(0.125, 0.0625), step_count=(3, 4), num_tensors=2)
PAIRS = {
    "multi_sgd": (nd.multi_sgd_update, nd.multi_mp_sgd_update, 2, [], dict(num_weights=2, **RATES)),
    "multi_sgd_mom": (nd.multi_sgd_mom_update, nd.multi_mp_sgd_mom_update, 3, [],
                      dict(num_weights=2, momentum=0.5, **RATES)),
    "preloaded_multi_sgd": (nd.preloaded_multi_sgd_update, nd.preloaded_multi_mp_sgd_update, 2,
                            [list(RATES["lrs"]), list(RATES["wds"])], dict(num_weights=2)),
    "preloaded_multi_sgd_mom": (nd.preloaded_multi_sgd_mom_update, nd.preloaded_multi_mp_sgd_mom_update, 3,
                                [list(RATES["lrs"]), list(RATES["wds"])], dict(num_weights=2, momentum=0.5)),
    "multi_adamw": (inner._multi_adamw_update, inner._multi_mp_adamw_update, 4, [[0.5]],
                    dict(num_weights=2, etas=(0.5, 1.0), **RATES)),
    "multi_lamb": (inner._multi_lamb_update, inner._multi_mp_lamb_update, 4, [], TENSORS),
}


@pytest.mark.parametrize("name", PAIRS)
def test_half_weights_follow_their_float32_ones(name):
    plain, mixed, count, tail, params = PAIRS[name]
    groups = tensors(count, positive=(3,))
    ours, half = as_nd(groups, False), as_nd(groups, True)
    wanted = plain(*ours, *map(nd.array, tail), **params)
    found = mixed(*half, *map(nd.array, tail), **params)
    for i in range(2):
        master = half[(i + 1) * (count + 1) - 1].asnumpy()
        assert found[i].dtype == np.float16 and master.dtype == np.float32
        np.testing.assert_allclose(master, wanted[i].asnumpy(), rtol=1e-6)
        np.testing.assert_array_equal(found[i].asnumpy(), master.astype("float16"))
        for k in range(2, count):
            np.testing.assert_allclose(half[i * (count + 1) + k].asnumpy(), ours[i * count + k].asnumpy(), rtol=1e-6)


def test_both_phases_of_lamb_are_the_update_of_many():
    groups = tensors(4, positive=(3,))
    many = inner._multi_lamb_update(*as_nd(groups, False), **TENSORS)
    for mixed in (False, True):
        flat, per = as_nd(groups, mixed), 5 if mixed else 4
        for i in range(2):
            w, g, m, v, *w32 = flat[i * per:(i + 1) * per]
            first = nd.mp_lamb_update_phase1 if mixed else nd.lamb_update_phase1
            second = nd.mp_lamb_update_phase2 if mixed else nd.lamb_update_phase2
            u = first(w, g, m, v, *w32, t=TENSORS["step_count"][i], wd=TENSORS["wds"][i])
            assert u.dtype == np.float32
            new = second(w, u, (w32 or [w])[0].norm(), u.norm(), *w32, lr=TENSORS["learning_rates"][i])
            assert new.dtype == (np.float16 if mixed else np.float32)
            np.testing.assert_allclose((w32 or [new])[0].asnumpy(), many[i].asnumpy(), rtol=1e-5)


@pytest.mark.parametrize("name", PAIRS)
def test_results_may_lie_over_the_weights(name):
    plain, _, count, tail, params = PAIRS[name]
    groups = tensors(count, positive=(3,))
    apart, over = as_nd(groups, False), as_nd(groups, False)
    wanted = plain(*apart, *map(nd.array, tail), **params)
    plain(*over, *map(nd.array, tail), out=[over[0], over[count]], **params)
    for i in range(2):
        np.testing.assert_array_equal(over[i * count].asnumpy(), wanted[i].asnumpy())


@pytest.mark.parametrize("scale", [0.0, np.nan, np.inf])
def test_adamw_leaves_everything_where_the_scale_is_not_usable(scale):
    arrays = [nd.array([v, -v]) for v in (1.0, 0.5, 0.25, 2.0)]
    before = [a.asnumpy() for a in arrays]
    inner._adamw_update(*arrays, nd.array([scale]), lr=0.5, eta=1.0, wd=0.25, out=arrays[0])
    for a, b in zip(arrays, before):
        np.testing.assert_array_equal(a.asnumpy(), b)


def test_finiteness_may_add_to_a_result():
    good, bad, flag = nd.ones((3,)), nd.array([1, np.inf]), nd.zeros((1,))
    nd.all_finite(good, init_output=False, out=flag)
    assert flag.asscalar() == 0
    nd.all_finite(good, out=flag)
    assert flag.asscalar() == 1
    nd.multi_all_finite(good, bad, num_arrays=2, init_output=False, out=flag)
    assert flag.asscalar() == 0
    assert nd.all_finite(nd.zeros((0,))).asscalar() == 1
    assert nd.multi_all_finite(nd.ones((3,)), nd.ones((3,), dtype="float16"), num_arrays=2).asscalar() == 1


def test_arrays_are_reset():
    a, b = nd.ones((3,)), nd.ones((2, 2), dtype="int32")
    nd.reset_arrays(a, b, num_arrays=2)
    assert not a.asnumpy().any() and not b.asnumpy().any()


def test_sums_of_squares_of_large_tensors_are_exact():
    x = nd.full((3_000_000,), 0.1)
    np.testing.assert_allclose(nd.multi_sum_sq(x, num_arrays=1).asscalar(), 3_000_000 * float(np.float32(0.1)) ** 2, rtol=1e-7)


@pytest.mark.parametrize("call, words", [
    (lambda a: nd.multi_sgd_update(a, a, a, a, lrs=(1,), wds=(0, 0), num_weights=2), "lrs holds 1 numbers, expected 2"),
    (lambda a: nd.multi_sgd_update(a, a, lrs=(1, 1), wds=(0, 0), num_weights=2), "found 2 inputs, expected 4"),
    (lambda a: nd.multi_sgd_update(a, nd.ones((2,)), lrs=(1,), wds=(0,), num_weights=1), "expected"),
    (lambda a: nd.all_finite(a.astype("int32")).asnumpy(), "int32"),
    (lambda a: nd.lamb_update_phase2(a, a, a, a, lr=1), "expected one number"),
])
def test_errors_say_what_was_found(call, words):
    with pytest.raises(mx.base.MXNetError, match=words):
        call(nd.ones((3,)))
