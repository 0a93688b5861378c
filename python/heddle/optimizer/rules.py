"""The update rules. g is the rescaled and clipped gradient, t the number of the update."""
from __future__ import annotations

import math

from ..ndarray import op, random
from .optimizer import Optimizer, register, zeros_like

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..ndarray import NDArray


@register
class SGD(Optimizer):
    """w -= lr * (g + wd * w). With momentum: m = momentum * m - lr * (g + wd * w), w += m."""

    _master_first = False

    def __init__(self, momentum: float = 0.0, lazy_update: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum
        self.lazy_update = lazy_update

    def create_state(self, index: int, weight: NDArray) -> Any:
        return zeros_like(weight) if self.momentum else None

    def update(self, index: int, weight: NDArray, grad: NDArray, state: Any) -> None:
        lr, wd, _ = self._begin(index)
        if state is None:
            op.sgd_update(weight, grad, out=weight, **self._fused(lr=lr, wd=wd))
        else:
            op.sgd_mom_update(weight, grad, state, out=weight,
                              **self._fused(lr=lr, wd=wd, momentum=self.momentum))


@register
class ccSGD(SGD):
    """Another name of SGD."""


@register
class NAG(Optimizer):
    """SGD with Nesterov's momentum: the step is taken from where the momentum leads (Sutskever et al. 2013)."""

    _master_first = False

    def __init__(self, momentum: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum

    def create_state(self, index: int, weight: NDArray) -> Any:
        return zeros_like(weight) if self.momentum else None

    def update(self, index: int, weight: NDArray, grad: NDArray, state: Any) -> None:
        lr, wd, _ = self._begin(index)
        if state is None:
            op.sgd_update(weight, grad, out=weight, **self._fused(lr=lr, wd=wd))
        else:
            op.nag_mom_update(weight, grad, state, out=weight, **self._fused(lr=lr, wd=wd, momentum=self.momentum))


@register
class SGLD(Optimizer):
    """Langevin dynamics: half a gradient step, and noise of variance lr (Welling and Teh 2011)."""

    def update(self, index: int, weight: NDArray, grad: NDArray, state: Any) -> None:
        lr, wd, _ = self._begin(index)
        noise = random.normal(0, math.sqrt(lr), shape=weight.shape, dtype=weight.dtype_name, ctx=weight.context)
        weight += noise - (lr / 2) * (self._gradient(grad) + wd * weight)


@register
class DCASGD(Optimizer):
    """SGD for delayed gradients: corrects by lamda * g * g * (how far the weight has moved since). arXiv:1609.08326"""

    def __init__(self, momentum: float = 0.0, lamda: float = 0.04, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum
        self.lamda = lamda
        self.weight_previous: dict[Any, NDArray] = {}

    def create_state(self, index: int, weight: NDArray) -> Any:
        return (zeros_like(weight) if self.momentum else None), weight.copy()

    def update(self, index: int, weight: NDArray, grad: NDArray, state: Any) -> None:
        lr, wd, _ = self._begin(index)
        momentum, previous = state
        g = self._gradient(grad)
        step = -lr * (g + wd * weight + self.lamda * g * g * (weight - previous))
        if momentum is not None:
            momentum *= self.momentum
            momentum += step
            step = momentum
        weight._copyto(previous)
        weight += step


@register
class Signum(Optimizer):
    """Steps of the size lr in the direction of the sign of the momentum. arXiv:1802.04434

    Without momentum, of the sign of the gradient. wd_lh is weight decay apart from the gradient.
    """

    def __init__(self, learning_rate: float = 0.01, momentum: float = 0.9, wd_lh: float = 0.0, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.momentum = momentum
        self.wd_lh = wd_lh

    def create_state(self, index: int, weight: NDArray) -> Any:
        return zeros_like(weight) if self.momentum else None

    def update(self, index: int, weight: NDArray, grad: NDArray, state: Any) -> None:
        lr, wd, _ = self._begin(index)
        if state is None:
            op.signsgd_update(weight, grad, out=weight, **self._fused(lr=lr, wd=wd))
        else:
            op.signum_update(weight, grad, state, out=weight,
                             **self._fused(lr=lr, wd=wd, momentum=self.momentum, wd_lh=self.wd_lh))


@register
class Adam(Optimizer):
    """Steps scaled by running means m of the gradient and v of its square. arXiv:1412.6980

    w -= lr * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon), with weight decay added to g.
    """

    def __init__(self, learning_rate: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8,
                 lazy_update: bool = True, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.lazy_update = lazy_update

    def create_state(self, index: int, weight: NDArray) -> Any:
        return zeros_like(weight), zeros_like(weight)

    def update(self, index: int, weight: NDArray, grad: NDArray, state: Any) -> None:
        lr, wd, t = self._begin(index)
        lr *= math.sqrt(1 - self.beta2 ** t) / (1 - self.beta1 ** t)
        op.adam_update(weight, grad, *state, out=weight,
                       **self._fused(lr=lr, wd=wd, beta1=self.beta1, beta2=self.beta2, epsilon=self.epsilon))


def _average(running: NDArray, value: Any, keep: float) -> None:
    """running = keep * running + (1 - keep) * value, in place."""
    running *= keep
    running += (1 - keep) * value


@register
class Adamax(Optimizer):
    """Adam with the largest gradient seen in place of the mean square. arXiv:1412.6980, section 7"""

    def __init__(self, learning_rate: float = 0.002, beta1: float = 0.9, beta2: float = 0.999, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2

    def create_state(self, index: int, weight: NDArray) -> Any:
        return zeros_like(weight), zeros_like(weight)

    def update(self, index: int, weight: NDArray, grad: NDArray, state: Any) -> None:
        lr, wd, t = self._begin(index)
        lr /= 1 - self.beta1 ** t
        g = self._gradient(grad, weight, wd)
        mean, largest = state
        _average(mean, g, self.beta1)
        op.broadcast_maximum(self.beta2 * largest, op.abs(g), out=largest)
        weight -= lr * mean / (largest + 1e-8)  # a gradient that is always zero moves nothing


@register
class Nadam(Optimizer):
    """Adam with Nesterov's momentum; one momentum schedule is shared by all parameters (Dozat 2016)."""

    def __init__(self, learning_rate: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8,
                 schedule_decay: float = 0.004, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.schedule_decay = schedule_decay
        self.m_schedule = 1.0

    def create_state(self, index: int, weight: NDArray) -> Any:
        return zeros_like(weight), zeros_like(weight)

    def _momentum(self, t: int) -> float:
        return self.beta1 * (1.0 - 0.5 * 0.96 ** (t * self.schedule_decay))

    def update(self, index: int, weight: NDArray, grad: NDArray, state: Any) -> None:
        lr, wd, t = self._begin(index)
        g = self._gradient(grad, weight, wd)
        now, following = self._momentum(t), self._momentum(t + 1)
        self.m_schedule *= now
        mean, square = state
        _average(mean, g, self.beta1)
        _average(square, g * g, self.beta2)
        step = (1 - now) / (1 - self.m_schedule) * g + following / (1 - self.m_schedule * following) * mean
        weight -= lr * step / (op.sqrt(square / (1 - self.beta2 ** t)) + self.epsilon)


@register
class AdaGrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients (Duchi et al. 2011)."""

    def __init__(self, eps: float = 1e-7, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.float_stable_eps = eps

    def create_state(self, index: int, weight: NDArray) -> Any:
        return zeros_like(weight)

    def update(self, index: int, weight: NDArray, grad: NDArray, state: Any) -> None:
        lr, wd, _ = self._begin(index)
        g = self._gradient(grad)
        state += g * g
        weight -= lr * (g / op.sqrt(state + self.float_stable_eps) + wd * weight)


@register
class AdaDelta(Optimizer):
    """Steps as large as past steps were, relative to the gradients; has no learning rate. arXiv:1212.5701"""

    def __init__(self, rho: float = 0.90, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rho = rho
        self.epsilon = epsilon

    def create_state(self, index: int, weight: NDArray) -> Any:
        return zeros_like(weight), zeros_like(weight)

    def update(self, index: int, weight: NDArray, grad: NDArray, state: Any) -> None:
        _, wd, _ = self._begin(index)
        g = self._gradient(grad)
        gradients, steps = state
        _average(gradients, g * g, self.rho)
        step = op.sqrt(steps + self.epsilon) / op.sqrt(gradients + self.epsilon) * g
        _average(steps, step * step, self.rho)
        weight -= step + wd * weight


@register
class RMSProp(Optimizer):
    """Steps divided by the running root mean square of the gradient (Tieleman and Hinton 2012).

    `centered` takes out the mean of the gradient, and adds momentum gamma2: arXiv:1308.0850, equations 38 to 45.
    Weights stay within clip_weights, if that is given.
    """

    def __init__(self, learning_rate: float = 0.001, gamma1: float = 0.9, gamma2: float = 0.9, epsilon: float = 1e-8,
                 centered: bool = False, clip_weights: float | None = None, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.gamma1 = gamma1
        self.gamma2 = gamma2
        self.epsilon = epsilon
        self.centered = centered
        self.clip_weights = clip_weights

    def create_state(self, index: int, weight: NDArray) -> Any:
        return tuple(zeros_like(weight) for _ in range(3 if self.centered else 1))

    def update(self, index: int, weight: NDArray, grad: NDArray, state: Any) -> None:
        lr, wd, _ = self._begin(index)
        params = self._fused(lr=lr, wd=wd, gamma1=self.gamma1, epsilon=self.epsilon)
        if self.clip_weights:
            params["clip_weights"] = self.clip_weights
        if self.centered:
            params["gamma2"] = self.gamma2
            op.rmspropalex_update(weight, grad, *state, out=weight, **params)
        else:
            op.rmsprop_update(weight, grad, *state, out=weight, **params)


@register
class Ftrl(Optimizer):
    """Follows the regularised leader; lamda1 drives weights to exactly zero (McMahan et al. 2013)."""

    def __init__(self, lamda1: float = 0.01, learning_rate: float = 0.1, beta: float = 1, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.lamda1 = lamda1
        self.beta = beta

    def create_state(self, index: int, weight: NDArray) -> Any:
        return zeros_like(weight), zeros_like(weight)

    def update(self, index: int, weight: NDArray, grad: NDArray, state: Any) -> None:
        lr, wd, _ = self._begin(index)
        op.ftrl_update(weight, grad, *state, out=weight, **self._fused(lr=lr, wd=wd, lamda1=self.lamda1, beta=self.beta))


@register
class FTML(Optimizer):
    """Follows the moving leader (Zheng and Kwok 2017)."""

    def __init__(self, beta1: float = 0.6, beta2: float = 0.999, epsilon: float = 1e-8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon

    def create_state(self, index: int, weight: NDArray) -> Any:
        return zeros_like(weight), zeros_like(weight), zeros_like(weight)

    def update(self, index: int, weight: NDArray, grad: NDArray, state: Any) -> None:
        lr, wd, t = self._begin(index)
        params: dict[str, Any] = {"lr": lr, "wd": wd, "t": t, "beta1": self.beta1, "beta2": self.beta2, "epsilon": self.epsilon,
                                  "rescale_grad": self.rescale_grad}
        if self.clip_gradient:
            params["clip_grad"] = self.clip_gradient
        op.ftml_update(weight, grad, *state, out=weight, **params)


@register
class LARS(SGD):
    """SGD whose rate is scaled per layer by the ratio of the norms of weight and gradient. arXiv:1708.03888

    lr * eta * |w| / (|g| + wd * |w| + eps); as it is for gamma, beta and bias.
    """

    def __init__(self, momentum: float = 0.0, lazy_update: bool = True, eta: float = 0.001, eps: float = 0,
                 momentum_correction: bool = True, **kwargs: Any) -> None:
        super().__init__(momentum, lazy_update, **kwargs)
        self.eta = eta
        self.eps = eps
        self.momentum_correction = momentum_correction
        self.last_lr: float | None = None
        self.cur_lr: float | None = None

    def _scaled(self, index: int, weight: NDArray, grad: NDArray, lr: float, wd: float) -> float:
        name = self.idx2name.get(index, str(index))
        if name.endswith(("gamma", "beta", "bias")):
            return lr
        w = weight.norm().item()
        g = grad.norm().item() * self.rescale_grad
        return lr * self.eta * w / (g + wd * w + self.eps) if w > 0 and g > 0 else lr

    def update(self, index: int, weight: NDArray, grad: NDArray, state: Any) -> None:
        lr, wd, _ = self._begin(index)
        rate = self.learning_rate  # before the factors of parameters
        self.last_lr, self.cur_lr = rate if self.cur_lr is None else self.cur_lr, rate
        momentum = self.momentum
        if self.momentum_correction and self.last_lr:
            momentum *= self.cur_lr / self.last_lr
        lr = self._scaled(index, weight, grad, lr, wd)
        if state is None:
            op.sgd_update(weight, grad, out=weight, **self._fused(lr=lr, wd=wd))
        else:
            op.sgd_mom_update(weight, grad, state, out=weight, **self._fused(lr=lr, wd=wd, momentum=momentum))


@register
class LBSGD(Optimizer):
    """SGD for large batches: gradients of batch_scale updates make one step, at a rate that grows while training warms up.

    The rate's factor goes from 1 to batch_scale within warmup_epochs of updates_per_epoch: "linear", as the square
    ("power2") or the root ("sqrt") of the part that is over; "lars" takes the ratio of norms of weight and gradient, within
    0.01 and 100, in its place (arXiv:1708.03888).
    """

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
        self._sums: dict[Any, tuple[NDArray | None, int]] = {}  # by index: the gradients of a step, updates so far

    def create_state(self, index: int, weight: NDArray) -> Any:
        return zeros_like(weight) if self.momentum else None

    def _warm(self, updates: int) -> float:
        """The rate's factor."""
        whole = self.warmup_epochs * self.updates_per_epoch
        if updates >= whole:
            return float(self.batch_scale)
        shapes = {"linear": 1.0, "power2": 2.0, "sqrt": 0.5}
        if whole <= 1 or self.warmup_strategy not in shapes:
            return 1.0
        return 1.0 + (self.batch_scale - 1) * (updates / whole) ** shapes[self.warmup_strategy]

    @staticmethod
    def _ratio(weight: NDArray, grad: NDArray, wd: float) -> float:
        w, g = (weight * weight).sum().item(), (grad * grad).sum().item()
        return min(max(math.sqrt(w / (g + wd * w + 1e-18)), 0.01), 100.0)

    def update(self, index: int, weight: NDArray, grad: NDArray, state: Any) -> None:
        lr, wd, _ = self._begin(index)
        waiting, updates = self._sums.get(index, (None, self.init_updates))
        grad = grad.copy() if waiting is None else waiting + grad
        updates += 1
        if updates % self.batch_scale:
            self._sums[index] = grad, updates
            lr = 0.0
        else:
            self._sums[index] = None, updates
            grad = grad / self.batch_scale
            lr *= self._ratio(weight, grad, wd) if self.warmup_strategy == "lars" else self._warm(updates)
        if state is None:
            op.sgd_update(weight, grad, out=weight, **self._fused(lr=lr, wd=wd))
        else:
            op.sgd_mom_update(weight, grad, state, out=weight, **self._fused(lr=lr, wd=wd, momentum=self.momentum))


@register
class LAMB(Optimizer):
    """Adam's direction, with a step in proportion to the norm of the weight. arXiv:1904.00962

    The norm is held between lower_bound and upper_bound, where they are given.
    """

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

    def create_state(self, index: int, weight: NDArray) -> Any:
        return zeros_like(weight), zeros_like(weight)

    def update(self, index: int, weight: NDArray, grad: NDArray, state: Any) -> None:
        lr, wd, t = self._begin(index)
        direction = op.lamb_update_phase1(weight, grad, *state, **self._fused(
            wd=wd, t=t, beta1=self.beta1, beta2=self.beta2, epsilon=self.epsilon, bias_correction=self.bias_correction))
        bounds = {"lower_bound": self.lower_bound, "upper_bound": self.upper_bound}
        op.lamb_update_phase2(weight, direction, weight.norm(), direction.norm(), out=weight, lr=lr,
                              **{name: value for name, value in bounds.items() if value})


@register
class Test(Optimizer):
    """Adds the gradient, and shows the weight as its state: for tests."""

    def create_state(self, index: int, weight: NDArray) -> Any:
        return zeros_like(weight)

    def update(self, index: int, weight: NDArray, grad: NDArray, state: Any) -> None:
        weight += grad * self.rescale_grad
        weight._copyto(state)
