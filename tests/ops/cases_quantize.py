"""Numbers of 8 bits."""
import numpy as np

from .case import case

LOW, HIGH = np.array([-2.0]), np.array([3.0])


def eight_bits(x, reach, is_signed, levels):
    ends = (-128, 127) if is_signed else (0, 255)
    return np.clip(np.rint(x * (levels / reach)), *ends)


def quantize(x, low, high, out_type="uint8"):
    reach = max(abs(low[0]), abs(high[0]))
    y = eight_bits(x, reach, out_type == "int8", 127 if out_type == "int8" else 255)
    return [y, [-reach], [reach]] if out_type == "int8" else [y, low, high]


def quantize_v2(x, out_type="int8", min_calib_range=None, max_calib_range=None):
    low, high = (x.min(), x.max()) if min_calib_range is None else (min_calib_range, max_calib_range)
    is_signed = out_type == "int8" or out_type == "auto" and (min_calib_range is None or low < 0)
    reach = max(abs(low), abs(high))
    y = eight_bits(x, reach, is_signed, 127.5 if is_signed else 255.5)
    return [y, [-reach if is_signed else low], [reach if is_signed else high]]


def integers(kind, low, high):
    return lambda rng: rng.integers(low, high, (40, 7)).astype(kind)


def dequantize(q, low, high):
    return q * (max(abs(low[0]), abs(high[0])) / (127.5 if q.dtype == np.int8 else 255.5))


def requantize(q, low, high, out_type="int8", min_calib_range=None, max_calib_range=None):
    x = q * (max(abs(low[0]), abs(high[0])) / (2 ** 31 - 1))
    low, high = (x.min(), x.max()) if min_calib_range is None else (min_calib_range, max_calib_range)
    reach, is_signed = max(abs(low), abs(high)), out_type == "int8" or out_type == "auto" and low < 0
    return [eight_bits(x, reach, is_signed, 127 if is_signed else 255), [-reach if is_signed else low], [reach if is_signed else high]]


for kind in ("int8", "uint8"):
    case("_contrib_quantize", [(40, 7), LOW, HIGH], low=-4, high=4, out_type=kind, dtypes=(), ref=quantize)
    case("_contrib_quantize_v2", [(40, 7)], low=-4, high=4, out_type=kind, dtypes=(), ref=quantize_v2)
    case("_contrib_dequantize", [integers(kind, *((-128, 128) if kind == "int8" else (0, 256))), LOW, HIGH], ref=dequantize, dtypes=(), rtol=1e-6)
for kind in ("int8", "uint8", "auto"):
    case("_contrib_quantize_v2", [(40, 7)], low=-4, high=4, out_type=kind, min_calib_range=-2.0, max_calib_range=3.0, dtypes=(),
         ref=quantize_v2)
    case("_contrib_requantize", [integers("int32", -2**31, 2**31 - 1), LOW, HIGH], out_type=kind,
         min_calib_range=-1.0 if kind == "int8" else 0.0, max_calib_range=2.0, ref=requantize, dtypes=(), rtol=1e-6)
case("_contrib_quantize_v2", [(40, 7)], low=-4, high=4, out_type="auto", min_calib_range=0.0, max_calib_range=3.0, dtypes=(),
     ref=quantize_v2, label="positive")
case("_contrib_quantize_v2", [np.arange(-3, 4).astype("int8")], out_type="int8", ref=lambda x, **_: [x, [-127.5], [127.5]])
case("_contrib_requantize", [integers("int32", -2**30, 2**29), LOW, HIGH], ref=requantize, dtypes=(), rtol=1e-6)


def calibrate_entropy(hist, edges, num_quantized_bins=255):
    def smooth(v):
        zeros, full = v == 0, np.count_nonzero(v)
        less = 1e-4 * zeros.sum() / full if full else 1
        return v + 1e-4 * zeros - less * ~zeros if less < 1 else None

    middle, best = len(hist) // 2, (np.inf, 0)
    for i in range(num_quantized_bins // 2, middle + 1):
        inner = hist[middle - i:middle + i + 1]
        p = inner.astype("float64").copy()
        p[0] += hist[:middle - i].sum()
        p[-1] += hist[middle + i + 1:].sum()
        width, q = len(inner) // num_quantized_bins, np.zeros(len(inner))
        for k in range(num_quantized_bins):
            part = slice(k * width, (k + 1) * width if k + 1 < num_quantized_bins else None)
            q[part] = inner[part].sum() / max(1, np.count_nonzero(inner[part]))
        q[p == 0] = 0
        p, q = smooth(p), smooth(q)
        if p is None or q is None:
            continue
        p, q = p / p.sum(), q / q.sum()
        best = min(best, ((p * np.log(p / q)).sum(), edges[middle + i + 1]))
    return [[best[1]], [best[0]]]


def bell(bins):
    return np.histogram(np.random.default_rng(0).normal(size=5000), bins=bins, range=(-4, 4))[0].astype("float32")


for bins, levels in ((301, 31), (1001, 255)):
    case("_contrib_calibrate_entropy", [bell(bins), np.linspace(-4, 4, bins + 1)], num_quantized_bins=levels, dtypes=(), grad=False,
         rtol=1e-4, ref=calibrate_entropy)
