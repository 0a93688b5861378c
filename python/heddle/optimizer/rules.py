"""The update rules, which are the library's: a class says how a rule's parameters are called. g is the rescaled and clipped
gradient, t the number of the update."""
from __future__ import annotations

from .optimizer import Optimizer, register

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..ndarray import NDArray


def _same(*names: str) -> dict[str, str]:
    """Parameters that the attributes of the same names hold."""
    return dict(zip(names, names))


@register
class SGD(Optimizer):
    """w -= lr * (g + wd * w). With momentum: m = momentum * m - lr * (g + wd * w), w += m."""

    _rule = "sgd"
    _settings = _same("momentum")
    _master_first = False
    aggregate_num = 4

    def __init__(self, momentum: float = 0.0, lazy_update: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum
        self.lazy_update = lazy_update


@register
class ccSGD(SGD):
    """Another name of SGD."""


@register
class NAG(Optimizer):
    """SGD with Nesterov's momentum: the step is taken from where the momentum leads (Sutskever et al. 2013)."""

    _rule = "nag"
    _settings = _same("momentum")
    _master_first = False

    def __init__(self, momentum: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum


@register
class SGLD(Optimizer):
    """Langevin dynamics: half a gradient step, and noise of variance lr (Welling and Teh 2011)."""

    _rule = "sgld"


@register
class DCASGD(Optimizer):
    """SGD for delayed gradients: corrects by lamda * g * g * (how far the weight has moved since). arXiv:1609.08326"""

    _rule = "dcasgd"
    _settings = _same("momentum", "lamda")

    def __init__(self, momentum: float = 0.0, lamda: float = 0.04, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum
        self.lamda = lamda
        self.weight_previous: dict[Any, NDArray] = {}


@register
class Signum(Optimizer):
    """Steps of the size lr in the direction of the sign of the momentum. arXiv:1802.04434

    Without momentum, of the sign of the gradient. wd_lh is weight decay apart from the gradient.
    """

    _rule = "signum"
    _settings = _same("momentum", "wd_lh")

    def __init__(self, learning_rate: float = 0.01, momentum: float = 0.9, wd_lh: float = 0.0, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.momentum = momentum
        self.wd_lh = wd_lh


@register
class Adam(Optimizer):
    """Steps scaled by running means m of the gradient and v of its square. arXiv:1412.6980

    w -= lr * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon), with weight decay added to g.
    """

    _rule = "adam"
    _settings = _same("beta1", "beta2", "epsilon")

    def __init__(self, learning_rate: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8,
                 lazy_update: bool = True, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.lazy_update = lazy_update


@register
class AdamW(Adam):
    """Adam with the weight decay outside the gradient. arXiv:1711.05101

    w -= lr * (correction * m / (sqrt(v) + epsilon) + wd * w), where correct_bias makes the correction that of Adam, else 1.
    """

    _rule = "adamw"
    _settings = _same("beta1", "beta2", "epsilon", "correct_bias")

    def __init__(self, learning_rate: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-6,
                 correct_bias: bool = True, **kwargs: Any) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, **kwargs)
        self.correct_bias = correct_bias


@register
class Adamax(Optimizer):
    """Adam with the largest gradient seen in place of the mean square. arXiv:1412.6980, section 7"""

    _rule = "adamax"
    _settings = _same("beta1", "beta2")

    def __init__(self, learning_rate: float = 0.002, beta1: float = 0.9, beta2: float = 0.999, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2


@register
class Nadam(Optimizer):
    """Adam with Nesterov's momentum; one momentum schedule is shared by all parameters (Dozat 2016)."""

    _rule = "nadam"
    _settings = _same("beta1", "beta2", "epsilon", "schedule_decay")

    def __init__(self, learning_rate: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8,
                 schedule_decay: float = 0.004, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.schedule_decay = schedule_decay
        self.m_schedule = 1.0


@register
class AdaGrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients (Duchi et al. 2011)."""

    _rule = "adagrad"
    _settings = {"eps": "float_stable_eps"}

    def __init__(self, eps: float = 1e-7, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.float_stable_eps = eps


@register
class AdaDelta(Optimizer):
    """Steps as large as past steps were, relative to the gradients; has no learning rate. arXiv:1212.5701"""

    _rule = "adadelta"
    _settings = _same("rho", "epsilon")

    def __init__(self, rho: float = 0.90, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rho = rho
        self.epsilon = epsilon


@register
class RMSProp(Optimizer):
    """Steps divided by the running root mean square of the gradient (Tieleman and Hinton 2012).

    `centered` takes out the mean of the gradient, and adds momentum gamma2: arXiv:1308.0850, equations 38 to 45.
    Weights stay within clip_weights, if that is given.
    """

    _rule = "rmsprop"
    _settings = _same("gamma1", "gamma2", "epsilon", "centered", "clip_weights")
    _one_in_tuple = True

    def __init__(self, learning_rate: float = 0.001, gamma1: float = 0.9, gamma2: float = 0.9, epsilon: float = 1e-8,
                 centered: bool = False, clip_weights: float | None = None, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.gamma1 = gamma1
        self.gamma2 = gamma2
        self.epsilon = epsilon
        self.centered = centered
        self.clip_weights = clip_weights


@register
class Ftrl(Optimizer):
    """Follows the regularised leader; lamda1 drives weights to exactly zero (McMahan et al. 2013)."""

    _rule = "ftrl"
    _settings = _same("lamda1", "beta")

    def __init__(self, lamda1: float = 0.01, learning_rate: float = 0.1, beta: float = 1, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.lamda1 = lamda1
        self.beta = beta


@register
class FTML(Optimizer):
    """Follows the moving leader (Zheng and Kwok 2017)."""

    _rule = "ftml"
    _settings = _same("beta1", "beta2", "epsilon")

    def __init__(self, beta1: float = 0.6, beta2: float = 0.999, epsilon: float = 1e-8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon


@register
class LARS(SGD):
    """SGD whose rate is scaled per layer by the ratio of the norms of weight and gradient. arXiv:1708.03888

    lr * eta * |w| / (|g| + wd * |w| + eps); as it is for gamma, beta and bias.
    """

    _rule = "lars"
    _settings = _same("momentum", "eta", "eps", "momentum_correction")

    def __init__(self, momentum: float = 0.0, lazy_update: bool = True, eta: float = 0.001, eps: float = 0,
                 momentum_correction: bool = True, **kwargs: Any) -> None:
        super().__init__(momentum, lazy_update, **kwargs)
        self.eta = eta
        self.eps = eps
        self.momentum_correction = momentum_correction
        self.last_lr: float | None = None
        self.cur_lr: float | None = None

    @staticmethod
    def _decays(name: str) -> bool:
        return name.endswith("_weight")


@register
class LBSGD(Optimizer):
    """SGD for large batches: gradients of batch_scale updates make one step, at a rate that grows while training warms up.

    The rate's factor goes from 1 to batch_scale within warmup_epochs of updates_per_epoch: "linear", as the square
    ("power2") or the root ("sqrt") of the part that is over; "lars" takes the ratio of norms of weight and gradient, within
    0.01 and 100, in its place (arXiv:1708.03888).
    """

    _rule = "lbsgd"
    _settings = _same("momentum", "warmup_strategy", "warmup_epochs", "batch_scale", "updates_per_epoch", "begin_epoch")

    def __init__(self, momentum: float = 0.0, multi_precision: bool = False, warmup_strategy: str = "linear",
                 warmup_epochs: int = 5, batch_scale: float = 1, updates_per_epoch: int = 32, begin_epoch: int = 0,
                 num_epochs: int = 60, **kwargs: Any) -> None:
        super().__init__(multi_precision=multi_precision, **kwargs)
        self.momentum = momentum
        self.warmup_strategy = warmup_strategy
        self.warmup_epochs = warmup_epochs
        self.batch_scale = batch_scale
        self.updates_per_epoch = updates_per_epoch
        self.init_updates = begin_epoch * updates_per_epoch
        self.num_epochs = num_epochs
        self.cumgrads: dict[Any, dict[str, Any]] = {}  # by index: the sum of gradients, and of how many updates

    @property
    def begin_epoch(self) -> float:
        """The epoch that training begins with."""
        return self.init_updates / self.updates_per_epoch if self.init_updates else 0

    def create_state(self, index: Any, weight: NDArray) -> Any:
        made = self._native().make_states(weight)
        return made[0] if self.momentum else None  # the sum is no state

    def _sum(self, index: Any, weight: NDArray) -> NDArray:
        """What the gradients of a parameter are added to."""
        kept = self.cumgrads.setdefault(index, {"cum_grad": 0, "num_cums": self.init_updates})
        if not hasattr(kept["cum_grad"], "asnumpy"):  # 0, as in MXNet's pickles
            exact = weight.astype("float32") if self._is_half(weight) else weight
            kept["cum_grad"] = self._native().make_states(exact)[-1]
        kept["num_cums"] += 1
        return kept["cum_grad"]

    def _run(self, index: Any, weight: Any, grad: Any, state: Any, precise: bool) -> None:
        if self.batch_scale > 1:
            if not isinstance(index, (list, tuple)):
                index, weight, grad, state = [index], [weight], [grad], [state]
            sums = [self._sum(i, w) for i, w in zip(index, weight)]
            halves = [precise and self._is_half(w) for w in weight]
            state = [(s[0], (s[1], total)) if half else (s, total) for s, total, half in zip(state, sums, halves)]
        super()._run(index, weight, grad, state, precise)

    def _numbers(self, index: Any) -> tuple[float, Sequence[float], Sequence[float]]:
        # Unlike in other rules a schedule sees the number of the update before.
        indices = index if isinstance(index, (list, tuple)) else [index]
        rate, lrs, wds = self.learning_rate, [self._get_lr(i) for i in indices], [self._get_wd(i) for i in indices]
        self._update_count(index)
        return rate, lrs, wds


@register
class LAMB(Optimizer):
    """Adam's direction, with a step in proportion to the norm of the weight. arXiv:1904.00962

    The norm is held between lower_bound and upper_bound, where they are given.
    """

    _rule = "lamb"
    _settings = _same("beta1", "beta2", "epsilon", "lower_bound", "upper_bound", "bias_correction")
    aggregate_num = 45

    def __init__(self, learning_rate: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-6,
                 lower_bound: float | None = None, upper_bound: float | None = None, bias_correction: bool = True,
                 **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.lower_bound = lower_bound
        self.upper_bound = upper_bound
        self.bias_correction = bias_correction


@register
class Test(Optimizer):
    """Adds the gradient, and shows the weight as its state: for tests."""

    _rule = "test"
