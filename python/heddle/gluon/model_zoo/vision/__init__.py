"""Networks that see images, as they were published: scores (n, classes) of images (n, 3, height, width) that were normalized
with the means (0.485, 0.456, 0.406) and the deviations (0.229, 0.224, 0.225)."""
from __future__ import annotations

from .alexnet import *  # noqa: F403
from .densenet import *  # noqa: F403
from .inception import *  # noqa: F403
from .mobilenet import *  # noqa: F403
from .resnet import *  # noqa: F403
from .squeezenet import *  # noqa: F403
from .vgg import *  # noqa: F403

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Names of models whose functions are called otherwise.
_FUNCTIONS = {"inceptionv3": "inception_v3", "squeezenet1.0": "squeezenet1_0", "squeezenet1.1": "squeezenet1_1",
              **{f"mobilenet{m}": f"mobilenet{m.replace('.', '_')}" for m in ("0.25", "0.5", "0.75", "1.0")},
              **{f"mobilenetv2_{m}": f"mobilenet_v2_{m.replace('.', '_')}" for m in ("0.25", "0.5", "0.75", "1.0")}}
_NAMES = sorted(["alexnet", *(f"densenet{n}" for n in (121, 161, 169, 201)), *_FUNCTIONS,
                 *(f"resnet{n}_v{v}" for n in (18, 34, 50, 101, 152) for v in (1, 2)),
                 *(f"vgg{n}{end}" for n in (11, 13, 16, 19) for end in ("", "_bn"))])


def get_model(name: str, **kwargs: Any) -> Any:
    """A network by its name, in any case: "resnet50_v1", "mobilenet1.0", "squeezenet1.1". Arguments are those of the function
    that makes it. Raises ValueError for other names, and lists those that there are."""
    wanted = name.lower()
    if wanted not in _NAMES:
        raise ValueError(f"Model {name} is not supported. Available options are\n\t" + "\n\t".join(_NAMES))
    return globals()[_FUNCTIONS.get(wanted, wanted)](**kwargs)
