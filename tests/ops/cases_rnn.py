"""Recurrent layers, step by step in NumPy, and losses over alignments."""
import itertools

import numpy as np

from .case import case

GATES = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cell(mode, x, h, c, wx, wh, wr, bx, bh, clip):
    """One step: what is added by the input and by the state, then the gates."""
    a, b = x @ wx.T + bx, h @ wh.T + bh
    if mode.startswith("rnn"):
        return (np.maximum(a + b, 0) if mode == "rnn_relu" else np.tanh(a + b)), c
    a, b = np.split(a, GATES[mode], -1), np.split(b, GATES[mode], -1)
    if mode == "gru":
        r, z = sigmoid(a[0] + b[0]), sigmoid(a[1] + b[1])
        return (1 - z) * np.tanh(a[2] + r * b[2]) + z * h, c
    i, f, g, o = (u + v for u, v in zip(a, b))
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    c = c if clip is None else np.clip(c, *clip)
    h = sigmoid(o) * np.tanh(c)
    return (h if wr is None else h @ wr.T), c


def parameter_count(features, mode, state_size, num_layers=1, bidirectional=False, projection_size=None, **_):
    directions, given = 1 + bidirectional, projection_size or state_size
    one = sum((features if layer == 0 else given * directions) + given + 2 for layer in range(num_layers))
    return directions * (one * GATES[mode] * state_size + (projection_size or 0) * state_size * num_layers)


def rnn(data, parameters, state, *more, mode, state_size, num_layers=1, bidirectional=False, state_outputs=False,
        projection_size=None, lstm_state_clip_min=None, lstm_state_clip_max=None, use_sequence_length=False, **_):
    steps, batch, _ = data.shape
    directions, given, wide = 1 + bidirectional, projection_size or state_size, GATES[mode] * state_size
    more = list(more)
    cells = more.pop(0) if mode == "lstm" else None
    lengths = more.pop(0).astype(int) if use_sequence_length else np.full(batch, steps)
    clip = None if lstm_state_clip_min is None else (lstm_state_clip_min, lstm_state_clip_max)
    at = 0

    def take(*shape):
        nonlocal at
        at += int(np.prod(shape))
        return parameters[at - int(np.prod(shape)):at].reshape(shape)

    weights = [(take(wide, data.shape[2] if layer == 0 else given * directions), take(wide, given),
                take(given, state_size) if projection_size else None)
               for layer in range(num_layers) for _ in range(directions)]
    biases = [(take(wide), take(wide)) for _ in weights]
    assert at == parameters.size
    x, last, memory = data, [], []
    for layer in range(num_layers):
        sides = []
        for direction in range(directions):
            k = layer * directions + direction
            h, c = state[k], None if cells is None else cells[k]
            y = np.zeros((steps, batch, given))
            for t in range(steps)[::-1 if direction else 1]:
                new_h, new_c = cell(mode, x[t], h, c, *weights[k], *biases[k], clip)
                inside = (t < lengths)[:, None]
                y[t], h = np.where(inside, new_h, 0), np.where(inside, new_h, h)
                c = None if c is None else np.where(inside, new_c, c)
            sides.append(y)
            last.append(h)
            memory.append(c)
        x = np.concatenate(sides, -1)
    found = [x]
    if state_outputs:
        found += [np.stack(last)] + ([np.stack(memory)] if mode == "lstm" else [])
    return found if state_outputs else found[0]


NOT_ON_CPU = "not asked: MXNet has this on GPUs only"
LENGTHS = np.array([3, 0, 5], "float32")


def recurrent(steps, batch, features, *, lengths=None, **params):
    layers = params["num_layers"] * (1 + params.get("bidirectional", False))
    states = [(layers, batch, params.get("projection_size") or params["state_size"])]
    if params["mode"] == "lstm":
        states.append((layers, batch, params["state_size"]))
    only_gpu = lengths is not None or "projection_size" in params or "lstm_state_clip_min" in params
    inputs = [(steps, batch, features), (parameter_count(features, **params),), *states]
    options = {"use_sequence_length": True, "grad": tuple(range(len(inputs)))} if lengths is not None else {}
    case("RNN", inputs + ([] if lengths is None else [lengths]), ref=rnn, dtypes=("float16", "float64"),
         witness=NOT_ON_CPU if only_gpu else True, label=params["mode"], training=True, low=-0.4, high=0.4, **options,
         **params)


for mode in GATES:
    recurrent(5, 2, 3, mode=mode, state_size=4, num_layers=1)
    recurrent(4, 3, 2, mode=mode, state_size=3, num_layers=2, state_outputs=True)
    recurrent(7, 2, 3, mode=mode, state_size=5, num_layers=3, bidirectional=True, state_outputs=True)
    recurrent(5, 3, 2, mode=mode, state_size=3, num_layers=2, bidirectional=True, state_outputs=True, lengths=LENGTHS)
    recurrent(3, 17, 20, mode=mode, state_size=70, num_layers=1, state_outputs=True)
recurrent(5, 3, 4, mode="lstm", state_size=5, num_layers=2, bidirectional=True, state_outputs=True, projection_size=2)
recurrent(5, 3, 4, mode="lstm", state_size=2, num_layers=2, projection_size=3, lengths=LENGTHS, state_outputs=True)
recurrent(6, 3, 4, mode="lstm", state_size=5, num_layers=2, state_outputs=True, lstm_state_clip_min=-0.2,
          lstm_state_clip_max=0.3)
case("_rnn_param_concat", [(6,), (3,), (4,)], dim=0, ref=lambda *x: np.concatenate(x))
case("_rnn_param_concat", [(2, 3), (2, 1)], label="columns", ref=lambda *x: np.concatenate(x, 1))


# --- alignments -----------------------------------------------------------------------------------
def paths(probabilities, labels, blank):
    """The probability of the labels, path by path: after likes are merged and blanks left out, each spells them."""
    steps, alphabet = probabilities.shape
    total = 0.0
    for path in itertools.product(range(alphabet), repeat=steps):
        spelled = [k for i, k in enumerate(path) if k != blank and (i == 0 or path[i - 1] != k)]
        if spelled == labels:
            total += np.prod([probabilities[t, k] for t, k in enumerate(path)])
    return total


def ctc(data, label, *lengths, use_data_lengths=False, use_label_lengths=False, blank_label="first"):
    lengths = [n.astype(int) for n in lengths]
    steps = lengths.pop(0) if use_data_lengths else [len(data)] * data.shape[1]
    end, blank = (0, 0) if blank_label == "first" else (-1, data.shape[2] - 1)
    found = []
    for i in range(data.shape[1]):
        labels = [int(k) for k in label[i]]
        count = lengths[0][i] if use_label_lengths else (labels + [end]).index(end)
        e = np.exp(data[:steps[i], i])
        chance = paths(e / e.sum(1, keepdims=True), labels[:count], blank)
        found.append(-np.log(chance) if chance > 0 else 0.0)
    return np.array(found)


FIRST, LAST = np.array([[1, 2, 0], [3, 3, 1], [2, 0, 1]], "float32"), np.array([[0, 1, -1], [2, 2, 0], [1, -1, 0]], "float32")
STEPS, COUNTS = np.array([5, 6, 3], "float32"), np.array([2, 3, 1], "float32")
UNINITIALISED = "not asked: MXNet leaves gradients of labels that do not fit as memory was"
case("CTCLoss", [(6, 3, 4), FIRST], ref=ctc, grad=(0,))
case("CTCLoss", [(6, 3, 4), LAST], blank_label="last", ref=ctc, grad=(0,))
case("CTCLoss", [(6, 3, 4), FIRST, STEPS], use_data_lengths=True, ref=ctc, grad=(0,))
case("CTCLoss", [(6, 3, 4), FIRST, COUNTS], use_label_lengths=True, ref=ctc, grad=(0,))
case("CTCLoss", [(6, 3, 4), LAST, STEPS, COUNTS], use_data_lengths=True, use_label_lengths=True, blank_label="last",
     ref=ctc, grad=(0,))
case("CTCLoss", [(6, 3, 4), FIRST.astype("int32"), COUNTS.astype("int64")], use_label_lengths=True, ref=ctc, grad=(0,),
     label="integers", witness="MXNet takes labels and lengths of one dtype only")
case("CTCLoss", [(3, 2, 3), np.array([[1, 1, 1], [0, 0, 0]], "float32")], label="unfit", ref=ctc, grad=(0,), witness=UNINITIALISED)
