"""The store of one machine."""
import numpy as np
import pytest

import heddle as mx
from heddle import kvstore

SHAPE = (3, 2)


def made(name="local"):
    kv = mx.kv.create(name)
    kv.init(3, mx.nd.zeros(SHAPE))
    kv.init([5, 7], [mx.nd.ones(SHAPE)] * 2)
    return kv


@pytest.mark.parametrize("name", ["local", "device", "local_allreduce_cpu"])
def test_push_replaces_by_the_sum(name):
    kv, out = made(name), mx.nd.zeros(SHAPE)
    kv.push(3, mx.nd.ones(SHAPE) * 4)
    kv.pull(3, out=out)
    assert (out.asnumpy() == 4).all()
    kv.push(3, [mx.nd.ones(SHAPE, ctx=mx.cpu(i)) * i for i in range(4)])
    outs = [mx.nd.zeros(SHAPE, ctx=mx.cpu(i)) for i in range(3)]
    kv.pull(3, out=outs)
    assert all((o.asnumpy() == 6).all() for o in outs)
    kv.push([5, 7], [[mx.nd.ones(SHAPE)] * 2, [mx.nd.ones(SHAPE)] * 3])
    outs = [[mx.nd.zeros(SHAPE)], [mx.nd.zeros(SHAPE)]]
    kv.pull([5, 7], outs)
    assert [o[0].asnumpy()[0, 0] for o in outs] == [2, 3]
    assert kv.type == name and kv.rank == 0 and kv.num_workers == 1


def test_updater_and_optimizer(tmp_path):
    kv, out = made(), mx.nd.zeros(SHAPE)
    kv.set_updater(lambda key, grad, stored: stored.__iadd__(grad * 2))
    for want in (2, 4):
        kv.push(3, mx.nd.ones(SHAPE))
        kv.pull(3, out)
        assert (out.asnumpy() == want).all()
    kv = made()
    with pytest.raises(RuntimeError, match="set_optimizer"):
        kv.save_optimizer_states(str(tmp_path / "s"))
    kv.set_optimizer(mx.optimizer.SGD(learning_rate=0.5, momentum=0.5))
    kv.push(5, mx.nd.ones(SHAPE))
    kv.pull(5, out)
    np.testing.assert_allclose(out.asnumpy(), 0.5)
    kv.save_optimizer_states(str(tmp_path / "s"))
    again = made()
    again.set_optimizer(mx.optimizer.SGD(learning_rate=0.5, momentum=0.5))
    again.load_optimizer_states(str(tmp_path / "s"))
    again.push(5, mx.nd.ones(SHAPE))
    again.pull(5, out)
    np.testing.assert_allclose(out.asnumpy(), 1 - 0.75)


def test_pushpull_and_broadcast():
    kv = mx.kv.create()
    a, b = mx.nd.ones(SHAPE), mx.nd.zeros(SHAPE)
    kv.broadcast("w", a, out=[b])
    assert (b.asnumpy() == 1).all()
    kv.pushpull("w", [a, a])
    assert (a.asnumpy() == 2).all()
    kv.pushpull("w", a, out=b)
    assert (b.asnumpy() == 2).all()
    assert kv.is_capable("optimizer")


def test_errors():
    kv = made()
    with pytest.raises(ValueError, match="duplicate init of key 3"):
        kv.init(3, mx.nd.zeros(SHAPE))
    with pytest.raises(ValueError, match="inconsistent"):
        kv.init("b", mx.nd.zeros(SHAPE))
    with pytest.raises(ValueError, match="has not been inited"):
        kv.push(99, mx.nd.zeros(SHAPE))
    with pytest.raises(TypeError):
        kv.push(3, [1.0])
    with pytest.raises(ValueError, match="keys"):
        kv.push([3, 5], [mx.nd.zeros(SHAPE)])
    with pytest.raises(ValueError, match="dist_sync"):
        mx.kv.create("dist_sync")
    with pytest.raises(TypeError):
        mx.kv.create(3)
    for call, text in ((lambda: kv.set_gradient_compression({"type": "2bit"}), "expected device"),
                       (lambda: kv.row_sparse_pull(3), "out is missing"),
                       (lambda: kv.row_sparse_pull(3, out=mx.nd.zeros(SHAPE)), "row_ids is missing"),
                       (lambda: kv.pull(3), "out is missing"),
                       (lambda: kv.push(3, mx.nd.zeros((2,))), r"key 3 was given an array of shape \(2,\), expected \(3,2\)"),
                       (lambda: kv.push(3, mx.nd.zeros(SHAPE, dtype="float64")), "key 3 was given an array of dtype float64"),
                       (lambda: kv.pull([5, 7], [mx.nd.zeros(SHAPE), mx.nd.zeros((1,))]), "key 7 was given"),
                       (lambda: kv.push(3, []), "key 3 has no values"),
                       (lambda: kv.push([3, 5], mx.nd.zeros(SHAPE)), "found 2 keys and one value")):
        with pytest.raises(ValueError, match=text):
            call()
    with pytest.raises(TypeError, match="found float, expected int or str"):
        kv.push(3.0, mx.nd.zeros(SHAPE))


def test_a_call_that_fails_changes_nothing():
    kv, out = made(), [mx.nd.zeros(SHAPE), mx.nd.zeros(SHAPE)]
    with pytest.raises(ValueError, match="key 99"):
        kv.push([5, 99], [mx.nd.ones(SHAPE) * 9] * 2)
    with pytest.raises(ValueError, match="duplicate init of key 11"):
        kv.init([11, 11], [mx.nd.ones(SHAPE)] * 2)
    with pytest.raises(ValueError, match="key 11 has not been inited"):
        kv.pull(11, out[0])
    kv.pull([5, 7], out)
    assert all((o.asnumpy() == 1).all() for o in out)


def test_sums_have_the_same_bits_whatever_finishes_first():
    """Values that are late because they are large products are added in their place."""
    rng = np.random.RandomState(0)
    late = mx.nd.array(rng.randn(400, 400))
    parts = [mx.nd.array(rng.randn(400, 400) * 10.0 ** k) for k in range(3)]
    found = set()
    for round in range(4):
        kv, out = mx.kv.create("device"), mx.nd.zeros((400, 400))
        kv.init("w", out)
        values = [mx.nd.dot(late, p) if round % 2 else mx.nd.dot(late, p).copy() for p in parts]
        kv.push("w", values)
        kv.pull("w", out)
        found.add(out.asnumpy().tobytes())
    ordered = (mx.nd.dot(late, parts[0]).asnumpy() + mx.nd.dot(late, parts[1]).asnumpy()) + mx.nd.dot(late, parts[2]).asnumpy()
    assert found == {ordered.tobytes()}


def test_halves_are_added_in_float32():
    kv, out = mx.kv.create(), mx.nd.zeros((1,), dtype="float16")
    kv.init("w", out)
    kv.push("w", [mx.nd.array([v], dtype="float16") for v in (2048, 1, 1)])
    kv.pull("w", out)
    assert out.asscalar() == 2050


def test_one_push_of_many_keys_is_one_call_of_the_updater(monkeypatch):
    kv = mx.kv.create()
    names = [f"w{i}" for i in range(20)]
    kv.init(names, [mx.nd.ones(SHAPE)] * 20)
    calls = []
    real = mx.optimizer.Updater.__call__

    def counted(self, index, grad, weight):
        if isinstance(index, list):
            calls.append(list(index))
        real(self, index, grad, weight)

    monkeypatch.setattr(mx.optimizer.Updater, "__call__", counted)
    kv.set_optimizer(mx.optimizer.SGD(learning_rate=0.5))
    kv.push(names, [[mx.nd.ones(SHAPE)] * 2] * 20)
    assert calls == [names]
    out = mx.nd.zeros(SHAPE)
    kv.pull("w7", out)
    assert (out.asnumpy() == 0).all()


def test_errors_of_updaters_and_of_late_work():
    kv = made()

    def broken(key, grad, stored):
        raise KeyError(f"no rule for {key}")

    kv.set_updater(broken)
    with pytest.raises(KeyError, match="no rule for 3"):
        kv.push(3, mx.nd.ones(SHAPE))
    kv.set_updater(None)
    kv.push(3, mx.nd.ones(SHAPE))
    out = mx.nd.zeros(SHAPE)
    kv.pull(3, out)
    assert (out.asnumpy() == 1).all()


def test_rows_are_pulled_whole():
    kv, out = made(), [mx.nd.zeros(SHAPE), mx.nd.zeros(SHAPE)]
    kv.row_sparse_pull(5, out=out, row_ids=[mx.nd.array([0, 1]), mx.nd.array([2])])
    assert all((o.asnumpy() == 1).all() for o in out)
    with pytest.raises(TypeError, match="row_ids of type int"):
        kv.row_sparse_pull(5, out=out, row_ids=3)


def test_compression_says_what_it_takes():
    kv = mx.kv.create("device")
    for params, text in (({"type": "1bit"}, "1bit"), ({"type": "2bit", "threshold": -1}, "threshold -1"),
                         ({"type": "2bit", "size": 3}, "size")):
        with pytest.raises(ValueError, match=text):
            kv.set_gradient_compression(params)
    kv.init("w", mx.nd.zeros((2,), dtype="float64"))
    kv.set_gradient_compression({"type": "2bit"})
    with pytest.raises(ValueError, match="key 'w' has dtype float64, expected float32"):
        kv.push("w", mx.nd.zeros((2,), dtype="float64"))


def test_stores_of_users():
    @kvstore.KVStoreBase.register
    class Mine(kvstore.KVStore):
        pass

    assert isinstance(mx.kv.create("mine"), Mine)
    del kvstore.KVStoreBase.kv_registry["mine"]


def test_which_store_training_uses(monkeypatch):
    small = {"w": mx.nd.zeros((2,))}
    create = mx.model._create_kvstore
    assert create(None, 4, small) == (None, False)
    assert create("local", 1, small) == (None, False)
    store, on_store = create("local", 2, small)
    assert isinstance(store, kvstore.KVStore) and on_store
    assert create("local", 2, {"w": mx.nd.empty((17, 1024, 1024))})[1] is False
    monkeypatch.setenv("MXNET_UPDATE_ON_KVSTORE", "0")
    assert create("device", 2, small)[1] is False
    monkeypatch.setenv("MXNET_UPDATE_ON_KVSTORE", "")
    assert create("device", 2, small)[1] is True
    monkeypatch.setenv("MXNET_UPDATE_ON_KVSTORE", "never")
    with pytest.raises(mx.MXNetError, match="MXNET_UPDATE_ON_KVSTORE is 'never', expected 0 or 1"):
        create("device", 2, small)


def test_states_with_and_without_the_optimizer(tmp_path):
    kv = mx.kv.create()
    kv.init("w", mx.nd.ones(SHAPE))
    kv.set_optimizer(mx.optimizer.SGD(learning_rate=0.25, momentum=0.5))
    kv.push("w", mx.nd.ones(SHAPE))
    for dump, rate in ((False, 1.0), (True, 0.25)):
        path = tmp_path / f"states{dump}"
        kv.save_optimizer_states(path, dump_optimizer=dump)
        other = mx.kv.create()
        other.init("w", mx.nd.ones(SHAPE))
        other.set_optimizer(mx.optimizer.SGD(learning_rate=1.0, momentum=0.5))
        other.load_optimizer_states(path)
        other.push("w", mx.nd.zeros(SHAPE))
        out = mx.nd.zeros(SHAPE)
        other.pull("w", out)
        np.testing.assert_allclose(out.asnumpy(), 1 - 0.125)  # half of the momentum; the gradient is zero
        assert other._updater.optimizer.lr == rate
