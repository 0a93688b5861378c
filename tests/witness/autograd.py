"""Small questions about gradients of eager programs, to heddle and to the real MXNet: the same program for both.

    MXNET_PYTHON tests/witness/autograd.py ANSWERS.json
"""
import json
import pathlib
import sys
import warnings

import numpy as np

warnings.filterwarnings("ignore")

QUESTIONS = {}


def question(function):
    QUESTIONS[function.__name__] = function
    return function


def numbers(*arrays):
    return [a.asnumpy().astype("float64").tolist() for a in arrays]


def leaf(mx, *values, **options):
    x = mx.nd.array(values)
    x.attach_grad(**options)
    return x


def doubled(mx, log):
    """A Function that says in which modes its halves run."""
    class Doubled(mx.autograd.Function):
        def forward(self, x):
            log.append(["forward", mx.autograd.is_recording(), mx.autograd.is_training()])
            self.save_for_backward(x)
            return x * 2

        def backward(self, dy):
            log.append(["backward", mx.autograd.is_recording()])
            x, = self.saved_tensors
            return dy * 2 + x * 0

    return Doubled


def modes(mx, train_mode):
    log, x = [], leaf(mx, 1, 2)
    with mx.autograd.record(train_mode=train_mode):
        y = doubled(mx, log)()(x) * x
    y.backward()
    return [log, numbers(y, x.grad)]


@question
def function_in_training(mx):
    return modes(mx, True)


@question
def function_in_prediction(mx):
    return modes(mx, False)


@question
def function_that_is_not_recorded(mx):
    log, x = [], leaf(mx, 1, 2)
    y = doubled(mx, log)()(x)
    return [log, numbers(y)]


@question
def function_used_twice(mx):
    made, x = doubled(mx, [])(), leaf(mx, 1)
    with mx.autograd.record():
        return numbers(made(made(x)))


@question
def function_of_several(mx):
    class Both(mx.autograd.Function):
        def forward(self, a, b):
            return a + b, a * b

        def backward(self, ds, dp):
            return ds + 10 * dp, ds - dp

    a, b = leaf(mx, 1, 2), leaf(mx, 3, 4)
    with mx.autograd.record():
        s, p = Both()(a, b)
        out = 3 * s + p
    out.backward()
    return numbers(s, p, a.grad, b.grad)


@question
def function_with_one_head_used(mx):
    class Both(mx.autograd.Function):
        def forward(self, a):
            return a + 1, a * 2

        def backward(self, first, second):
            return first + 10 * second

    a = leaf(mx, 1, 2)
    with mx.autograd.record():
        _, p = Both()(a)
    p.backward()
    return numbers(a.grad)


@question
def function_with_too_few_gradients(mx):
    class Wrong(mx.autograd.Function):
        def forward(self, a, b):
            return a + b

        def backward(self, dy):
            return dy

    a, b = leaf(mx, 1), leaf(mx, 2)
    with mx.autograd.record():
        y = Wrong()(a, b)
    y.backward()
    return numbers(a.grad)


@question
def third_derivatives(mx):
    x = leaf(mx, 0.3, 1.2)
    found = []
    for f in (mx.nd.exp, mx.nd.sigmoid, mx.nd.sin, mx.nd.log, lambda v: v ** 4):
        with mx.autograd.record():
            y = f(x)
            for _ in range(2):
                y = mx.autograd.grad(y, x, create_graph=True, retain_graph=True)[0]
        y.backward()
        found += numbers(y, x.grad)
    return found


@question
def grad_of_a_list(mx):
    x, y = leaf(mx, 1, 2), leaf(mx, 3, 4)
    with mx.autograd.record():
        z = x * y + x
    return [numbers(*mx.autograd.grad(z, [x, y], head_grads=mx.nd.array([1, 10]))), numbers(x.grad, y.grad)]


@question
def grad_of_an_array(mx):
    x = leaf(mx, 2)
    with mx.autograd.record():
        z = x * x
    found = mx.autograd.grad(z, x)
    return [isinstance(found, list), numbers(*(found if isinstance(found, list) else [found]))]


@question
def grad_of_two_heads(mx):
    x = leaf(mx, 2, 3)
    with mx.autograd.record():
        a, b = x * x, x * 3
    return numbers(*mx.autograd.grad([a, b], [x], head_grads=[mx.nd.array([1, 2]), mx.nd.array([5, 6])]))


@question
def grad_of_what_is_not_used(mx):
    x, y = leaf(mx, 2), leaf(mx, 3)
    with mx.autograd.record():
        z = x * x
    return numbers(*mx.autograd.grad(z, [y]))


@question
def grad_of_what_was_made_on_the_way(mx):
    x = leaf(mx, 2)
    with mx.autograd.record():
        y = x * x
        z = y * 3
    return numbers(*mx.autograd.grad(z, [y]))


@question
def grad_of_a_plain_array(mx):
    x = mx.nd.array([1])
    with mx.autograd.record():
        y = x * x
    return numbers(*mx.autograd.grad(y, [x]))


@question
def backward_twice(mx):
    x = leaf(mx, 2)
    with mx.autograd.record():
        y = x * x
    y.backward()
    y.backward()
    return numbers(x.grad)


@question
def backward_twice_retained(mx):
    x = leaf(mx, 2, grad_req="add")
    with mx.autograd.record():
        y = x * x
    y.backward(retain_graph=True)
    y.backward()
    return numbers(x.grad)


@question
def backward_of_what_was_not_recorded(mx):
    x = leaf(mx, 2)
    (x * x).backward()
    return numbers(x.grad)


@question
def head_gradients(mx):
    x = leaf(mx, 2, 3)
    with mx.autograd.record():
        a, b = x * x, x + 1
    mx.autograd.backward([a, b], [mx.nd.array([1, 2]), None])
    return numbers(x.grad)


@question
def head_gradients_of_another_number(mx):
    x = leaf(mx, 2)
    with mx.autograd.record():
        a = x * x
    mx.autograd.backward([a], [mx.nd.array([1]), None])
    return numbers(x.grad)


@question
def marked_variables(mx):
    x, y = mx.nd.array([2]), mx.nd.array([3])
    gx, gy = mx.nd.ones((1,)), mx.nd.ones((1,))
    mx.autograd.mark_variables([x, y], [gx, gy], ["add", "write"])
    with mx.autograd.record():
        z = x * y
    z.backward()
    return numbers(gx, gy)


@question
def marked_variables_that_want_nothing(mx):
    x, gx = mx.nd.array([2]), mx.nd.ones((1,))
    mx.autograd.mark_variables(x, gx, "null")
    with mx.autograd.record():
        z = x * x
    z.backward()
    return numbers(gx)


@question
def flags(mx):
    ag = mx.autograd
    found = []

    def look():
        found.append([ag.is_recording(), ag.is_training()])

    look()
    with ag.record():
        look()
        with ag.pause():
            look()
            with ag.train_mode():
                look()
        with ag.pause(train_mode=True):
            look()
        with ag.predict_mode():
            look()
        look()
    with ag.record(train_mode=False):
        look()
    found.append([ag.set_recording(True), ag.set_training(True), ag.set_recording(False), ag.set_training(False)])
    look()
    return found


@question
def decorators(mx):
    ag = mx.autograd

    def asked():
        return [ag.is_recording(), ag.is_training()]

    scope = ag.record()
    with scope:
        first = asked()
    with scope:
        return [first, asked()]


@question
def dropout_follows_the_mode(mx):
    x = leaf(mx, *[1.0] * 50)
    found = []
    for training in (True, False):
        with mx.autograd.record(train_mode=training):
            y = mx.nd.Dropout(x, p=0.5)
        found.append(bool((y.asnumpy() == 0).any()))
    with mx.autograd.train_mode():
        found.append(bool((mx.nd.Dropout(x, p=0.5).asnumpy() == 0).any()))
    return found


@question
def symbol_of_a_record(mx):
    x, y = leaf(mx, 1), leaf(mx, 2)
    with mx.autograd.record():
        z = mx.nd.exp(x) * y + x
    s = mx.autograd.get_symbol(z)
    return [len(s.list_arguments()), [n["op"] for n in json.loads(s.tojson())["nodes"]], len(s.list_outputs())]


@question
def detached(mx):
    x = leaf(mx, 2)
    with mx.autograd.record():
        y = x * x
        z = y.detach() * x
        w = mx.nd.BlockGrad(y) * y
    mx.autograd.backward([z, w])
    return numbers(x.grad)


@question
def in_place(mx):
    x = leaf(mx, 2)
    with mx.autograd.record():
        y = x * 2
        y += 1
        y *= x
    y.backward()
    return numbers(y, x.grad)


@question
def a_leaf_in_place(mx):
    x = leaf(mx, 2)
    with mx.autograd.record():
        x += 1
        y = x * x
    y.backward()
    return numbers(x.grad)


@question
def slices(mx):
    x = leaf(mx, 1, 2, 3)
    with mx.autograd.record():
        y = x[1:3] * x[0]
        z = x[2] * y.reshape((2, 1)).T
    z.backward()
    return numbers(x.grad)


@question
def attached_again(mx):
    x = leaf(mx, 2)
    with mx.autograd.record():
        y = x * x
        y.attach_grad()
        z = y * 3
    z.backward()
    return numbers(y.grad, x.grad)


@question
def gradients_of_a_penalty(mx):
    """As of Gulrajani et al. 2017: the loss has a gradient in it."""
    w, x = leaf(mx, 0.5, -0.3), leaf(mx, 1.0, 2.0)
    with mx.autograd.record():
        y = mx.nd.tanh(w * x).sum()
        g = mx.autograd.grad(y, [x], create_graph=True, retain_graph=True)[0]
        loss = y + ((g ** 2).sum() - 1) ** 2
    loss.backward()
    return numbers(g, w.grad)


@question
def gradients_of_gradients_in_blocks(mx):
    found = []
    for hybrid in (False, True):
        net = mx.gluon.nn.HybridSequential()
        net.add(mx.gluon.nn.Dense(2, activation="sigmoid", in_units=2, weight_initializer=mx.init.Constant(0.3)),
                mx.gluon.nn.Dense(1, in_units=2, weight_initializer=mx.init.Constant(-0.7)))
        net.initialize()
        if hybrid:
            net.hybridize()
        x = leaf(mx, [0.2, 0.9])
        with mx.autograd.record():
            g = mx.autograd.grad(net(x), [x], create_graph=True, retain_graph=True)[0]
            loss = (g ** 2).sum()
        loss.backward()
        found += numbers(g, net[0].weight.grad(), net[1].weight.grad())
    return found


def answers(mx):
    found = {}
    for name, ask in QUESTIONS.items():
        try:
            found[name] = ask(mx)
        except Exception:  # what it is called, the two do not agree on
            found[name] = {"raised": True}
    return found


if __name__ == "__main__":
    import mxnet
    np.seterr(all="ignore")
    pathlib.Path(sys.argv[1]).write_text(json.dumps(answers(mxnet)))
