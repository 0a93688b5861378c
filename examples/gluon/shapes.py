"""Pictures of coloured shapes, made here: what the programs beside this file learn to tell apart."""
from __future__ import annotations

import numpy as np

KINDS = ("disc", "ring", "square", "cross", "triangle", "bars")


def shape(kind: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where a shape of about radius 1 around the origin is."""
    size = np.maximum(abs(x), abs(y))
    if kind == "disc":
        return x * x + y * y < 1
    if kind == "ring":
        return (x * x + y * y < 1.1) & (x * x + y * y > 0.35)
    if kind == "square":
        return size < 0.85
    if kind == "cross":
        return (np.minimum(abs(x), abs(y)) < 0.33) & (size < 1.1)
    if kind == "triangle":
        return (y < 0.8) & (y > 1.9 * abs(x) - 1)
    return (size < 1) & (np.floor((y + 1) * 2.5) % 2 == 0)


def pictures(count: int, seed: int, kinds: tuple[str, ...] = KINDS, size: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """(count, size, size, 3) bytes and the number of the kind of each: turned, moved and in any colours."""
    rng = np.random.RandomState(seed)
    labels = rng.randint(0, len(kinds), count)
    grid = np.mgrid[-1:1:size * 1j, -1:1:size * 1j]
    images = np.empty((count, size, size, 3), "uint8")
    for image, label in zip(images, labels):
        angle, radius = rng.uniform(-0.4, 0.4), rng.uniform(0.4, 0.75)
        y, x = (grid - rng.uniform(-0.3, 0.3, (2, 1, 1))) / radius
        inside = shape(kinds[label], x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle))
        ground = rng.uniform(0, 200, 3)
        colour = np.where(ground < 100, ground + rng.uniform(60, 120, 3), ground - rng.uniform(60, 120, 3))
        image[:] = np.clip(np.where(inside[..., None], colour, ground) + rng.normal(0, 12, image.shape), 0, 255)
    return images, labels.astype("int32")
