"""Metrics against their formulas in NumPy; what they wait for."""
import math
import re

import numpy as np
import pytest

import heddle as mx
from heddle import metric

RNG = np.random.RandomState(5)
BATCHES = [(RNG.randint(0, 4, 8), RNG.dirichlet(np.ones(4), 8)) for _ in range(3)]


def run(m, batches):
    for label, pred in batches:
        m.update([mx.nd.array(label)], [mx.nd.array(pred)])
    return m.get()[1]


def test_accuracy():
    want = np.mean([(p.argmax(1) == y).mean() for y, p in BATCHES])
    assert run(metric.create("acc"), BATCHES) == pytest.approx(want)
    assert run(metric.Accuracy(), [(y, p.argmax(1)) for y, p in BATCHES]) == pytest.approx(want)
    assert run(metric.Accuracy(axis=2), [(y.reshape(2, 4), p.reshape(2, 4, 4)) for y, p in BATCHES]) == pytest.approx(want)
    with pytest.raises(ValueError, match="Shape"):
        metric.Accuracy().update([mx.nd.zeros((3,))], [mx.nd.zeros((4, 2))])
    with pytest.raises(ValueError, match="Shape"):
        metric.Accuracy().update([mx.nd.zeros((3,))], [])


def test_top_k():
    m = metric.create("top_k_accuracy", top_k=2)
    want = np.mean([[y[i] in p[i].argsort()[-2:] for i in range(8)] for y, p in BATCHES])
    assert m.name == "top_k_accuracy_2" and run(m, BATCHES) == pytest.approx(want)
    with pytest.raises(ValueError):
        metric.TopKAccuracy(top_k=1)


def binary_counts(y, p):
    guess = p.argmax(1)
    return ((y * guess).sum(), ((1 - y) * guess).sum(), (y * (1 - guess)).sum(), ((1 - y) * (1 - guess)).sum())


def f1(tp, fp, fn, tn):
    return 2 * tp / (2 * tp + fp + fn)


def mcc(tp, fp, fn, tn):
    return (tp * tn - fp * fn) / math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))


@pytest.mark.parametrize("name, score", [("f1", f1), ("mcc", mcc)])
def test_binary(name, score):
    batches = [(RNG.randint(0, 2, 30), RNG.dirichlet(np.ones(2), 30)) for _ in range(3)]
    counts = [binary_counts(*b) for b in batches]
    assert run(metric.create(name), batches) == pytest.approx(np.mean([score(*c) for c in counts]))
    assert run(metric.create(name, average="micro"), batches) == pytest.approx(score(*np.sum(counts, 0)))
    m = metric.create(name)
    m.update([mx.nd.array([0, 1, 2])], [mx.nd.array([[0.1, 0.9]] * 3)])
    with pytest.raises(ValueError, match="binary"):
        m.get()


def test_losses():
    chosen = [p[np.arange(8), y] for y, p in BATCHES]
    assert run(metric.create("ce"), BATCHES) == pytest.approx(-np.mean(np.log(chosen)), rel=1e-5)
    assert run(metric.create("nll_loss"), BATCHES) == pytest.approx(-np.mean(np.log(chosen)), rel=1e-5)
    assert run(metric.Perplexity(None), BATCHES) == pytest.approx(np.exp(-np.mean(np.log(chosen))), rel=1e-5)
    kept = np.concatenate([c[y != 1] for c, (y, _) in zip(chosen, BATCHES)])
    assert run(metric.Perplexity(1), BATCHES) == pytest.approx(np.exp(-np.mean(np.log(kept))), rel=1e-5)
    assert run(metric.Loss(), BATCHES) == pytest.approx(np.mean([p for _, p in BATCHES]), rel=1e-5)


def test_regression():
    batches = [(RNG.randn(6), RNG.randn(6, 1)) for _ in range(3)]
    errors = [y[:, None] - p for y, p in batches]
    assert run(metric.MAE(), batches) == pytest.approx(np.mean([abs(e).mean() for e in errors]), rel=1e-5)
    assert run(metric.MSE(), batches) == pytest.approx(np.mean([(e * e).mean() for e in errors]), rel=1e-5)
    assert run(metric.RMSE(), batches) == pytest.approx(np.mean([np.sqrt((e * e).mean()) for e in errors]), rel=1e-5)


def test_correlations():
    batches = [(y, y + RNG.randn(20)) for y in RNG.randn(3, 20)]
    want = [np.corrcoef(y, p)[0, 1] for y, p in batches]
    assert run(metric.create("pearsonr"), batches) == pytest.approx(np.mean(want), rel=1e-6)
    together = np.corrcoef(*[np.concatenate(x) for x in zip(*batches)])[0, 1]
    assert run(metric.create("pearsonr", average="micro"), batches) == pytest.approx(together, rel=1e-6)
    two = [(RNG.randint(0, 2, 30), RNG.dirichlet(np.ones(2), 30)) for _ in range(2)]
    total = np.sum([binary_counts(*b) for b in two], 0)
    assert run(metric.PCC(), two) == pytest.approx(mcc(*total))


def test_local_and_global():
    m = metric.Accuracy()
    first, second = (np.array([1, 1]), np.array([1, 1])), (np.array([1, 1]), np.array([0, 0]))
    run(m, [first])
    m.reset_local()
    assert math.isnan(m.get()[1]) and m.get_global() == ("accuracy", 1.0)
    run(m, [second])
    assert m.get()[1] == 0 and m.get_global()[1] == 0.5 and m.get_global_name_value() == [("accuracy", 0.5)]
    assert m.num_inst == 2 and m.global_num_inst == 4 and m.sum_metric == 0
    m.reset()
    assert math.isnan(m.get_global()[1])


def test_update_keeps_going_without_being_asked():
    m = metric.Accuracy()
    for _ in range(1000):
        m.update([mx.nd.array([1, 0])], [mx.nd.array([[0.1, 0.9], [0.2, 0.8]])])
    assert len(m._pending) <= metric.metric._MOST_PENDING and m.get() == ("accuracy", 0.5) and m.num_inst == 2000


def test_composite_and_names():
    m = metric.create(["acc", metric.CrossEntropy()])
    run(m, BATCHES)
    names, values = m.get()
    assert names == ["accuracy", "cross-entropy"] and len(values) == 2
    assert [n for n, _ in m.get_name_value()] == names and m.get_metric(0).name == "accuracy"
    m.reset_local()
    assert math.isnan(m.get()[1][0]) and m.get_global()[1] == values
    one = metric.Accuracy(output_names=["b"], label_names=["l"])
    one.update_dict({"k": None, "l": mx.nd.array([1])}, {"a": None, "b": mx.nd.array([[0, 1]])})
    assert one.get()[1] == 1
    assert "accuracy" in str(one) and metric.create(one) is one
    assert isinstance(metric.create(metric.Accuracy(axis=2).get_config()), metric.Accuracy)
    with pytest.raises(ValueError, match="nothing"):
        metric.create("nothing")


def test_functions_as_metrics():
    def distance(label, pred):
        return float(np.abs(label - pred[:, 0]).sum()), len(label)

    m = metric.create(distance)
    assert run(m, [(np.array([1., 2]), np.array([[0.], [0]]))]) == 1.5 and m.name == "distance"
    assert metric.np(lambda y, p: 2.0).name == "custom(<lambda>)"


def test_metrics_of_users():
    class Count(metric.EvalMetric):
        def __init__(self):
            super().__init__("count")

        def update(self, labels, preds):
            self.sum_metric += 3
            self.num_inst += 2
            self.global_sum_metric += 3
            self.global_num_inst += 2

    m = Count()
    m.update(None, None)
    assert m.get() == ("count", 1.5) and m.get_global() == ("count", 1.5)


def test_a_metric_of_ones_own():
    """As scripts write them: sums of one's own, nothing about global ones."""
    class Largest(metric.EvalMetric):
        def __init__(self):
            super().__init__("largest")

        def update(self, labels, preds):
            for pred in preds:
                self.sum_metric += pred.max().asscalar()
                self.num_inst += 1

    m = Largest()
    for value in (1.0, 2.0):
        m.update(None, [mx.nd.array([value])])
    assert m.get() == m.get_global() == ("largest", 1.5) and m.get_global_name_value() == [("largest", 1.5)]
    m.reset_local()
    assert math.isnan(m.get()[1])

    class Stricter(metric.Accuracy):
        def update(self, labels, preds):
            super().update(labels, [p * (p > 0.5) for p in preds])

    assert run(Stricter(), [(np.array([1, 1]), np.array([[0.1, 0.9], [0.6, 0.4]]))]) == 0.5


def test_names_that_are_not_there():
    m = metric.Accuracy(output_names=["a_output"], label_names=["a_label"])
    with pytest.raises(ValueError, match=r"output_names has 'a_output', expected one of b_output"):
        m.update_dict({"a_label": mx.nd.array([1])}, {"b_output": mx.nd.array([1])})
    with pytest.raises(ValueError, match="out of range"):
        metric.CompositeEvalMetric().get_metric(0)


def test_f1_and_mcc_over_several_outputs_and_labels_of_other_values():
    """One score of an update, whose outputs count together; 1 is the positive class, whatever the other is called."""
    labels, preds = [np.array([-1, 1, 1, -1]), np.array([1, -1])], [np.array([[1, 0], [0, 1], [1, 0], [0, 1]]), np.array([[0, 1], [1, 0]])]
    m = metric.F1()
    m.update([mx.nd.array(a) for a in labels], [mx.nd.array(a) for a in preds])
    assert m.get()[1] == pytest.approx(f1(2, 1, 1, 2)) and m.num_inst == 1
    micro = metric.MCC(average="micro")
    micro.update([mx.nd.array(a) for a in labels], [mx.nd.array(a) for a in preds])
    assert micro.get()[1] == pytest.approx(mcc(2, 1, 1, 2)) and micro.num_inst == 6


@pytest.mark.parametrize("name", ["ce", "loss", "mse", "perplexity"])
def test_halves_do_not_overflow(name):
    """4096 elements of a hundred each are more than float16 holds."""
    pred = mx.nd.ones((4096, 2), dtype="float16") * 100
    label = mx.nd.zeros((4096, 2), dtype="float16") if name == "mse" else mx.nd.zeros((4096,))
    m = metric.create(name, ignore_label=None) if name == "perplexity" else metric.create(name)
    m.update([label], [pred])
    want = {"ce": -math.log(100), "loss": 100, "mse": 1e4, "perplexity": 0.01}[name]
    assert m.get()[1] == pytest.approx(want, rel=2e-3)


def test_integers_and_large_means():
    m = metric.MAE()
    m.update([mx.nd.array([1, 200], dtype="uint8")], [mx.nd.array([3, 100], dtype="uint8")])
    assert m.get()[1] == 51
    m = metric.create("pearsonr", average="micro")
    for x in (np.arange(4.0), np.arange(4.0, 8)):
        m.update([mx.nd.array(1e7 + x, dtype="float64")], [mx.nd.array(1e7 - x, dtype="float64")])
    assert m.get()[1] == pytest.approx(-1) == m.get_global()[1]


@pytest.mark.parametrize("name, shapes, said", [
    ("acc", [(3,), (4, 5)], "(3,) does not match shape of predictions (4,)"),
    ("top_k_acc", [(3,), (4, 5)], "3 does not match shape of predictions 4"),
    ("top_k_acc", [(4,), (4, 1, 5)], "[TopKAccuracy]"),
    ("f1", [(3,), (4, 5)], "(3,) does not match"), ("pcc", [(3,), (4, 5)], "(3,) does not match"),
    ("perplexity", [(3, 2), (4, 2)], "[Perplexity] shape mismatch: (3, 2) vs. (4, 2)"),
    ("mae", [(3,), (4, 5)], "[MAE] found labels of shape (3, 1) and predictions of shape (4, 5)"),
    ("ce", [(3,), (4, 5)], "[CrossEntropy] found 3 labels for predictions of shape (4, 5)"),
    ("nll_loss", [(3,), (3,)], "[NegativeLogLikelihood] found 3 labels for predictions of shape (3,)"),
    ("pearsonr", [(3,), (4, 5)], "(3,) does not match shape of predictions (4, 5)")])
def test_shapes_that_differ(name, shapes, said):
    """Are told at the call, and nothing is counted."""
    settings = {"top_k_acc": {"top_k": 2}, "perplexity": {"ignore_label": None}}
    m = metric.create(name, **settings.get(name, {}))
    with pytest.raises(ValueError, match=re.escape(said)):
        m.update(*([mx.nd.zeros(s)] for s in shapes))
    assert math.isnan(m.get()[1])
