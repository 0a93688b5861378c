"""Learning rates by the number of updates."""
import math

import pytest

from heddle.lr_scheduler import CosineScheduler, FactorScheduler, LRScheduler, MultiFactorScheduler, PolyScheduler


def test_factor():
    s = FactorScheduler(10, 0.5, stop_factor_lr=0.2, base_lr=1.0)
    assert [s(n) for n in (1, 10, 11, 20, 21, 100)] == [1, 1, 0.5, 0.5, 0.25, 0.2]


def test_multi_factor():
    s = MultiFactorScheduler([5, 8], 0.1, base_lr=1.0)
    assert [round(s(n), 6) for n in (1, 5, 6, 8, 9, 50)] == [1, 1, 0.1, 0.1, 0.01, 0.01]


def test_poly_and_cosine():
    s = PolyScheduler(10, base_lr=1.0, pwr=2, final_lr=0.1)
    assert [round(s(n), 6) for n in (0, 5, 10, 20)] == [1, round(0.1 + 0.9 * 0.25, 6), 0.1, 0.1]
    s = CosineScheduler(10, base_lr=1.0, final_lr=0.2)
    assert [round(s(n), 6) for n in (0, 5, 10, 11)] == [1, 0.6, 0.2, 0.2]
    assert s(11) == pytest.approx(0.2 + 0.8 * (1 + math.cos(math.pi)) / 2)


def test_warmup():
    s = CosineScheduler(20, base_lr=1.0, warmup_steps=10, warmup_begin_lr=0.5)
    assert [s(0), s(5), s(10)] == [0.5, 0.75, 1.0] and s(15) == pytest.approx(0.5)
    s = FactorScheduler(100, base_lr=1.0, warmup_steps=4, warmup_begin_lr=0.25, warmup_mode="constant")
    assert [s(0), s(3), s(4)] == [0.25, 0.25, 1.0]


@pytest.mark.parametrize("make", [
    lambda: FactorScheduler(0), lambda: FactorScheduler(1, 1.5), lambda: MultiFactorScheduler([3, 2]),
    lambda: MultiFactorScheduler([]), lambda: MultiFactorScheduler([0]), lambda: PolyScheduler(0),
    lambda: LRScheduler(0.1, warmup_steps=-1), lambda: LRScheduler(0.1, warmup_begin_lr=1),
    lambda: LRScheduler(0.1, warmup_mode="odd")])
def test_bad_settings(make):
    with pytest.raises(ValueError):
        make()
