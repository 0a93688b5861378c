"""Random programs under autograd.record(): run by test_recorded_programs.py in a process of its own.

    python recorded_programs.py FIRST COUNT

Each seed is a program of operators on leaves, constants, parts, views and results, with writes in place, several heads,
gradients inside of the recording and gradients of gradients. What it computes is compared with finite differences of the
same program run without a tape. A program may be refused with an error; it may not end the process or give another
gradient. Prints how many gradients agreed.
"""
import random
import sys

import numpy as np

import heddle as mx

nd, autograd = mx.nd, mx.autograd
UNARY = [nd.sin, nd.exp, nd.tanh, nd.sigmoid, nd.square, lambda a: nd.log(nd.abs(a) + 1), lambda a: nd.sqrt(a * a + 1),
         lambda a: a * 0.5, lambda a: 1 - a, lambda a: -a, lambda a: a / (1 + a * a), nd.softmax,
         lambda a: nd.relu(a + 0.3), nd.arctan, lambda a: nd.clip(a, -2, 2), nd.identity, lambda a: nd.sign(a) * a]
BINARY = [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / (2 + nd.square(b)),
          nd.elemwise_add, nd.elemwise_mul, nd.broadcast_mul, nd.maximum, nd.minimum,
          lambda a, b: nd.where(b > 0, a, b), lambda a, b: nd.add_n(a, b, a),
          lambda a, b: nd.concat(a, b, dim=0)[1:1 + a.shape[0]], lambda a, b: nd.dot(a, nd.transpose(b)).sum() * a,
          lambda a, b: nd.linalg_gemm2(a, nd.transpose(b)).mean() + b,
          lambda a, b: nd.FullyConnected(a, b, no_bias=True, num_hidden=b.shape[0]).sum() * b]
SHAPED = [lambda a: nd.transpose(nd.transpose(a)), lambda a: a.reshape((-1,)).reshape(a.shape),
          lambda a: nd.broadcast_to(a[0:1], shape=a.shape), lambda a: nd.broadcast_add(a, nd.sum(a, axis=1, keepdims=True)),
          lambda a: a * nd.mean(a), lambda a: nd.flip(a, axis=0), lambda a: nd.stack(a, a, axis=0)[1],
          lambda a: nd.take(a, nd.array([1, 0, 1][:a.shape[0]]), mode="wrap"), lambda a: a[:, 0:1] + a,
          lambda a: nd.slice_axis(nd.concat(a, a, dim=1), axis=1, begin=1, end=1 + a.shape[1])]




def loss_of(seed, leaves):
    """The loss of the program of a seed, and whether it hides something from the gradient on purpose."""
    dice = random.Random(seed)
    shape = leaves[0].shape
    known = leaves + [nd.array(np.random.RandomState(seed + i).uniform(-1, 1, shape), dtype="float64") for i in range(2)]
    hides = False
    for _ in range(dice.randint(2, 9)):
        kind, a, b = dice.random(), dice.choice(known), dice.choice(known)
        if kind < 0.35:
            made = dice.choice(UNARY)(a)
        elif kind < 0.6:
            made = dice.choice(BINARY)(a, b)
        elif kind < 0.75:
            made = dice.choice(SHAPED)(a)
        elif kind < 0.78:
            made, hides = dice.choice([nd.BlockGrad, lambda v: v.detach()])(a) + b, True
        else:
            made = nd.ones(shape, dtype="float64") * 2
            write_in_place(dice.randrange(7), made, a)
        if made.shape == shape:
            known.append(made)
    loss = (leaves[0] * leaves[0] * leaves[1]).sum()  # so that it depends on each leaf, twice on the first
    return loss + sum(((i + 1) * nd.sin(k)).sum() for i, k in enumerate(known[-3:])), hides


def write_in_place(way, to, a):
    if way == 0:
        to += a
    elif way == 1:
        to *= a
    elif way == 2:
        to[0] = a[0]
    elif way == 3:
        to[:, 1:] = a[:, 1:]
    elif way == 4:
        to[[0]] = a[0:1]
    elif way == 5:
        a.copyto(to)
    else:
        nd.elemwise_add(a, to, out=to)


def marked(values):
    """Arrays of these values that want a gradient."""
    leaves = [nd.array(v, dtype="float64") for v in values]
    for leaf in leaves:
        leaf.attach_grad()
    return leaves


def first(seed, values):
    """The gradients of the loss, by a recording."""
    leaves = marked(values)
    with autograd.record():
        loss, hides = loss_of(seed, leaves)
    loss.backward()
    return [leaf.grad.asnumpy() for leaf in leaves], hides


def second(seed, values):
    """The gradients of the sum of d(loss)/d(first leaf), squared."""
    leaves = marked(values)
    with autograd.record():
        loss, hides = loss_of(seed, leaves)
        slope = autograd.grad(loss, leaves[:1], create_graph=True, retain_graph=True)[0]
        if seed % 3 == 0:  # once more through the same graph
            slope = autograd.grad(loss, leaves[:1], create_graph=True, retain_graph=True)[0]
        head = (slope * slope).sum()
    head.backward(retain_graph=seed % 2 == 0)
    if seed % 2 == 0:
        head.backward()
    return [leaf.grad.asnumpy() for leaf in leaves], hides


def slope_of(f, values, seed):
    """Finite differences of f along one coordinate of each leaf: (leaf, place, difference)."""
    dice, step = random.Random(-seed), 1e-5
    for i, value in enumerate(values):
        place = tuple(dice.randrange(n) for n in value.shape)
        moved = []
        for way in (step, -step):
            there = [v.copy() for v in values]
            there[i][place] += way
            moved.append(f(there))
        yield i, place, (moved[0] - moved[1]) / (2 * step)


def plain_loss(seed, values):
    return loss_of(seed, [nd.array(v, dtype="float64") for v in values])[0].asscalar()


def compare(seed, shape):
    """How many gradients of the program of a seed agree with finite differences. Raises when one does not."""
    values = [np.random.RandomState(seed * 7 + i).uniform(-1, 1, shape) for i in range(2)]
    agreed = 0
    pairs = ((first, lambda v: plain_loss(seed, v)), (second, lambda v: (first(seed, v)[0][0] ** 2).sum()))
    for recorded, plain in pairs:
        try:
            found, hides = recorded(seed, values)
            wanted = [] if hides else list(slope_of(plain, values, seed))
        except mx.MXNetError:
            continue
        for i, place, right in wanted:
            if not np.isclose(found[i][place], right, rtol=1e-3, atol=1e-5):
                raise SystemExit(f"seed {seed}: {recorded.__name__} gradient of leaf {i} at {place} is {found[i][place]}, "
                                 f"finite differences say {right}")
            agreed += 1
    return agreed


def main():
    begin, count = int(sys.argv[1]), int(sys.argv[2])
    agreed = sum(compare(seed, (2, 3)) for seed in range(begin, begin + count))
    for seed in range(begin, begin + count // 4):  # nothing to compare: it must only come to its end
        for shape in ((0, 3), (1, 0), (1, 1)):
            for recorded in (first, second):
                try:
                    recorded(seed, [np.zeros(shape)] * 2)
                except (mx.MXNetError, ValueError, IndexError):
                    pass
    print(agreed)


if __name__ == "__main__":
    main()
