"""Weights and states after twenty updates, and learning rates of schedules, with heddle and the real MXNet: one program for both.

    MXNET_PYTHON tests/witness/optimizers.py SEEN.npz
"""
import sys
import warnings

import numpy as np

STEPS, SHAPES = 20, ((3, 4), (5,), (2, 3, 2))
NAMES = {0: "fc_weight", 1: "fc_bias", 2: "conv_weight"}
COMMON = {"plain": {}, "decay": {"wd": 0.01}, "clip": {"clip_gradient": 0.3, "rescale_grad": 0.5, "wd": 0.001},
          "clip at 0": {"clip_gradient": 0.0, "wd": 0.01}, "later": {"begin_num_update": 3}}
OWN = {
    "sgd": [{}, {"momentum": 0.9}], "ccsgd": [{"momentum": 0.5}], "nag": [{}, {"momentum": 0.9}],
    "signum": [{"momentum": 0}, {}, {"wd_lh": 0.02}], "dcasgd": [{}, {"lamda": 0.1}],  # with momentum MXNet 1.9.1 raises
    "adam": [{}, {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-4}], "adamax": [{}], "nadam": [{}, {"schedule_decay": 0.1}],
    "adagrad": [{}, {"eps": 1e-3}], "adadelta": [{}, {"rho": 0.7}],
    "rmsprop": [{}, {"centered": True}, {"clip_weights": 0.5}, {"centered": True, "gamma2": 0.5, "clip_weights": 0.5}],
    "ftrl": [{}, {"lamda1": 0.1, "beta": 0.5}], "ftml": [{}, {"beta1": 0.8}],
    "lars": [{"momentum": 0.9}, {"eta": 0.01, "eps": 1e-3}], "lamb": [{}, {"lower_bound": 0.5, "upper_bound": 1.0}, {"bias_correction": False}],
    "lbsgd": [{"momentum": 0.9}, {"momentum": 0.9, "batch_scale": 2}, {"warmup_strategy": "lars", "batch_scale": 2}, {"warmup_strategy": "lars"}, {"batch_scale": 2, "warmup_strategy": "sqrt", "updates_per_epoch": 3},
              {"batch_scale": 4, "warmup_strategy": "power2", "updates_per_epoch": 2, "warmup_epochs": 2}],
    "groupadagrad": [{}], "test": [{}],
}
# With a float32 weight beside the half one, and without.
HALVES = {"sgd": [{}, {"momentum": 0.9}], "nag": [{}, {"momentum": 0.9}], "signum": [{}], "dcasgd": [{}], "adam": [{}],
          "adamax": [{}], "nadam": [{}], "adagrad": [{}], "adadelta": [{}], "rmsprop": [{}, {"centered": True}], "lamb": [{}],
          "ftrl": [{}], "ftml": [{}], "lars": [{"momentum": 0.9}], "lbsgd": [{"momentum": 0.9}, {"batch_scale": 2}]}
ALONE = {"sgd": [{}, {"momentum": 0.9}], "nag": [{}, {"momentum": 0.9}], "signum": [{}], "dcasgd": [{}]}  # others keep 1 - beta there, in half precision
RATES = {"sgd": 0.1, "nag": 0.1, "ccsgd": 0.1, "dcasgd": 0.1, "lbsgd": 0.1, "lars": 0.5, "adagrad": 0.1, "groupadagrad": 0.1}
CASES = {f"{name} {own} {common}": (name, {**own, **COMMON[common]}, "float32")
         for name, all_own in OWN.items() for own in all_own for common in COMMON
         if (name != "groupadagrad" or "wd" not in COMMON[common])  # it takes no decay
         and (name, common) != ("adamax", "clip at 0")}  # MXNet divides 0 by 0
CASES.update({f"{name} {own} half": (name, {**own, "multi_precision": True, "wd": 0.01}, "float16")
              for name, all_own in HALVES.items() for own in all_own})
CASES.update({f"{name} {own} half alone": (name, {**own, "wd": 0.01}, "float16")
              for name, all_own in ALONE.items() for own in all_own})
SCHEDULED = ("sgd", "nag", "adam", "lars", "lbsgd")
CASES.update({f"{name} scheduled": (name, {"lr_scheduler": 0.1, **({} if name == "adam" else {"momentum": 0.9})}, "float32")
              for name in SCHEDULED})
# All parameters in one call: MXNet has updates of several for these, and loops for others.
TOGETHER = ("sgd", "nag", "adam", "lars", "lamb", "nadam")
CASES.update({f"{case} together": CASES[case] for case in list(CASES)
              if CASES[case][0] in TOGETHER and not case.endswith("alone")})


def _flat(state):
    if state is None:
        return []
    if isinstance(state, (list, tuple)):
        return [a for s in state for a in _flat(s)]
    return [state.asnumpy()] if hasattr(state, "asnumpy") else []


def _rule(mx, name, options):
    options = dict(options)
    if "lr_scheduler" in options:
        options["lr_scheduler"] = mx.lr_scheduler.FactorScheduler(3, 0.8, base_lr=options["lr_scheduler"])
    elif name in RATES:
        options["learning_rate"] = RATES[name]
    rule = mx.optimizer.create(name, param_idx2name=NAMES, **options)
    rule.set_lr_mult({"conv_weight": 0.5})
    return rule


def updated(mx, name, options, dtype, together=False):
    """The weights and what the states hold, after all steps."""
    rng = np.random.RandomState(3)
    updater = mx.optimizer.get_updater(_rule(mx, name, options))
    weights = [mx.nd.array(rng.uniform(-1, 1, s), dtype=dtype) for s in (SHAPES if name != "groupadagrad" else SHAPES[:1])]
    indices = list(range(len(weights)))
    for _ in range(STEPS):
        grads = [mx.nd.array(rng.uniform(-1, 1, weight.shape), dtype=dtype) for weight in weights]
        if together:
            updater(indices, grads, weights)
            continue
        for step in zip(indices, grads, weights):
            updater(*step)
    return [w.asnumpy() for w in weights] + _flat([updater.states[i] for i in indices])


def moments(mx):
    """SGLD's noise beside its step: mean, deviation and correlation of neighbours, of many weights after some steps."""
    rule = mx.optimizer.create("sgld", learning_rate=0.04, wd=0.1, rescale_grad=0.5, clip_gradient=0.2)
    weight = mx.nd.ones((200000,))
    for _ in range(5):
        rule.update(0, weight, mx.nd.ones((200000,)), None)
    w = weight.asnumpy().astype("float64")
    return np.array([w.mean(), w.std(), np.corrcoef(w[1:], w[:-1])[0, 1]])


ADAMW = [{"wd": 0.1}, {"wd": 0.1, "rescale_grad": 0.5, "clip_gradient": 0.2}, {"wd": 0.0, "correct_bias": False}]


def adamw(mx, options):
    """AdamW, which MXNet 1.9.1 has as an operator only: the same weights and averages by both."""
    rng = np.random.RandomState(5)
    weight, mean, var = mx.nd.array(rng.uniform(-1, 1, (4, 5))), mx.nd.zeros((4, 5)), mx.nd.zeros((4, 5))
    ours = mx.optimizer.create("adamw", learning_rate=0.05, **options) if mx.__name__ != "mxnet" else None
    for t in range(1, STEPS + 1):
        grad = mx.nd.array(rng.uniform(-1, 1, (4, 5)))
        if ours is not None:
            ours.update(0, weight, grad, (mean, var))
            continue
        correction = np.sqrt(1 - 0.999 ** t) / (1 - 0.9 ** t) if options.get("correct_bias", True) else 1.0
        clip = {"clip_gradient": options["clip_gradient"]} if "clip_gradient" in options else {}
        mx.nd.contrib.adamw_update(weight, grad, mean, var, mx.nd.array([options.get("rescale_grad", 1.0)]), out=weight,
                                   lr=correction, eta=0.05, wd=options["wd"], epsilon=1e-6, **clip)
    return [a.asnumpy() for a in (weight, mean, var)]


def rates(mx):
    """A thousand rates of each schedule."""
    s = mx.lr_scheduler
    warm = {"warmup_steps": 30, "warmup_begin_lr": 0.01}
    schedules = {
        "factor": lambda **w: s.FactorScheduler(step=70, factor=0.7, base_lr=0.4, **w),
        "factor, stopped": lambda **w: s.FactorScheduler(step=20, factor=0.5, stop_factor_lr=1e-2, base_lr=0.4, **w),
        "multi": lambda **w: s.MultiFactorScheduler(step=[50, 51, 400], factor=0.3, base_lr=0.4, **w),
        "poly": lambda **w: s.PolyScheduler(max_update=700, base_lr=0.4, pwr=2, **w),
        "poly to": lambda **w: s.PolyScheduler(max_update=700, base_lr=0.4, pwr=1, final_lr=0.03, **w),
        "cosine": lambda **w: s.CosineScheduler(max_update=600, base_lr=0.4, final_lr=0.02, **w),
    }
    found = {}
    for name, make in schedules.items():
        for kind, more in (("", {}), (", warmed up", warm), (", constant first", {**warm, "warmup_mode": "constant"})):
            schedule = make(**more)
            found[name + kind] = [schedule(t) for t in range(1, 1001)]
    return found


def answers(mx):
    warnings.simplefilter("ignore")
    found = {f"rates {name}": np.array(values) for name, values in rates(mx).items()}
    for case, (name, options, dtype) in CASES.items():
        try:
            values = updated(mx, name, options, dtype, case.endswith("together"))
        except Exception as error:  # what MXNet refuses is shown by what is missing
            print(f"{case}: {type(error).__name__} {str(error)[:200]}", file=sys.stderr)
            continue
        for i, value in enumerate(values):
            found[f"{case}/{i}"] = value
    found["sgld"] = moments(mx)
    for k, options in enumerate(ADAMW):
        found.update({f"adamw {k}/{i}": value for i, value in enumerate(adamw(mx, options))})
    return found


if __name__ == "__main__":
    import mxnet
    np.savez(sys.argv[1], **answers(mxnet))
