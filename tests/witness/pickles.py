"""Run by the real MXNet: writes pickles of its objects.

    MXNET_PYTHON tests/witness/pickles.py FOLDER
"""
import collections
import pathlib
import pickle
import sys
import warnings

OPTIMIZERS = ("sgd", "adam", "nag", "rmsprop", "adagrad", "ftrl", "adadelta", "adamax", "nadam", "signum", "ftml", "lamb", "lars")


def objects(mx):
    metric = mx.metric.create(["acc", "ce"])
    metric.update([mx.nd.array([1, 0])], [mx.nd.array([[0.25, 0.75], [0.25, 0.75]])])
    return {"array": mx.nd.arange(3), "context": mx.cpu(1), "initializer": mx.init.Xavier(magnitude=2), "metric": metric,
            "schedule": mx.lr_scheduler.PolyScheduler(100, base_lr=0.5), "symbol": mx.sym.Variable("x") * 2,
            "description": mx.io.DataDesc("data", (1, 2)),
            "vocabulary": mx.contrib.text.vocab.Vocabulary(collections.Counter("abba"))}


def main(folder):
    import mxnet as mx
    folder = pathlib.Path(folder)
    for name in OPTIMIZERS:
        optimizer = mx.optimizer.create(name, learning_rate=0.25, lr_scheduler=mx.lr_scheduler.FactorScheduler(10, 0.5, base_lr=0.25))
        updater = mx.optimizer.get_updater(optimizer)
        weight = mx.nd.ones((2,))
        updater(0, mx.nd.ones((2,)), weight)
        mx.nd.save(str(folder / f"{name}.before"), [weight])
        (folder / f"{name}.states").write_bytes(updater.get_states(dump_optimizer=True))
        updater(0, mx.nd.ones((2,)) / 2, weight)
        mx.nd.save(str(folder / f"{name}.after"), [weight])
    (folder / "objects.pkl").write_bytes(pickle.dumps(objects(mx)))


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main(sys.argv[1])
