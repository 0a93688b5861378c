"""Operators on images: where pixels are, and their colours."""
import colorsys
import itertools
import math

import numpy as np

from .case import case


BYTES = {"dtype": "uint8", "low": 0, "high": 255}
WRONG_GRADIENT = "not asked: MXNet's gradient leaves out the flip"


def move_channels(x):
    return (np.moveaxis(x, -1, -3) / 255).astype("float32")


case("_image_to_tensor", [(6, 9, 3)], high=255, low=0, grad=False, dtypes=(), ref=move_channels, witness="not asked: MXNet wants a gradient")
case("_image_to_tensor", [(6, 9, 3)], **BYTES, ref=move_channels)
case("_image_to_tensor", [(2, 4, 3, 3)], dtype="int32", low=0, high=255, ref=move_channels)


def normalize(x, mean=(0,), std=(1,)):
    shape = (-1, 1, 1)
    return (x - np.reshape(mean, shape)) / np.reshape(std, shape)


case("_image_normalize", [(2, 3, 4, 5)], mean=(0.5, 0.25, 0.125), std=(0.5, 0.75, 2), ref=normalize)
case("_image_normalize", [(2, 1, 4, 5)], mean=0.5, std=2.0, ref=normalize)


def crop(data, x, y, width, height):
    return data[..., y:y + height, x:x + width, :]


case("_image_crop", [(6, 9, 3)], x=2, y=1, width=4, height=3, ref=crop)
case("_image_crop", [(2, 5, 4, 1)], **BYTES, x=0, y=2, width=4, height=3, ref=crop)

case("_image_flip_left_right", [(5, 4, 3)], ref=lambda x: x[:, ::-1], witness=WRONG_GRADIENT)
case("_image_flip_left_right", [(6, 8, 3)], **BYTES, ref=lambda x: x[:, ::-1])
case("_image_flip_left_right", [(6, 9, 3)], **BYTES, ref=lambda x: x[:, ::-1],
     witness="not asked: MXNet leaves the middle of an odd width unwritten")
case("_image_flip_top_bottom", [(5, 4, 3)], ref=lambda x: x[::-1], witness=WRONG_GRADIENT)
case("_image_flip_top_bottom", [(6, 9, 3)], **BYTES, ref=lambda x: x[::-1])
for name in ("top_bottom", "left_right"):
    case(f"_image_random_flip_{name}", [np.broadcast_to(np.arange(3), (4, 4, 3)).astype("uint8")], ref=lambda x: x)


# --- resizing -----------------------------------------------------------------------------------
def kernel(interp, x):
    x = abs(x)
    if interp == 1:
        return max(0, 1 - x)
    if interp == 2:
        return 1.25 * x ** 3 - 2.25 * x ** 2 + 1 if x < 1 else -0.75 * (x ** 3 - 5 * x ** 2 + 8 * x - 4) if x < 2 else 0
    return float(np.sinc(x) * np.sinc(x / 4)) if x < 4 else 0


def along(size, out, interp):
    """(out, size): the weights of pixels in those of the output."""
    table, step = np.zeros((out, size)), size / out
    for i in range(out):
        if interp == 0:
            table[i, min(int(i * step), size - 1)] = 1
        elif interp == 3:
            for k in range(size):
                table[i, k] = max(0, min((i + 1) * step, k + 1) - max(i * step, k)) / step
        else:
            at = (i + 0.5) * step - 0.5
            taps = [(k, kernel(interp, at - k)) for k in range(math.floor(at) - 3, math.floor(at) + 5)]
            for k, w in taps:
                table[i, min(max(k, 0), size - 1)] += w / sum(w for _, w in taps)
    return table


def resize(x, size, keep_ratio=False, interp=1):
    h, w = x.shape[-3:-1]
    columns, rows = np.broadcast_to(size, 2).tolist()
    if keep_ratio:
        columns, rows = (columns, h * columns // w) if h > w else (w * rows // h, rows)
    return np.einsum("ih,...hwc,jw->...ijc", along(h, rows, interp), x.astype("float64"), along(w, columns, interp)).astype(x.dtype)


for interp, size in itertools.product(range(5), ((4, 5), (12, 11))):
    if interp != 3 or size == (4, 5):  # enlarged by area is as good as linear
        case("_image_resize", [(6, 9, 3)], low=0, high=255, size=size, interp=interp, grad=False, dtypes=("float64",), rtol=1e-4, ref=resize,
             witness="not asked: MXNet wants a gradient")
    rounded = {"ref": lambda x, size, interp: np.rint(np.clip(resize(x.astype("float64"), size, False, interp), 0, 255)), "atol": 1.01}
    if interp != 3 or size == (4, 5):
        case("_image_resize", [(6, 9, 3)], **BYTES, size=size, interp=interp, **rounded)
case("_image_resize", [(2, 6, 9, 1)], size=4, keep_ratio=True, grad=False, dtypes=("float64",), ref=resize, rtol=1e-4,
     witness="not asked: MXNet wants a gradient")
case("_image_resize", [(9, 6, 3)], size=4, keep_ratio=True, grad=False, dtypes=("float64",), ref=resize, rtol=1e-4,
     witness="not asked: MXNet wants a gradient")


# --- colours ------------------------------------------------------------------------------------
GRAY = np.array([0.299, 0.587, 0.114])


def stored(values, x):
    return np.trunc(np.clip(values, 0, 255)) if x.dtype == np.uint8 else values


def brightness(x, min_factor):
    return stored(x * min_factor, x)


def contrast(x, min_factor):
    mean = (x @ GRAY).mean() if x.shape[2] == 3 else x.mean()
    return stored(x * min_factor + (1 - min_factor) * mean, x)


def saturation(x, min_factor):
    blue = x[..., 2:] * GRAY[2] if x.shape[2] == 3 else x
    return stored(x * min_factor + (1 - min_factor) * blue, x)


def hue(x, min_factor):
    y = np.zeros(x.shape)
    for i, j in np.ndindex(x.shape[:2]):
        h, lightness, s = colorsys.rgb_to_hls(*(x[i, j] / 255).tolist())
        y[i, j] = colorsys.hls_to_rgb((h + min_factor) % 1, lightness, s)
    return stored(y * 255, x)


def lighting(x, alpha):
    values, axes = np.array([55.46, 4.794, 1.148]), np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140],
                                                              [-0.5836, -0.6948, 0.4203]])
    return stored(x + axes @ (values * alpha), x)


FLOATS = {"low": 0, "high": 255, "grad": False, "dtypes": (), "rtol": 1e-5}
for name, reference in (("brightness", brightness), ("contrast", contrast), ("saturation", saturation), ("hue", hue)):
    for factor in (0.25, 1.5):
        case(f"_image_random_{name}", [(6, 9, 3)], min_factor=factor, max_factor=factor, ref=reference,
             **{**FLOATS, "rtol": 1e-4 if name == "hue" else 1e-5})
    case(f"_image_random_{name}", [(6, 9, 3)], **BYTES, min_factor=0.375, max_factor=0.375, ref=reference, atol=1.01 if name == "hue" else 0.0)
    if name != "hue":
        case(f"_image_random_{name}", [(5, 4, 1)], **BYTES, min_factor=0.5, max_factor=0.5, ref=reference)
case("_image_adjust_lighting", [(6, 9, 3)], alpha=(0.5, -0.25, 1), ref=lighting, **FLOATS)
case("_image_adjust_lighting", [(6, 9, 3)], **BYTES, alpha=(0.5, -0.25, 1), ref=lighting)
case("_image_random_lighting", [(6, 9, 3)], alpha_std=0.0, ref=lambda x: x, **FLOATS)
case("_image_random_color_jitter", [(6, 9, 3)], brightness=0, contrast=0, saturation=0, hue=0, ref=lambda x: x, **FLOATS)
