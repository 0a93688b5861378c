#!/usr/bin/env python3
"""Trains what train.R trains, and compares the parameters bit for bit: same_numbers.py RSCRIPT"""
from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile

import heddle as mx
from heddle import nd


def train(prefix: str) -> tuple[mx.mod.Module, nd.NDArray]:
    """50 steps from the seed that train.R sets; saves the model."""
    net = mx.sym.Variable("data")
    net = mx.sym.Convolution(net, kernel=(3, 3), num_filter=4, name="conv")
    net = mx.sym.BatchNorm(net, name="bn", fix_gamma=False)
    net = mx.sym.Activation(net, act_type="tanh", name="act")
    net = mx.sym.FullyConnected(net, num_hidden=3, name="fc")
    net = mx.sym.SoftmaxOutput(net, name="softmax")

    def draw(*shape: int) -> nd.NDArray:
        return nd.random.uniform(-0.5, 0.5, shape=shape)

    mx.random.seed(11)
    data = draw(160, 2, 8, 8)
    label = nd.floor(nd.random.uniform(0, 3, shape=(160,)))
    params = {"conv_weight": draw(4, 2, 3, 3), "conv_bias": draw(4), "bn_gamma": nd.ones((4,)), "bn_beta": nd.zeros((4,)),
              "fc_weight": draw(3, 144), "fc_bias": draw(3)}
    states = {"bn_moving_mean": nd.zeros((4,)), "bn_moving_var": nd.ones((4,))}
    module = mx.mod.Module(net)
    module.fit(mx.io.NDArrayIter(data, label, batch_size=16), num_epoch=5, optimizer="sgd", arg_params=params,
               aux_params=states, initializer=None,
               optimizer_params={"learning_rate": 0.1, "momentum": 0.9})
    module.save_checkpoint(prefix, 5)
    return module, data


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        at = pathlib.Path(folder)
        module, data = train(str(at / "python"))
        subprocess.run([sys.argv[1], str(pathlib.Path(__file__).parent / "train.R"), folder], check=True)
        _, ours, our_states = mx.model.load_checkpoint(str(at / "python"), 5)
        _, theirs, their_states = mx.model.load_checkpoint(str(at / "r"), 5)
        for mine, other in ((ours, theirs), (our_states, their_states)):
            if mine.keys() != other.keys():
                sys.exit(f"found the parameters {sorted(other)}, expected {sorted(mine)}")
            for name in mine:
                if mine[name].shape != other[name].shape or mine[name].tolist() != other[name].tolist():
                    sys.exit(f"{name} differs between R and Python after 50 steps")
        prob = nd.load(str(at / "r.prob"))["prob"]
        if prob.tolist() != module.predict(mx.io.NDArrayIter(data, batch_size=16)).tolist():
            sys.exit("predictions differ between R and Python")
    print("R and Python give the same bits")


if __name__ == "__main__":
    main()
