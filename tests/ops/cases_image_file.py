"""Images from files, and what old programs do with them."""
import numpy as np

from .case import case
from .images import jpeg, pixels, png

DRAW = np.random.default_rng(0).integers
COLOUR, GREY = DRAW(0, 256, (9, 7, 3)), DRAW(0, 256, (9, 7))
PALETTE = DRAW(0, 256, (4, 3))
PICKED = DRAW(0, 4, (9, 7))


def data_of(file):
    return [np.frombuffer(file, "uint8")]


def shown(a, to_rgb=True):
    """What has one channel as three; red first or last."""
    a = np.asarray(a)
    return np.repeat(a[..., None], 3, -1) if a.ndim == 2 else a if to_rgb else a[..., ::-1]


for name, file, wanted in (
        ("colour", png(COLOUR), COLOUR), ("alpha", png(np.concatenate([COLOUR, GREY[..., None]], -1)), COLOUR), ("grey", png(GREY), GREY),
        ("grey_alpha", png(np.stack([GREY, GREY[::-1]], -1)), GREY), ("deep", png(COLOUR * 257, 16), COLOUR), ("deep_grey", png(GREY * 257, 16), GREY),
        ("black_and_white", png(PICKED % 2, 1), PICKED % 2 * 255), ("four_greys", png(PICKED, 2), PICKED * 85), ("sixteen_greys", png(PICKED, 4), PICKED * 17),
        ("palette", png(PICKED, 8, PALETTE), PALETTE[PICKED]), ("packed_palette", png(PICKED, 2, PALETTE), PALETTE[PICKED]),
        ("clear_palette", png(PICKED, 8, PALETTE, bytes([0, 128])), PALETTE[PICKED]), ("interlaced", png(COLOUR, interlaced=True), COLOUR),
        ("interlaced_bits", png(PICKED % 2, 1, interlaced=True), PICKED % 2 * 255)):
    for to_rgb in (True, False):
        case("_cvimdecode", data_of(file), to_rgb=to_rgb, ref=lambda _, to_rgb, wanted=wanted: shown(wanted, to_rgb), label=f"png_{name}")
case("_cvimdecode", data_of(png(GREY)), flag=0, ref=lambda _, **__: GREY[..., None], label="png_grey_as_grey")
case("_cvimdecode", data_of(png(COLOUR)), flag=0, ref=lambda _, **__: COLOUR @ np.array([[0.299], [0.587], [0.114]]), atol=1.01, label="png_colour_as_grey")


def of_jpeg(name, flag=1, to_rgb=True):
    height, width = {"whole": (29, 37), "halved": (29, 37), "progressive": (27, 40), "grey": (20, 33), "restarts": (32, 48), "inks": (18, 24),
                     "turned": (13, 21)}[name]
    a = pixels(height, width, 4)
    a = a[..., :3] * a[..., 3:] / 255 if name == "inks" else a[..., :1] if name == "grey" else a[..., :3]
    if not flag:
        return a if name == "grey" else a @ np.array([[0.299], [0.587], [0.114]])
    return shown(a[..., 0] if name == "grey" else a, to_rgb)


# What compression loses; MXNet loses the same.
for name, lost in (("whole", 4), ("halved", 8), ("progressive", 8), ("grey", 2), ("restarts", 8), ("inks", 4), ("turned", 5)):
    for how in ({}, {"to_rgb": False}, {"flag": 0}):
        case("_cvimdecode", data_of(jpeg(name)), **how, ref=lambda _, name=name, **how: of_jpeg(name, **how), rtol=0, atol=lost, label=f"jpeg_{name}")
    case("_cvimread", [], filename=str(__file__).replace("cases_image_file.py", f"images/{name}.jpg"),
         ref=lambda name=name, **_: of_jpeg(name), rtol=0, atol=lost, dtype="uint8", label=name)


def area(height, width):
    return lambda x, **_: x.reshape(height, x.shape[0] // height, width, x.shape[1] // width, -1).mean((1, 3))


def nearest(x, w, h, interp):
    return x[np.arange(h) * x.shape[0] // h][:, np.arange(w) * x.shape[1] // w]


def bytes_of(*shape):
    return lambda rng: rng.integers(0, 256, shape).astype("uint8")


for dtype in ("uint8", "float32"):
    what = [bytes_of(8, 12, 3)] if dtype == "uint8" else [(8, 12, 3)]
    for w, h in ((6, 4), (3, 2)):
        case("_cvimresize", what, w=w, h=h, interp=3, ref=area(h, w), grad=False, atol=0.5001 if dtype == "uint8" else 1e-6)
    for w, h in ((5, 9), (12, 8), (31, 3)):
        case("_cvimresize", what, w=w, h=h, interp=0, ref=nearest, grad=False)
case("_cvimresize", [np.arange(4, dtype="float32").reshape(1, 4, 1)], w=8, h=1, dtypes=("float64",), grad=False,
     ref=lambda x, **_: np.interp(np.arange(8) / 2 - 0.25, np.arange(4), x[0, :, 0])[None, :, None])
case("_cvimresize", [(6, 8, 2)], w=4, h=3, interp=9, grad=False, ref=area(3, 4), witness="MXNet's programs choose the method, not its operator")


def border(x, top, bot, left, right, type=0, value=0, values=()):
    mode = {"mode": ("constant", "edge", "symmetric", "wrap", "reflect")[type]}
    around = ((top, bot), (left, right))
    if type:
        return np.pad(x, (*around, (0, 0)), **mode)
    colour = [values[c] if c < len(values) else 0 for c in range(x.shape[2])] if values else [value] * x.shape[2]
    ends = (0, 255) if x.dtype == np.uint8 else (-np.inf, np.inf)
    colour = [np.clip(np.rint(v) if x.dtype == np.uint8 else v, *ends) for v in colour]
    return np.stack([np.pad(x[..., c], around, constant_values=colour[c]) for c in range(x.shape[2])], -1)


for type in range(5):
    case("_cvcopyMakeBorder", [bytes_of(4, 5, 3)], top=1, bot=2, left=3, right=0, type=type, value=7.6, ref=border, grad=False)
    case("_cvcopyMakeBorder", [(2, 3, 1)], top=5, bot=4, left=0, right=9, type=type, value=0.5, ref=border, grad=False, dtypes=("float64",))
for values in ((1, 2, 3), (9,), (300, -4, 1, 5)):
    case("_cvcopyMakeBorder", [bytes_of(2, 2, 3)], top=1, bot=0, left=0, right=1, values=values, ref=border, grad=False,
         witness="not asked: MXNet reads on past a short list" if len(values) < 3 else True)


def old(mean, x0, y0, x1, y1, c, **_):
    return np.moveaxis(COLOUR, -1, 0)[:, y0:y1 or None, x0:x1 or None] - mean


for window, mean in (((0, 0, 0, 0), np.zeros(1)), ((1, 2, 5, 8), np.linspace(0, 255, 72).reshape(3, 6, 4))):
    case("_imdecode", [mean], index=0, **dict(zip(("x0", "y0", "x1", "y1"), window)), c=3, size=len(png(COLOUR)), str_img=png(COLOUR).hex(),
         ref=old, grad=False, dtypes=(), witness="absent")
