"""Optimizers and schedules go where the real MXNet's go: weights and states after twenty steps, rates of a thousand."""
import numpy as np
import pytest

import heddle as mx
from test_witness import ask
from witness import optimizers

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    seen = tmp_path_factory.mktemp("optimizers") / "seen.npz"
    ask("optimizers.py", str(seen))
    with np.load(seen) as found:
        return dict(found)


# MXNet adds the decay of the weight that it has just written. What Nesterov's momentum adds is the decay of the weight before.
READS_TOO_LATE = [case for case, (name, options, _) in optimizers.CASES.items()
                  if name == "nag" and options.get("momentum") and options.get("wd")]


@pytest.mark.parametrize("case", [case for case in optimizers.CASES if case not in READS_TOO_LATE])
def test_after_twenty_steps(case, theirs):
    name, options, dtype = optimizers.CASES[case]
    ours = optimizers.updated(mx, name, options, dtype)
    expected = [theirs[f"{case}/{i}"] for i in range(sum(key.startswith(f"{case}/") for key in theirs))]
    assert expected and [a.shape for a in ours] == [a.shape for a in expected]
    for a, b in zip(ours, expected):
        assert a.dtype == b.dtype
        near = 2e-6 if a.dtype == np.float32 else 1e-3
        np.testing.assert_allclose(a, b, rtol=near, atol=near * np.abs(b).max())


def test_decay_with_nesterov_momentum():
    rule = mx.optimizer.create("nag", learning_rate=0.1, momentum=0.9, wd=0.5, clip_gradient=0.4, rescale_grad=2)
    w, m = np.array([1.0, -2.0, 0.5], "float32"), np.zeros(3, "float32")
    weight, state, rng = mx.nd.array(w), mx.nd.array(m), np.random.RandomState(2)
    for _ in range(20):
        g = rng.uniform(-1, 1, 3).astype("float32")
        rule.update(0, weight, mx.nd.array(g), state)
        step = 0.1 * (np.clip(2 * g, -0.4, 0.4) + 0.5 * w)
        m = 0.9 * m - step
        w = w + 0.9 * m - step
    np.testing.assert_allclose(weight.asnumpy(), w, rtol=1e-5)
    np.testing.assert_allclose(state.asnumpy(), m, rtol=1e-4, atol=1e-6)


def test_rates(theirs):
    for name, found in optimizers.rates(mx).items():
        np.testing.assert_allclose(found, theirs[f"rates {name}"], rtol=1e-12, err_msg=name)
