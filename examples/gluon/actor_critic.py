"""Advantage actor-critic on a game of its own: catch the ball that falls.

The board has 7 columns and 8 rows; each move the paddle steps left, stays or steps right. Reward 1 for a catch, -1 for a miss.
Mnih et al., Asynchronous Methods for Deep Reinforcement Learning, 2016, with many games at once in the place of threads.

    python examples/gluon/actor_critic.py
"""
from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import heddle as mx
from heddle import autograd, gluon
from heddle.gluon import nn

WIDTH, HEIGHT = 7, 8


class Games:
    """Many games at once, each as long as the ball falls."""

    def __init__(self, count: int, seed: int) -> None:
        self.rng = np.random.RandomState(seed)
        self.count = count
        self.reset()

    def reset(self) -> None:
        self.ball = self.rng.randint(0, WIDTH, self.count)
        self.paddle = self.rng.randint(0, WIDTH, self.count)
        self.row = 0

    def seen(self) -> mx.nd.NDArray:
        """What a player sees: columns of ball and paddle, and the row."""
        eye = np.eye(WIDTH, dtype="float32")
        row = np.full((self.count, 1), self.row / HEIGHT, "float32")
        return mx.nd.array(np.concatenate([eye[self.ball], eye[self.paddle], row], 1))

    def play(self, moves: np.ndarray) -> tuple[np.ndarray, bool]:
        """Rewards of a move (0, 1, 2), and whether the games are over."""
        self.paddle = np.clip(self.paddle + moves - 1, 0, WIDTH - 1)
        self.row += 1
        if self.row < HEIGHT:
            return np.zeros(self.count, "float32"), False
        return np.where(self.ball == self.paddle, 1.0, -1.0).astype("float32"), True


class Player(gluon.HybridBlock):
    """Log-probabilities of the moves, and the value of where it stands."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.body = nn.Dense(64, activation="relu")
            self.policy = nn.Dense(3)
            self.value = nn.Dense(1)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        h = self.body(x)
        return F.log_softmax(self.policy(h)), self.value(h)


def catches(net: Any, games: Games) -> float:
    """The part of games that the player wins, with its best moves."""
    games.reset()
    over = False
    while not over:
        rewards, over = games.play(net(games.seen())[0].argmax(1).asnumpy().astype(int))
    return (rewards > 0).mean()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=260)
    parser.add_argument("--games", type=int, default=64)
    options = parser.parse_args(arguments)
    mx.random.seed(1)
    games, rng = Games(options.games, 1), np.random.RandomState(2)
    net = Player()
    net.initialize(mx.init.Xavier())
    net.hybridize()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01})
    for turn in range(options.rounds):
        games.reset()
        logs, values, over = [], [], False
        with autograd.record():
            while not over:
                log_p, value = net(games.seen())
                draws = log_p.exp().asnumpy().cumsum(1) < rng.uniform(size=(options.games, 1))
                moves = np.minimum(draws.sum(1), 2)
                logs.append((log_p, mx.nd.array(moves)))
                values.append(value)
                rewards, over = games.play(moves)
            target = mx.nd.array(rewards).reshape((-1, 1))  # the game's only reward is its last
            loss: Any = 0
            for (log_p, moves), value in zip(logs, values):
                advantage = target - value
                entropy = -(log_p.exp() * log_p).sum(axis=1)
                chosen = mx.nd.pick(log_p, moves)
                loss = loss - chosen * advantage.detach().reshape((-1,)) + 0.5 * advantage.square().sum(axis=1) - 0.01 * entropy
        loss.backward()
        trainer.step(options.games)
        if turn % 30 == 0:
            print(f"round {turn}: {(rewards > 0).mean():.0%} of the games won")
    found = catches(net, Games(500, 3))
    print(f"{found:.0%} of 500 new games won")
    return 0 if found >= 0.9 else 1


if __name__ == "__main__":
    raise SystemExit(main())
