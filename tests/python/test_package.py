"""The package as a whole: names, aliases, devices, seeds, registries, forks."""
import os
import pickle
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import heddle as mx
from heddle import registry


def test_mxnets_names():
    for name in ("nd", "ndarray", "sym", "symbol", "autograd", "mod", "module", "io", "kv", "kvstore", "init",
                 "initializer", "optimizer", "lr_scheduler", "metric", "callback", "model", "context", "random", "rnd",
                 "viz", "visualization", "test_utils", "mon", "monitor", "name", "attribute", "AttrScope", "Context",
                 "cpu", "gpu", "cpu_pinned", "current_context", "num_gpus", "MXNetError", "base", "contrib", "engine",
                 "profiler", "util", "registry", "executor", "log", "__version__", "Error"):
        assert hasattr(mx, name), name
    assert issubclass(mx.MXNetError, RuntimeError) and mx.base.MXNetError is mx.Error
    with pytest.raises(AttributeError, match="nothing"):
        mx.nothing


def run(program):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_install_as():
    assert run("""
        import heddle
        heddle.install_as("mxnet")
        import mxnet as mx
        import mxnet.ndarray.ndarray
        import mxnet.ndarray as nd
        import mxnet.contrib.text.vocab
        from mxnet import autograd
        from mxnet.io import DataBatch, NDArrayIter
        import mxnet.test_utils
        import mxnet.sym.random
        import mxnet.contrib.ndarray
        assert mx is heddle and mxnet.test_utils is heddle.test_utils and mx.ndarray.ndarray.NDArray is nd.NDArray
        assert nd is heddle.nd and DataBatch is heddle.io.DataBatch and mxnet.sym.random is heddle.sym.random
        assert mxnet.contrib.ndarray is heddle.nd.contrib and mxnet.contrib.text.vocab.Vocabulary
        assert heddle.test_utils.__name__ == "heddle.test_utils" == heddle.test_utils.__spec__.name
        for name in ("mxnet.nothing", "mxnet.ndarray.nothing"):
            try:
                __import__(name)
            except ModuleNotFoundError as error:
                print(error)
        try:
            from mxnet import nothing
        except ImportError as error:
            print("heddle" in str(error))
    """) == """\
mxnet.nothing: heddle, which stands for mxnet here, has no module heddle.nothing
mxnet.ndarray.nothing: heddle, which stands for mxnet here, has no module heddle.ndarray.nothing
True
"""


def test_install_as_finds_classes_of_pickles():
    """As files of both eras name them."""
    names = ["mxnet.ndarray NDArray", "mxnet.ndarray.ndarray NDArray", "mxnet.lr_scheduler FactorScheduler", "mxnet.metric Accuracy",
             "mxnet.initializer Xavier", "mxnet.context Context", "mxnet.io DataDesc", "mxnet.io.io DataDesc",
             "mxnet.symbol.symbol Symbol", "mxnet.contrib.text.vocab Vocabulary"]
    assert run(f"""
        import pickle
        import heddle
        heddle.install_as("mxnet")
        for line in {names!r}:
            module, name = line.split()
            found = pickle.loads(f"c{{module}}\\n{{name}}\\n.".encode())
            assert found.__name__ == name and found.__module__.startswith("heddle."), line
        print("all")
    """) == "all\n"


def test_a_script_for_mxnet_runs_unchanged(tmp_path):
    helper = tmp_path / "helper.py"
    helper.write_text("from mxnet import nd\nvalue = nd.ones((2,)).sum()\n")
    script = tmp_path / "script.py"
    script.write_text("import sys\nimport mxnet as mx\nimport helper\n"
                      "print(mx.__name__, sys.argv[1:], __name__, int(helper.value.asscalar()))\nsys.exit(3)\n")
    done = subprocess.run([sys.executable, "-m", "heddle", str(script), "--rate", "1"], capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("heddle ['--rate', '1'] __main__ 2\n", "", 3)
    done = subprocess.run([sys.executable, "-m", "heddle", "-m", "script"], capture_output=True, text=True, cwd=tmp_path)
    assert (done.stdout, done.returncode) == ("heddle [] __main__ 2\n", 3)
    done = subprocess.run([sys.executable, "-m", "heddle"], capture_output=True, text=True)
    assert "SCRIPT" in done.stderr and done.returncode == 1


def test_install_as_needs_the_name_of_a_package():
    with pytest.raises(ValueError, match="a.b"):
        mx.install_as("a.b")


def test_install_as_after_the_real_one():
    assert run("""
        import sys, types
        sys.modules["mxnet"] = types.ModuleType("mxnet")
        import heddle
        try:
            heddle.install_as("mxnet")
        except ImportError as error:
            print("before" in str(error))
    """) == "True\n"


def test_contexts():
    assert mx.cpu() == mx.Context("cpu", 0) == mx.Context(mx.cpu(0)) and mx.cpu(1) != mx.cpu(0)
    assert str(mx.gpu(2)) == "gpu(2)" and mx.gpu(2).device_typeid == 2 and mx.Context(3).device_type == "cpu_pinned"
    assert len({mx.cpu(0), mx.cpu(), mx.cpu(1)}) == 2 and pickle.loads(pickle.dumps(mx.cpu(3))) == mx.cpu(3)
    assert mx.current_context() == mx.cpu(0) == mx.Context.default_ctx
    with mx.cpu(1):
        assert mx.nd.zeros((1,)).context == mx.cpu(1) == mx.nd.array([1]).context
        with mx.cpu(2):
            assert mx.nd.random.uniform(shape=(1,)).context == mx.cpu(2) == mx.current_context()
        assert mx.nd.ones((1,), ctx=mx.cpu(0)).context == mx.cpu(0)
    assert mx.current_context() == mx.cpu(0) and mx.num_gpus() >= 0
    with pytest.raises(ValueError, match="tpu"):
        mx.Context("tpu")


def test_a_missing_gpu_is_one_clear_error():
    if mx.num_gpus():
        assert mx.nd.zeros((1,), ctx=mx.gpu(0)).context == mx.gpu(0)
    else:
        with pytest.raises(mx.MXNetError, match="gpu"):
            mx.nd.zeros((1,), ctx=mx.gpu(0)).wait_to_read()


def test_seeds():
    def draw(**kwargs):
        return mx.nd.random.normal(shape=(20,), **kwargs).tolist()

    mx.random.seed(7)
    first, second = draw(), draw()
    mx.random.seed(7)
    assert draw() == first and draw() == second and first != second
    mx.random.seed(7, ctx=mx.cpu(0))
    mx.random.seed(7, ctx=mx.cpu(1))
    assert draw() == draw(ctx=mx.cpu(1))
    mx.random.seed(np.int64(8))
    assert draw() != first


@pytest.mark.parametrize("draw, mean, std", [
    (lambda n: mx.nd.random.uniform(2, 4, shape=n), 3, 2 / 12 ** 0.5), (lambda n: mx.nd.random.normal(1, 2, shape=n), 1, 2),
    (lambda n: mx.random.poisson(4, shape=n), 4, 2), (lambda n: mx.nd.random.exponential(2, shape=n), 2, 2),
    (lambda n: mx.nd.random.gamma(4, 0.5, shape=n), 2, 1), (lambda n: mx.nd.random.randn(n), 0, 1),
    (lambda n: mx.nd.random.randint(0, 10, shape=n), 4.5, 8.25 ** 0.5),
    (lambda n: mx.nd.random.negative_binomial(3, 0.5, shape=n), 3, 6 ** 0.5),
    (lambda n: mx.nd.random.generalized_negative_binomial(2, 0.5, shape=n), 2, 2)])
def test_distributions(draw, mean, std):
    mx.random.seed(11)
    values = draw(40000).asnumpy().astype("float64")
    assert abs(values.mean() - mean) < 0.05 * std + 0.01 and abs(values.std() / std - 1) < 0.05


def test_random_forms():
    mx.random.seed(1)
    low, high = mx.nd.array([0, 10]), mx.nd.array([1, 20])
    drawn = mx.nd.random.uniform(low, high, shape=5).asnumpy()
    assert drawn.shape == (2, 5) and (drawn[0] < 1).all() and (drawn[1] >= 10).all()
    with pytest.raises(ValueError, match="all of them"):
        mx.nd.random.uniform(low, 3)
    with pytest.raises(ValueError, match="number"):
        mx.nd.random.uniform("a", 3)
    out = mx.nd.zeros((4,))
    assert mx.nd.random.normal(out=out) is out and abs(out.asnumpy()).sum() > 0
    assert mx.nd.random.uniform(dtype="float64").dtype == "float64"
    shuffled = mx.nd.random.shuffle(mx.nd.arange(50)).asnumpy()
    assert sorted(shuffled) == list(range(50)) and shuffled.tolist() != list(range(50))
    picks = mx.nd.random.multinomial(mx.nd.array([0, 0.25, 0.75]), shape=4000).asnumpy()
    assert picks.dtype == np.int32 and abs((picks == 2).mean() - 0.75) < 0.03 and not (picks == 0).any()


def test_registry():
    class Shape:
        def __init__(self, size=1):
            self.size = size

    register, create = registry.get_register_func(Shape, "shape"), registry.get_create_func(Shape, "shape")

    @registry.get_alias_func(Shape, "shape")("box", "crate")
    @register
    class Square(Shape):
        pass

    assert create("square").size == 1 and create("BOX", size=3).size == 3
    assert create('["crate", {"size": 4}]').size == 4 and create({"shape": "box", "size": 5}).size == 5
    assert create('{"shape": "box", "size": 6}').size == 6 and create(shape="box").size == 1
    made = Square()
    assert create(made) is made and set(registry.get_registry(Shape)) == {"square", "box", "crate"}
    for bad in ("circle", '["circle", {}]'):
        with pytest.raises(ValueError, match="circle"):
            create(bad)
    with pytest.raises(TypeError):
        register(int)
    with pytest.raises(TypeError):
        create(3)


def test_small_modules(tmp_path, capfd):
    previous = mx.engine.set_bulk_size(3)
    with mx.engine.bulk(7):
        assert mx.engine.set_bulk_size(7) == 7
    assert mx.engine.set_bulk_size(previous) == 3
    logger = mx.log.get_logger("heddle.test", str(tmp_path / "log"), level=mx.log.INFO)
    logger.info("a message")
    assert "] a message" in (tmp_path / "log").read_text()
    assert mx.libinfo.find_lib_path() and not mx.util.is_np_array() and mx.util.get_gpu_count() == mx.num_gpus()
    mx.util.setenv("HEDDLE_X", 1)
    assert mx.util.getenv("HEDDLE_X") == "1"
    mx.util.setenv("HEDDLE_X", None)


def test_fork():
    x = mx.nd.ones((100, 100))
    y = mx.nd.dot(x, x)  # work may be under way
    child = os.fork()
    if child == 0:
        ok = (y + mx.nd.dot(x, x)).asnumpy().sum() == 2e6
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert (y + mx.nd.dot(x, x)).asnumpy().sum() == 2e6


# Where scripts and pickles look for things: moving one must leave its name behind.
PATHS = """
heddle.base.MXNetError heddle.base.DType heddle.context.Context heddle.ndarray.ndarray.NDArray heddle.ndarray.array
heddle.ndarray.op.relu heddle.ndarray._internal._plus_scalar heddle.ndarray.linalg.gemm2 heddle.ndarray.random.uniform
heddle.ndarray.functions.split_v2 heddle.ndarray.concatenate heddle.ndarray.contrib.__all__ heddle.random.normal
heddle.symbol.symbol.Symbol heddle.symbol.symbol.load_json heddle.symbol.symbol.Group heddle.symbol.op.Activation
heddle.symbol.random.normal heddle.symbol.functions.split_v2 heddle.symbol.split_v2 heddle.executor.Executor
heddle.model.FeedForward heddle.model.BatchEndParam heddle.model.save_checkpoint heddle.model.load_checkpoint
heddle.model.load_params heddle.module.Module heddle.module.module.Module heddle.module.base_module.BaseModule
heddle.module.base_module.BatchEndParam heddle.module.executor_group.DataParallelExecutorGroup
heddle.io.DataDesc heddle.io.io.DataDesc heddle.io.io.DataBatch heddle.io.ndarray_iter.NDArrayIter heddle.io.MNISTIter
heddle.initializer.Xavier heddle.optimizer.rules.Adam heddle.optimizer.optimizer.Optimizer heddle.optimizer.updater.Updater
heddle.lr_scheduler.FactorScheduler heddle.metric.metric.EvalMetric heddle.metric.classification.Accuracy
heddle.callback.Speedometer heddle.monitor.Monitor heddle.kvstore.create heddle.name.Prefix heddle.attribute.AttrScope
heddle.visualization.plot_network heddle.test_utils.assert_almost_equal heddle.contrib.autograd.grad_and_loss
""".split()


@pytest.mark.parametrize("path", PATHS)
def test_names_stay_where_they_are(path):
    module, name = path.rsplit(".", 1)
    assert pickle.loads(f"c{module}\n{name}\n.".encode()) is not None


def test_pickles_of_batches():
    """What callbacks are given can be sent to another process."""
    param = mx.model.BatchEndParam(1, 2, mx.metric.create("acc"), None)
    again = pickle.loads(pickle.dumps(param))
    assert type(again) is mx.model.BatchEndParam and again[:2] == (1, 2) and again.eval_metric.name == "accuracy"
    assert mx.module.base_module.BatchEndParam is mx.model.BatchEndParam and param._fields[1] == "nbatch"


def test_names_of_types_can_be_looked_up():
    from heddle import _typing
    assert _typing.Shape == tuple[int, ...]


# --- the switches of mx.np
def test_switches_of_numpys_interface_are_kept():
    util = mx.util
    assert (util.is_np_shape(), util.is_np_array(), mx.npx.is_np_array()) == (False,) * 3
    assert util.set_np_shape(True) is False and util.set_np_shape(False) is True
    with mx.np_shape():
        assert mx.is_np_shape() and not mx.is_np_array()
        with mx.np_shape(False), mx.np_array():
            assert not mx.is_np_shape() and mx.is_np_array()
        assert mx.is_np_shape() and not mx.is_np_array()
    with pytest.raises(KeyError), mx.np_array():
        raise KeyError
    assert not mx.is_np_array()
    with pytest.raises(ValueError, match="NumPy Shape semantics is required"):
        util.set_np(shape=False)
    util.set_np()
    assert mx.is_np_shape() and mx.is_np_array()
    seen = []
    thread = threading.Thread(target=lambda: seen.append(mx.is_np_shape()))
    thread.start()
    thread.join()
    assert seen == [False]  # of other threads
    util.reset_np()
    assert not mx.is_np_shape() and not mx.is_np_array()


def test_decorators_of_numpys_interface():
    @mx.use_np
    class Both:
        """Asks."""
        kind = "class"

        def method(self):
            return mx.is_np_shape(), mx.is_np_array()

        @staticmethod
        def static():
            return mx.is_np_array()

        @classmethod
        def of_class(cls):
            return cls.kind, mx.is_np_shape()

        @property
        def asked(self):
            return mx.is_np_array()

    @mx.use_np_shape
    def shape():
        """One."""
        return mx.is_np_shape(), mx.is_np_array()

    assert Both().method() == (True, True) and Both.static() and Both.of_class() == ("class", True) and Both().asked
    assert Both.__doc__ == "Asks." and shape.__doc__ == "One." and shape() == (True, False)
    assert mx.use_np_array(lambda: mx.is_np_array())() and not mx.is_np_array()
    with pytest.raises(TypeError, match="use_np_shape can only decorate classes and callable objects, found a int"):
        mx.use_np_shape(3)

    @mx.use_np
    class Net(mx.gluon.HybridBlock):
        def hybrid_forward(self, F, x):
            return F.relu(x) if mx.is_np_shape() else x

    net = Net()
    net.hybridize()
    assert net(mx.nd.array([-1, 1])).asnumpy().tolist() == [0, 1]


@pytest.mark.parametrize("module, called", [(mx.np, "np"), (mx.npx, "npx"), (mx.nd.np, "np"), (mx.sym.npx, "npx")])
def test_numpys_interface_says_that_it_is_missing(module, called):
    with pytest.raises(AttributeError, match=rf"mx.{called}.array: heddle has no NumPy interface .* mx.nd has the operators"):
        module.array([1])
    assert not hasattr(module, "set_np") and not hasattr(module, "__path_of_nothing__")
    assert set(module.__all__) <= set(dir(module))


def test_keywords_of_elementwise_functions():
    one = mx.util.wrap_np_unary_func(lambda x, out=None: (x, out))
    two = mx.util.wrap_np_binary_func(lambda x1, x2, out=None: (x1, x2, out))
    assert one(1, where=True, order="K", dtype=None) == (1, None) and two(1, 2, out=3, casting="same_kind", subok=True) == (1, 2, 3)
    with pytest.raises(NotImplementedError, match="has no dtype, found dtype=float32"):
        one(1, dtype="float32")
    with pytest.raises(TypeError, match="casting=no way not understood"):
        two(1, 2, casting="no way")
    with pytest.raises(TypeError, match="axis is an invalid keyword"):
        one(1, axis=0)
    legal = {"where": [False, 3], "casting": ["safe"], "order": ["F"], "dtype": [np.float16, "int8"], "subok": [False]}
    assert all(mx.util.np_ufunc_legal_option(key, value) for key, values in legal.items() for value in values)
    assert not any(mx.util.np_ufunc_legal_option(*pair) for pair in (("order", 1), ("dtype", "bool"), ("dtype", "x"), ("subok", 1), ("of", 1)))
