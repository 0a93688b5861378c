"""Weights and states after twenty updates, and learning rates of schedules, with heddle and the real MXNet: one program for both.

    MXNET_PYTHON tests/witness/optimizers.py SEEN.npz
"""
import sys
import warnings

import numpy as np

STEPS, SHAPES = 20, ((3, 4), (5,), (2, 3, 2))
NAMES = {0: "fc_weight", 1: "fc_bias", 2: "conv_weight"}
COMMON = {"plain": {}, "decay": {"wd": 0.01}, "clip": {"clip_gradient": 0.3, "rescale_grad": 0.5, "wd": 0.001}}
OWN = {
    "sgd": [{}, {"momentum": 0.9}], "ccsgd": [{"momentum": 0.5}], "nag": [{}, {"momentum": 0.9}],
    "signum": [{"momentum": 0}, {}, {"wd_lh": 0.02}], "dcasgd": [{}, {"lamda": 0.1}],  # with momentum MXNet 1.9.1 raises
    "adam": [{}, {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-4}], "adamax": [{}], "nadam": [{}, {"schedule_decay": 0.1}],
    "adagrad": [{}, {"eps": 1e-3}], "adadelta": [{}, {"rho": 0.7}],
    "rmsprop": [{}, {"centered": True}, {"clip_weights": 0.5}, {"centered": True, "gamma2": 0.5, "clip_weights": 0.5}],
    "ftrl": [{}, {"lamda1": 0.1, "beta": 0.5}], "ftml": [{}, {"beta1": 0.8}],
    "lars": [{"momentum": 0.9}, {"eta": 0.01, "eps": 1e-3}], "lamb": [{}, {"lower_bound": 0.5, "upper_bound": 1.0}, {"bias_correction": False}],
    "lbsgd": [{"momentum": 0.9}, {"warmup_strategy": "lars"}, {"batch_scale": 2, "warmup_strategy": "sqrt", "updates_per_epoch": 3},
              {"batch_scale": 4, "warmup_strategy": "power2", "updates_per_epoch": 2, "warmup_epochs": 2}],
    "groupadagrad": [{}], "test": [{}],
}
HALVES = {"sgd": [{}, {"momentum": 0.9}], "nag": [{"momentum": 0.9}], "adam": [{}], "lamb": [{}], "ftrl": [{}]}
RATES = {"sgd": 0.1, "nag": 0.1, "ccsgd": 0.1, "dcasgd": 0.1, "lbsgd": 0.1, "lars": 0.5, "adagrad": 0.1, "groupadagrad": 0.1}
CASES = {f"{name} {own} {common}": (name, {**own, **COMMON[common]}, "float32")
         for name, all_own in OWN.items() for own in all_own for common in COMMON
         if name != "groupadagrad" or common == "plain"}  # it takes no decay
CASES.update({f"{name} {own} half": (name, {**own, "multi_precision": True, "wd": 0.01}, "float16")
              for name, all_own in HALVES.items() for own in all_own})


def _flat(state):
    if state is None:
        return []
    if isinstance(state, (list, tuple)):
        return [a for s in state for a in _flat(s)]
    return [state.asnumpy()] if hasattr(state, "asnumpy") else []


def updated(mx, name, options, dtype):
    """The weights and what the states hold, after all steps."""
    rng = np.random.RandomState(3)
    options = dict(options)
    if name in RATES:
        options["learning_rate"] = RATES[name]
    rule = mx.optimizer.create(name, param_idx2name=NAMES, **options)
    rule.set_lr_mult({"conv_weight": 0.5})
    updater = mx.optimizer.get_updater(rule)
    weights = [mx.nd.array(rng.uniform(-1, 1, s), dtype=dtype) for s in (SHAPES if name != "groupadagrad" else SHAPES[:1])]
    for _ in range(STEPS):
        for i, weight in enumerate(weights):
            updater(i, mx.nd.array(rng.uniform(-1, 1, weight.shape), dtype=dtype), weight)
    return [w.asnumpy() for w in weights] + _flat([updater.states[i] for i in range(len(weights))])


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
        for i, value in enumerate(updated(mx, name, options, dtype)):
            found[f"{case}/{i}"] = value
    return found


if __name__ == "__main__":
    import mxnet
    np.savez(sys.argv[1], **answers(mxnet))
