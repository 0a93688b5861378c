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
    for call in (lambda: kv.set_gradient_compression({"type": "2bit"}), lambda: kv.row_sparse_pull(3),
                 lambda: kv.pull(3)):
        with pytest.raises(ValueError):
            call()


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
