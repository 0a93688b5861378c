"""Mixed precision: the policy that eager calls and blocks traced from now on go by."""
from __future__ import annotations

from . import _core
from .symbol.symbol import Symbol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_policy: _core.PrecisionPolicy | None = None


def use(policy: _core.PrecisionPolicy | None) -> None:
    """Makes all threads go by this policy; None: nothing is cast."""
    global _policy
    _policy = policy
    _core.set_eager_precision(policy)


def traced(symbol: Symbol, inputs: Iterable[str]) -> Symbol:
    """What a block traced as `symbol` computes: with casts, where there is a policy. inputs: the variables of its
    arguments, whose types are known when it is called."""
    if _policy is None:
        return symbol
    return Symbol(_core.mix_precision(symbol._core, _policy, set(), set(inputs), set(), False, False))
