"""Metrics after fixed updates, in heddle and in the real MXNet: the same program for both.

    MXNET_PYTHON tests/witness/metrics.py VALUES.json
"""
import json
import pathlib
import sys
import warnings

import numpy as np

CLASSES, ROWS = 5, 12


def scores(rng, classes=CLASSES):
    raw = np.exp(rng.normal(size=(ROWS, classes)))
    return (raw / raw.sum(1, keepdims=True)).astype("float32")


def classified(rng, classes=CLASSES):
    return [rng.integers(0, classes, ROWS).astype("float32")], [scores(rng, classes)]


def numbers(rng, shape=(ROWS,), other=None):
    return [rng.normal(size=shape).astype("float32")], [rng.normal(size=other or shape).astype("float32")]


def two_outputs(rng):
    (a,), (p,) = classified(rng)
    (b,), (q,) = classified(rng)
    return [a, b], [p, q]


def related(rng):
    (label,), _ = numbers(rng, (ROWS, 2))
    return [label + 3], [(label * 0.5 + rng.normal(size=label.shape)).astype("float32")]


def best(rng):
    """Classes that are predicted, not scores."""
    return [rng.integers(0, 3, ROWS).astype("float32")], [rng.integers(0, 3, ROWS).astype("float32")]


def one_class(rng):
    return [np.ones(ROWS, "float32")], [scores(rng, 2)]


def images(rng):
    return ([rng.integers(0, 3, (2, 4, 4)).astype("float32")], [rng.normal(size=(2, 3, 4, 4)).astype("float32")])


def binary(rng):
    return classified(rng, 2)


def share_right(label, pred):
    return float((label == pred.argmax(1)).mean())


def counted(label, pred):
    return float((label == pred.argmax(1)).sum()), label.size


# (name, what makes the metric, what makes the arrays of an update)
CASES = [
    ("acc", lambda m: m.create("acc"), classified), ("acc-classes", lambda m: m.create("accuracy"), best),
    ("acc-axis", lambda m: m.Accuracy(axis=1), images), ("acc-two", lambda m: m.Accuracy(), two_outputs),
    ("top2", lambda m: m.create("top_k_acc", top_k=2), classified),
    ("top3", lambda m: m.TopKAccuracy(top_k=3, name="best"), classified),
    ("f1", lambda m: m.create("f1"), binary), ("f1-micro", lambda m: m.F1(average="micro"), binary),
    ("f1-one", lambda m: m.F1(), one_class),
    ("mcc", lambda m: m.create("mcc"), binary), ("mcc-micro", lambda m: m.MCC(average="micro"), binary),
    ("mcc-one", lambda m: m.MCC(), one_class),
    ("pcc", lambda m: m.create("pcc"), classified), ("pcc-binary", lambda m: m.PCC(), binary),
    ("perplexity", lambda m: m.Perplexity(None), classified),
    ("perplexity-ignore", lambda m: m.Perplexity(2, axis=-1), classified),
    ("perplexity-two", lambda m: m.create("perplexity", ignore_label=0), two_outputs),
    ("mae", lambda m: m.create("mae"), numbers), ("mse", lambda m: m.create("mse"), numbers),
    ("rmse", lambda m: m.create("rmse"), numbers),
    ("mae-columns", lambda m: m.MAE(), lambda rng: numbers(rng, (ROWS,), (ROWS, 1))),
    ("mse-broadcast", lambda m: m.MSE(), lambda rng: numbers(rng, (ROWS,), (ROWS, 3))),
    ("rmse-image", lambda m: m.RMSE(), lambda rng: numbers(rng, (2, 3, 4))),
    ("ce", lambda m: m.create("ce"), classified), ("ce-eps", lambda m: m.CrossEntropy(eps=0.1), classified),
    ("nll", lambda m: m.create("nll_loss"), classified), ("nll-two", lambda m: m.NegativeLogLikelihood(), two_outputs),
    ("pearson", lambda m: m.create("pearsonr"), related),
    ("pearson-micro", lambda m: m.PearsonCorrelation(average="micro"), related),
    ("loss", lambda m: m.create("loss"), numbers), ("torch", lambda m: m.Torch(), numbers),
    ("caffe", lambda m: m.Caffe(), numbers),
    ("custom", lambda m: m.create(share_right), classified), ("custom-counted", lambda m: m.np(counted, name="right"), classified),
    ("custom-lambda", lambda m: m.CustomMetric(lambda label, pred: float(pred.max())), classified),
    ("composite", lambda m: m.create(["acc", "ce", counted]), classified),
    ("composite-of", lambda m: m.CompositeEvalMetric([m.MAE(), m.create("rmse")], name="both"), numbers),
]


def arrays(mx, lists):
    return [[mx.nd.array(a) for a in each] for each in lists]


def told(metric):
    return {"get": metric.get(), "global": metric.get_global(), "pairs": metric.get_name_value(),
            "global pairs": metric.get_global_name_value()}


def plain(value):
    """JSON of what a metric says; NaN as text, as NaN differs from itself."""
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, str) or value is None:
        return value
    return "nan" if np.isnan(value) else float(value)


def config(metric):
    try:
        return {k: v for k, v in metric.get_config().items() if k != "metrics"}
    except NotImplementedError:
        return "none"


def by_name(mx):
    """Per-output names: what update_dict takes of what there is."""
    rng = np.random.default_rng(3)
    (a, b), (p, q) = arrays(mx, two_outputs(rng))
    labels, preds = {"a_label": a, "b_label": b}, {"a_output": p, "b_output": q}
    found = {}
    for side in "ab":
        metric = mx.metric.create("acc", name=side, output_names=[f"{side}_output"], label_names=[f"{side}_label"])
        metric.update_dict(labels, preds)
        found[side] = metric.get()
    both = mx.metric.CompositeEvalMetric([mx.metric.Accuracy(), mx.metric.CrossEntropy()], output_names=["a_output"],
                                         label_names=["a_label"])
    both.update_dict(labels, preds)
    return {**found, "both": both.get()}


def values(mx):
    """Case to what the metric says when it is new, after updates, after reset_local and more, and after reset."""
    found = {}
    for name, make, draw in CASES:
        rng = np.random.default_rng(sum(map(ord, name)))
        metric = make(mx.metric)
        said = {"config": config(metric), "new": told(metric)}
        for _ in range(3):
            metric.update(*arrays(mx, draw(rng)))
        said["three"] = told(metric)
        metric.reset_local()
        said["local"] = told(metric)
        for _ in range(2):
            metric.update(*arrays(mx, draw(rng)))
        said["five"] = told(metric)
        metric.reset()
        said["reset"] = told(metric)
        found[name] = plain(said)
    found["by name"] = plain(by_name(mx))
    return found


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    import mxnet
    pathlib.Path(sys.argv[1]).write_text(json.dumps(values(mxnet)))
