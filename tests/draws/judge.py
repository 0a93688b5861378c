"""Compares what heddle and MXNet answered to a draw."""
import numpy as np

from .differences import DIFFERENCES

TOLERANCE = {"float16": 2e-2, "float32": 2e-5, "float64": 1e-6}


def findings(draw, ours, theirs):
    """What differs, each in a line that begins with "eager" or "bound"."""
    if "dies" in theirs:
        return [f"MXNet dies (signal {theirs['dies']})"]
    if "hangs" in theirs:
        return [f"MXNet hangs ({theirs['hangs']} s)"]
    return [f"{way}: {line}" for way in theirs for line in compare(draw, ours.get(way, {}), theirs[way])]


def compare(draw, ours, theirs):
    if "raises" in theirs or "raises" in ours:
        if "raises" not in ours:
            yield f"MXNet raises {theirs['raises']}"
        if "raises" not in theirs:
            yield f"heddle raises {ours['raises']}"
        return
    if "backward" in theirs and "backward" not in ours:
        yield f"MXNet's gradient raises {theirs['backward']}"
    if "backward" in ours and "backward" not in theirs:
        yield f"heddle's gradient raises {ours['backward']}"
    for name in sorted({*ours, *theirs} - {"backward"}):
        mine, value = ours.get(name), theirs.get(name)
        if mine is None or value is None:
            if not ("backward" in ours or "backward" in theirs):
                yield f"{name} is missing in {'heddle' if mine is None else 'MXNet'}"
        else:
            yield from compare_arrays(draw, name, mine, value)


def compare_arrays(draw, name, mine, value):
    if mine.shape != value.shape and not (draw.empty and (value.shape, mine.shape) == ((), (1,))):
        yield f"{name} has shape {mine.shape}, in MXNet {value.shape}"
    elif mine.dtype != value.dtype:
        yield f"{name} is {mine.dtype}, in MXNet {value.dtype}"
    elif not draw.shapes_only and value.size:
        gap, at = worst(draw, mine.reshape(value.shape), value)
        if gap > 1:
            yield f"{name} differs: {mine.reshape(value.shape)[at]} at {tuple(int(i) for i in at)}, in MXNet {value[at]} ({gap:.2g} times the tolerance)"


def worst(draw, mine, value):
    """The largest difference in units of the tolerance, and where it is."""
    if value.dtype.kind != "f":
        # Of numbers that are rounded (a spec with a scale), the last place may differ.
        gap = np.abs(mine.astype("float64") - value) / (1.01 if draw.scale > 1 else 0.01)
    else:
        with np.errstate(all="ignore"):
            a, b = mine.astype("float64"), value.astype("float64")
            fine = b[np.isfinite(b)]
            # What was computed in a narrow type is as exact as that.
            kinds = [TOLERANCE[str(x)] for x in (value.dtype, draw.dtype, draw.params.get("dtype")) if str(x) in TOLERANCE]
            near = max(kinds) * draw.scale
            top = min(float(np.abs(fine).max()), 1e4) if fine.size else 1.0
            gap = np.abs(a - b) / (near * (np.abs(b) + (max(1.0, top) if draw.scale > 1 else 1.0)))
            gap = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0, gap)
            gap = np.where(np.isnan(gap), np.inf, gap)
    at = np.unravel_index(int(np.argmax(gap)), gap.shape)
    return float(gap[at]), at


def verdict(draw, ours, theirs):
    """("agreed" | "both raise" | "absent" | "named" | "no answer" | "differs", findings, the entries that explain them).

    There is no answer where MXNet dies or hangs for a reason that no entry names: whether it does may hang on what its
    memory holds, and says nothing of heddle.
    """
    if not theirs:
        return "absent", [], []
    found = findings(draw, ours, theirs)
    if not found:
        return ("both raise" if "raises" in theirs["eager"] else "agreed"), [], []
    entries = [next((e for e in DIFFERENCES if e.explains(draw, f)), None) for f in found]
    left = [f for f, e in zip(found, entries) if e is None]
    used = [e for e in entries if e is not None]
    if left and ("dies" in theirs or "hangs" in theirs):
        return "no answer", left, used
    return ("differs", left, used) if left else ("named", found, used)
