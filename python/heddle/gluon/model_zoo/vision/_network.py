"""What the networks have in common."""
from __future__ import annotations

import os

from ....base import data_dir
from ....context import cpu
from ...block import HybridBlock
from ...nn import HybridSequential
from ..model_store import get_model_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ....context import Context

ROOT = os.path.join(data_dir(), "models")


class Network(HybridBlock):
    """A network of two parts: `features`, and `output`, which makes the scores of the classes of them."""

    features: Any
    output: Any

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return self.output(self.features(x))


def unnamed() -> HybridSequential:
    """A chain whose layers are named as if they stood where it stands."""
    return HybridSequential(prefix="")


def trained(net: HybridBlock, name: str, pretrained: bool, root: str | os.PathLike[str], ctx: Context | None) -> HybridBlock:
    """The network, with the published parameters of `name` where they are wanted."""
    if pretrained:
        net.load_parameters(get_model_file(name, root=root), ctx=ctx or cpu())
    return net
