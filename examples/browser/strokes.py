"""Digits as strokes of a pen, bent as hands bend them, and the pictures that the page makes of what is drawn.

Coordinates are x to the right and y down. A drawing is a list of strokes, each an array of points (n, 2). digits.js
has the same picture(): a network trained on these pictures sees in the page what it has learned from.
"""
from __future__ import annotations

import numpy as np

SIDE = 28  # of a picture, in pixels
BOX = 20   # the longer side of a drawing in it
PEN = 1.3  # half the width of the pen, in pixels of the picture


def arc(x: float, y: float, rx: float, ry: float, begin: float, end: float) -> np.ndarray:
    """Part of an ellipse around (x, y); angles in degrees, from the right over the bottom."""
    t = np.radians(np.linspace(begin, end, 24))
    return np.stack([x + rx * np.cos(t), y + ry * np.sin(t)], 1)


def line(*points: tuple[float, float]) -> np.ndarray:
    """Straight pieces, with points between the corners."""
    parts = [np.linspace(a, b, 8) for a, b in zip(points, points[1:])]
    return np.concatenate(parts)


def join(*parts: np.ndarray) -> np.ndarray:
    """One stroke of several pieces."""
    return np.concatenate(parts)


def eight(begin: float, end: float) -> np.ndarray:
    """Part of an 8 in one stroke; 0 to 2 is all of it."""
    t = np.linspace(begin, end, 40) * np.pi
    return np.stack([0.5 + (0.26 + 0.06 * (np.cos(t) < 0)) * np.sin(2 * t), 0.5 - 0.5 * np.cos(t)], 1)


# How each digit is written, in a box of one by one: one or more ways.
SHAPES = [
    [[arc(0.5, 0.5, 0.33, 0.5, -90, 270)], [arc(0.5, 0.5, 0.4, 0.5, -60, 290)]],
    [[line((0.5, 0), (0.5, 1))], [line((0.28, 0.24), (0.55, 0), (0.55, 1))],
     [line((0.28, 0.2), (0.5, 0), (0.5, 1)), line((0.22, 1), (0.8, 1))]],
    [[join(arc(0.5, 0.28, 0.33, 0.28, -170, 35), line((0.7, 0.5), (0.14, 1), (0.88, 1)))],
     [join(arc(0.48, 0.27, 0.34, 0.27, -150, 50), line((0.6, 0.55), (0.25, 0.88)), arc(0.25, 0.88, 0.13, 0.1, 0, -290),
           line((0.38, 0.92), (0.9, 1)))]],
    [[join(arc(0.45, 0.25, 0.32, 0.25, -150, 90), arc(0.45, 0.74, 0.37, 0.26, -90, 150))],
     [join(line((0.18, 0), (0.8, 0), (0.45, 0.4)), arc(0.45, 0.7, 0.36, 0.3, -90, 150))]],
    [[line((0.55, 0), (0.1, 0.64), (0.92, 0.64)), line((0.66, 0.3), (0.66, 1))],
     [line((0.65, 1), (0.65, 0), (0.08, 0.68), (0.92, 0.68))],
     [line((0.2, 0), (0.15, 0.52), (0.85, 0.52)), line((0.74, 0), (0.74, 1))]],
    [[join(line((0.82, 0), (0.25, 0), (0.22, 0.44)), arc(0.45, 0.69, 0.36, 0.31, -130, 145))],
     [join(line((0.26, 0.02), (0.22, 0.46)), arc(0.43, 0.7, 0.37, 0.3, -120, 140)), line((0.28, 0.02), (0.82, 0.02))]],
    [[join(arc(0.75, 0.62, 0.55, 0.62, -95, -180), arc(0.5, 0.72, 0.3, 0.28, 180, -180))],
     [join(line((0.62, 0), (0.26, 0.6)), arc(0.5, 0.73, 0.28, 0.27, 200, -170))]],
    [[line((0.12, 0.02), (0.88, 0.02), (0.42, 1))],
     [line((0.12, 0.02), (0.88, 0.02), (0.42, 1)), line((0.32, 0.5), (0.84, 0.5))],
     [line((0.12, 0.17), (0.14, 0), (0.88, 0), (0.42, 1))],
     [join(line((0.12, 0.04), (0.85, 0.02)), arc(1.05, 1.0, 0.6, 0.98, -110, -180))],
     [join(line((0.12, 0.04), (0.85, 0.02)), arc(1.05, 1.0, 0.6, 0.98, -110, -180)), line((0.3, 0.52), (0.82, 0.48))]],
    [[arc(0.5, 0.24, 0.27, 0.24, -90, 270), arc(0.5, 0.74, 0.33, 0.26, -90, 270)], [eight(0, 2)], [eight(0.15, 1.95)]],
    [[join(arc(0.47, 0.29, 0.3, 0.29, -10, -360), line((0.77, 0.25), (0.72, 1)))],
     [join(arc(0.47, 0.28, 0.3, 0.28, -20, -360), arc(0.3, 0.35, 0.48, 0.65, 0, 100))],
     [arc(0.47, 0.29, 0.28, 0.29, -90, 270), line((0.76, 0.05), (0.74, 1))],
     [join(arc(0.5, 0.25, 0.27, 0.25, -20, -360), line((0.77, 0.25), (0.72, 0.96), (0.25, 1)))]],
]


def bent(strokes: list[np.ndarray], random: np.random.RandomState) -> list[np.ndarray]:
    """A drawing as another hand would make it: leaning, wider, with waves and ends of its own."""
    angle, lean = random.normal(0, 0.13), random.normal(0, 0.2)
    wide, high = np.exp(random.normal(0, 0.24, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[wide, lean], [0, high]])
    size, phase = random.normal(0, 0.042, (2, 2)), random.uniform(0, 2 * np.pi, (2, 2))
    drawing = []
    for s in strokes:
        t = np.linspace(0, np.pi, len(s))[:, None]
        wave = sum(random.normal(0, 0.036 / k, 2) * np.sin(k * t + random.uniform(0, 2 * np.pi, 2)) for k in (1, 2, 3))
        bend = np.stack([(size[i] * np.sin(3 * s + phase[i])).sum(1) for i in range(2)], 1)
        drawing.append((s + wave + bend + random.normal(0, 0.018, 2)) @ matrix.T)
    return drawing


def digit(label: int, random: np.random.RandomState) -> list[np.ndarray]:
    """One drawing of a digit."""
    ways = SHAPES[label]
    return bent(ways[random.randint(len(ways))], random)


def picture(strokes: list[np.ndarray], pen: float = PEN) -> np.ndarray:
    """Pixels in [0, 1] of a drawing, moved and scaled to the middle: (SIDE, SIDE)."""
    points = np.concatenate(strokes)
    low, high = points.min(0), points.max(0)
    scale = BOX / max((high - low).max(), 1e-6)
    middle = (low + high) / 2
    begins, ends = [], []
    for s in strokes:
        s = (s - middle) * scale + SIDE / 2
        begins.append(s[:-1] if len(s) > 1 else s)
        ends.append(s[1:] if len(s) > 1 else s)
    a = np.concatenate(begins).astype("float32")
    d = np.concatenate(ends).astype("float32") - a
    # The distance of each pixel's middle from each straight piece.
    y, x = np.mgrid[:SIDE, :SIDE].astype("float32") + np.float32(0.5)
    dx, dy = x.reshape(-1, 1) - a[:, 0], y.reshape(-1, 1) - a[:, 1]
    along = np.clip((dx * d[:, 0] + dy * d[:, 1]) / np.maximum((d * d).sum(1), 1e-12), 0, 1)
    squares = (dx - along * d[:, 0]) ** 2 + (dy - along * d[:, 1]) ** 2
    return np.clip(pen + 0.5 - np.sqrt(squares.min(1)), 0, 1).reshape(SIDE, SIDE)


def pictures(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (count, 1, SIDE, SIDE) and labels (count,) of digits in turn, with pens of different widths."""
    random = np.random.RandomState(seed)
    labels = np.arange(count) % 10
    made = [picture(digit(k, random), PEN * np.exp(random.normal(0, 0.2))) for k in labels]
    return np.array(made, "float32")[:, None], labels.astype("float32")
