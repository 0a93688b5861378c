"""The helpers that tests of operators use: they pass where they should and fail where they should."""
import bz2
import gzip
import os
import struct
import zipfile

import numpy as np
import pytest

import heddle as mx
from heddle import sym, test_utils
from heddle.test_utils import (almost_equal, assert_almost_equal, assert_almost_equal_ignore_nan, assert_exception,
                               check_consistency, check_numeric_gradient, check_speed, check_symbolic_backward,
                               check_symbolic_forward, compare_optimizer, default_context, environment,
                               find_max_violation, np_reduce, rand_ndarray, rand_shape_nd, random_arrays, retry, same,
                               same_array, same_symbol_structure, set_default_context, simple_forward)


def test_comparisons():
    a = np.array([1., 2, 3], "float32")
    assert same(a, mx.nd.array(a)) and almost_equal(a, a + 1e-5) and not almost_equal(a, a + 0.1)
    assert_almost_equal(mx.nd.array(a), a * (1 + 1e-6))
    with pytest.raises(AssertionError, match=r"x and y differ in 1 of 3 elements; the largest error, at \(2,\)"):
        assert_almost_equal(a, np.array([1, 2, 4], "float32"), names=("x", "y"))
    with pytest.raises(AssertionError):
        assert_almost_equal(a, np.array([1, np.nan, 3], "float32"))
    assert_almost_equal_ignore_nan(a, np.array([1, np.nan, 3], "float32"))
    with pytest.raises(AssertionError, match="shape"):
        assert_almost_equal(np.ones((1, 2)), np.ones(2), use_broadcast=False)
    assert find_max_violation(a, a + np.array([0, 1, 0]))[0] == (1,)
    assert_exception(lambda: int("x"), ValueError)
    with pytest.raises(AssertionError, match="no ValueError"):
        assert_exception(lambda: None, ValueError)


def test_random_values():
    assert [a.shape for a in random_arrays((2,), (3, 4))] == [(2,), (3, 4)]
    x = rand_ndarray((50, 50), dtype="float64")
    assert x.dtype == "float64" and abs(x.asnumpy()).max() <= 1
    assert len(rand_shape_nd(4, 3)) == 4 and max(rand_shape_nd(4, 3)) <= 3


def test_check_numeric_gradient():
    x, y = sym.Variable("x"), sym.Variable("y")
    check_numeric_gradient(sym.tanh(x) * y + x * x, [np.random.randn(3, 2), np.random.randn(3, 2)], rtol=2e-2, atol=1e-2)
    check_numeric_gradient(sym.FullyConnected(x, num_hidden=2, name="f"),
                           {"x": np.random.randn(3, 4), "f_weight": np.random.randn(2, 4), "f_bias": np.random.randn(2)},
                           numeric_eps=1e-2, rtol=5e-2, atol=1e-2)
    check_numeric_gradient(sym.exp(x), [np.random.randn(4)], dtype=np.float64, atol=1e-5, rtol=1e-4)
    with pytest.raises(AssertionError, match="NUMERICAL_x"):  # the gradient of what is blocked is not the true one
        check_numeric_gradient(sym.BlockGrad(x) * x, [np.random.rand(3) + 1])
    with pytest.raises(ValueError, match="do not match"):
        check_numeric_gradient(x + y, {"x": np.ones(2)})


def test_check_symbolic():
    x, y = sym.Variable("x"), sym.Variable("y")
    a, b, g = (np.random.randn(2, 3).astype("float32") for _ in range(3))
    outputs = check_symbolic_forward(x * y, [a, b], [a * b])
    assert outputs[0].shape == (2, 3)
    for req in ("write", "add"):
        check_symbolic_backward(x * y, [a, b], [g], {"x": g * b, "y": g * a}, grad_req=req)
    check_symbolic_backward(x * y, {"x": a, "y": b}, g, [g * b, g * a], grad_req={"x": "write", "y": "null"})
    with pytest.raises(AssertionError, match="EXPECTED_"):
        check_symbolic_forward(x * y, [a, b], [a * b + 1])
    with pytest.raises(AssertionError, match="BACKWARD_x"):
        check_symbolic_backward(x * y, [a, b], [g], {"x": g * b + 1})


def test_check_consistency():
    net = sym.FullyConnected(sym.Variable("data"), num_hidden=3, name="fc")
    settings = [{"ctx": mx.cpu(0), "data": (2, 4), "type_dict": {"data": t}} for t in ("float64", "float32")]
    assert "grad_fc_weight" in check_consistency(net, settings)
    with pytest.raises(AssertionError):
        check_consistency([net, net * 1.1], settings)


def test_running():
    x = sym.Variable("x")
    assert simple_forward(x * 2, x=np.ones((2,), "float32")).tolist() == [2, 2]
    assert check_speed(x * 2, N=2, x=(4,)) > 0 and check_speed(x * 2, {"x": np.ones(3)}, N=2, typ="forward") > 0
    assert same_symbol_structure(sym.relu(x), sym.relu(sym.Variable("other")))
    assert not same_symbol_structure(sym.relu(x), sym.tanh(x))
    a = mx.nd.zeros((4,))
    assert same_array(a, a.reshape((2, 2)).reshape((4,))) and not same_array(a, a.copy())
    assert np_reduce(np.ones((2, 3, 4)), (0, 2), True, np.sum).shape == (1, 3, 1)
    compare_optimizer(mx.optimizer.SGD(momentum=0.5), mx.optimizer.SGD(momentum=0.5), (3,), "float32")


def test_settings(monkeypatch):
    before = default_context()
    set_default_context(mx.cpu(3))
    assert default_context() == mx.cpu(3)
    set_default_context(before)
    with environment("HEDDLE_TEST_UTILS", "1"):
        assert mx.util.getenv("HEDDLE_TEST_UTILS") == "1"
    assert mx.util.getenv("HEDDLE_TEST_UTILS") is None


def test_retry():
    tries = []

    @retry(3)
    def flaky():
        tries.append(1)
        assert len(tries) == 2

    flaky()
    assert len(tries) == 2
    with pytest.raises(ValueError):
        retry(0)


def test_tolerances():
    half, single = np.zeros(2, "float16"), mx.nd.zeros((2,))
    assert test_utils.effective_dtype(half) == np.float16 and test_utils.effective_dtype(single) == np.float32
    assert test_utils.get_tols(half, single, None, None) == (1e-2, 1e-1) and test_utils.get_etol() == 0
    assert test_utils.get_tolerance(single, None, {np.dtype("float32"): 3}) == 3
    assert test_utils.get_tolerance(single, 0.5, {}) == 0.5 and test_utils.default_numeric_eps()["float32"] == 2 ** -9
    a = np.zeros(10)
    test_utils.assert_almost_equal_with_err(a, a + (np.arange(10) == 3), etol=0.1)
    with pytest.raises(AssertionError, match="20.0000%"):
        test_utils.assert_almost_equal_with_err(a, a + (np.arange(10) > 7), etol=0.1)
    with pytest.raises(AssertionError, match="shape"):
        test_utils.checkShapes(a, a[:3])
    assert test_utils.locationError(np.eye(2), np.ones((2, 2)), (1, 0), ("x", "y")) == \
        "Location of error: (1, 0), x=0.00000000, y=1.00000000"


def test_arrays_of_known_values():
    assert test_utils.create_2d_tensor(2, 3).tolist() == [[0, 0, 0], [1, 1, 1]] and test_utils.create_vector(3).dtype == "int64"
    assert test_utils.get_identity_mat_batch(2).tolist() == [[[1, 0], [0, 1]]] * 2
    assert test_utils.assign_each(np.arange(3), lambda v: v * 2).tolist() == [0, 2, 4]
    assert test_utils.assign_each2(np.arange(2), np.arange(2), lambda v, w: v + w).tolist() == [0, 2]
    assert test_utils.collapse_sum_like(np.ones((2, 3, 4)), (3, 1)).tolist() == [[8]] * 3
    x, y = test_utils.rand_coord_2d(0, 3, 7, 8)
    assert 0 <= x < 3 and y == 7


def test_draws_and_their_distribution():
    """Tests of distributions pass for the right one, and fail for others. Chi-square's p is Q((k - 1) / 2, x / 2)."""
    rng = np.random.RandomState(3)
    buckets, probs = test_utils.gen_buckets_probs_with_ppf(lambda q: q * 2 - 1, 5)
    assert buckets[0] == (-1, -0.6) and probs == [0.2] * 5
    ps = test_utils.verify_generator(lambda n: rng.uniform(-1, 1, n), buckets, probs, 20000, nrepeat=3)
    assert len(ps) == 3
    with pytest.raises(AssertionError, match="Generator test fails"):
        test_utils.verify_generator(lambda n: rng.uniform(-1, 1, n) ** 3, buckets, probs, 20000, nrepeat=3)
    p, counts, expected = test_utils.chi_square_check(lambda n: np.repeat([1, 2, 3], [20, 30, 50]), [1, 2, 3], [0.3, 0.3, 0.4], 100)
    assert counts.tolist() == [20, 30, 50] and expected.tolist() == pytest.approx([30, 30, 40])
    assert p == pytest.approx(np.exp(-(100 / 30 + 100 / 40) / 2))  # two degrees of freedom
    one, = (test_utils.chi_square_check(lambda n: np.repeat([0, 1], [60, 40]), [0, 1], [0.5, 0.5], 100)[:1])
    assert one == pytest.approx(0.04550026)  # beyond two standard deviations
    assert test_utils.mean_check(lambda n: rng.normal(2, 3, n), 2, 3, 10000)
    assert not test_utils.mean_check(lambda n: rng.normal(2.5, 3, n), 2, 3, 10000)
    assert test_utils.var_check(lambda n: rng.normal(2, 3, n), 3, 10000)
    assert not test_utils.var_check(lambda n: rng.normal(2, 3.5, n), 3, 10000)


def test_matrices():
    m = test_utils.new_matrix_with_real_eigvals_nd((2, 5, 5))
    values = np.linalg.eigvals(m)
    assert m.shape == (2, 5, 5) and np.isrealobj(values) and abs(values).min() > 0.5
    q = test_utils.new_orthonormal_matrix_2d(4)
    np.testing.assert_allclose(q @ q.T, np.eye(4), atol=1e-12)
    s = test_utils.new_sym_matrix_with_real_eigvals_nd((3, 4, 4))
    assert (s == s.transpose(0, 2, 1)).all() and not test_utils.has_tvm_ops()


def test_standard_error_goes_nowhere(capfd):
    with test_utils.discard_stderr():
        os.write(2, b"hidden")
    os.write(2, b"shown")
    assert capfd.readouterr().err == "shown"


def write_mnist(folder, pack=gzip.compress, suffix=".gz"):
    images, labels = np.arange(3 * 784, dtype="uint8").reshape(3, 28, 28), bytes([3, 1, 2])
    os.makedirs(folder, exist_ok=True)
    for name in ("train", "t10k"):
        (folder / f"{name}-images-idx3-ubyte{suffix}").write_bytes(pack(struct.pack(">4I", 0x803, *images.shape) + images.tobytes()))
        (folder / f"{name}-labels-idx1-ubyte{suffix}").write_bytes(pack(struct.pack(">2I", 0x801, 3) + labels))
    return images


def test_mnist_from_local_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MXNET_HOME", str(tmp_path / "home"))
    images = write_mnist(tmp_path / "home" / "mnist")
    found = test_utils.get_mnist()
    assert found["train_data"].shape == (3, 1, 28, 28) and found["test_label"].tolist() == [3, 1, 2]
    np.testing.assert_allclose(found["train_data"][:, 0], images / 255, rtol=1e-6)
    train, test = test_utils.get_mnist_iterator(2, (784,))
    assert train.provide_data[0][1] == (2, 784) and next(test).label[0].tolist() == [3, 1]
    assert (tmp_path / "data" / "t10k-labels-idx1-ubyte").stat().st_size == 11
    for what in (test_utils.get_mnist_pkl, test_utils.get_cifar10):
        with pytest.raises(FileNotFoundError, match="data"):
            what()


def test_mnist_that_is_cut(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_mnist(tmp_path / "data", pack=lambda raw: raw[:-1], suffix="")
    with pytest.raises(ValueError, match="train-images-idx3-ubyte: found 2351 bytes of data, expected 2352"):
        test_utils.get_mnist()


def test_download(tmp_path):
    source = tmp_path / "there" / "a.txt"
    source.parent.mkdir()
    source.write_text("one")
    here = test_utils.download(source.as_uri(), dirname=str(tmp_path / "here"))
    assert open(here).read() == "one" and os.listdir(tmp_path / "here") == ["a.txt"]
    source.write_text("two")
    assert open(test_utils.download(source.as_uri(), here)).read() == "one"
    assert open(test_utils.download(source.as_uri(), here, overwrite=True)).read() == "two"
    with pytest.raises(OSError, match="missing.txt"):
        test_utils.download((tmp_path / "missing.txt").as_uri(), dirname=str(tmp_path / "here"), retries=0)
    assert os.listdir(tmp_path / "here") == ["a.txt"]
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        archive.writestr("in.txt", "zipped")
    test_utils.get_zip_data(str(tmp_path / "z"), (tmp_path / "d.zip").as_uri(), "d.zip")
    assert (tmp_path / "z" / "in.txt").read_text() == "zipped"
    (tmp_path / "d.bz2").write_bytes(bz2.compress(b"packed"))
    test_utils.get_bz2_data(str(tmp_path / "z"), "d", (tmp_path / "d.bz2").as_uri(), "d.bz2")
    assert (tmp_path / "z" / "d").read_bytes() == b"packed" and not (tmp_path / "z" / "d.bz2").exists()
    urls = {"net": {part: source.as_uri() for part in ("symbol", "params")}}
    assert test_utils.download_model("net", str(tmp_path / "m"), urls) == (str(tmp_path / "m" / "net"), 0)
    assert sorted(os.listdir(tmp_path / "m")) == ["net-0000.params", "net-symbol.json"]
    assert test_utils.download_model("other", meta_info=urls) == (None, 0)


def test_an_iterator_that_repeats():
    dummy = test_utils.DummyIter(mx.io.NDArrayIter(mx.nd.arange(6), batch_size=2))
    assert next(dummy) is next(dummy) and next(dummy).data[0].tolist() == [0, 1] and dummy.provide_data[0][1] == (2,)


def test_where_im2rec_is(tmp_path, monkeypatch):
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "im2rec.py").write_text("")
    monkeypatch.setenv("SOME_HOME", str(tmp_path))
    assert test_utils.get_im2rec_path("SOME_HOME") == str(tmp_path / "tools" / "im2rec.py")


def test_check_gluon_hybridize_consistency():
    class Scaled(mx.gluon.HybridBlock):
        by = 2.0  # what graphs do
        eager = 2.0

        def __init__(self, prefix=None):
            super().__init__(prefix=prefix)
            with self.name_scope():
                self.dense = mx.gluon.nn.Dense(3, weight_initializer="ones")

        def hybrid_forward(self, F, x):
            return self.dense(x) * (self.eager if F is mx.nd else self.by)

    class Wrong(Scaled):
        by = 3.0

    class WrongGradient(Scaled):
        def hybrid_forward(self, F, x):
            return super().hybrid_forward(F, x if F is mx.nd else F.BlockGrad(x))

    check = test_utils.check_gluon_hybridize_consistency
    x = mx.nd.array([[1, 2], [3, 4]])
    check(Scaled, [x], numpy_func=lambda a: 2 * a.sum(1, keepdims=True).repeat(3, 1))
    assert x.grad is None  # the caller's array is left alone
    with pytest.raises(AssertionError, match="hybridized"):
        check(Wrong, [x])
    with pytest.raises(AssertionError):
        check(WrongGradient, [x])
    check(WrongGradient, [x], test_grad=False)
    with pytest.raises(AssertionError, match="numpy_func"):
        check(Scaled, [x], numpy_func=lambda a: a.sum(1, keepdims=True).repeat(3, 1))
