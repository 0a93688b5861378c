"""Writes the demo's report: one HTML file with its pictures inside. Matplotlib draws them."""
from __future__ import annotations

import argparse
import base64
import html
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, MaxNLocator

import heddle as mx

# The page's colours: (by day, by night). Pictures are drawn in those of the day and follow the page, see inline().
COLOURS = {"ink": ("#1d2430", "#e6e9ef"), "dim": ("#6b7686", "#98a2b3"), "paper": ("#ffffff", "#181c23"),
           "back": ("#f4f5f7", "#0f1217"), "cell": ("#eef0f4", "#232933"), "line": ("#dfe3ea", "#2f3742"),
           "a": ("#1f6fd6", "#6aa7ff"), "b": ("#d9630f", "#ff9a52"), "good": ("#178a56", "#43c18a"),
           "bad": ("#d03b3b", "#ff7a7a")}
DAY = {name: day for name, (day, _) in COLOURS.items()}
STYLES = {"symbolic": "a", "imperative": "b"}

matplotlib.rcParams.update({
    "svg.fonttype": "none", "font.size": 9, "text.color": DAY["dim"], "axes.edgecolor": DAY["line"],
    "axes.labelcolor": DAY["dim"], "xtick.color": DAY["dim"], "ytick.color": DAY["dim"]})

Runs = Mapping[str, Mapping[str, Any]]  # style -> curve, rate, seconds, accuracy and probabilities


# --- pictures -------------------------------------------------------------------------------------
def inline(figure: Figure, label: str) -> str:
    """A figure as SVG for the page: its colours and font are the page's, and a gid becomes what the mouse is told."""
    file = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    text = file.getvalue()
    text = text[text.index("<svg"):].replace("<svg ", f'<svg role="img" aria-label="{html.escape(label)}" ', 1)
    for name, colour in DAY.items():
        text = text.replace(colour, f"var(--{name})")
    text = re.sub(r"font-family: [^;\"]*;", "", text)
    return re.sub(r'<g id="tip:([^"]*)">', r"<g><title>\1</title>", text)


def png(pixels: np.ndarray) -> str:
    """A grey picture as a data URI."""
    file = io.BytesIO()
    imsave(file, pixels, cmap="gray", vmin=0, vmax=255, format="png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def line_chart(runs: Runs, measure: str, text: Callable[[float], str]) -> str:
    """Training (dashed) and test (solid) curves of both styles over epochs."""
    figure = Figure(figsize=(5.6, 3.1), layout="constrained")
    axes = figure.add_subplot(xlabel="epoch")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="y", color=DAY["line"], linewidth=0.8)
    axes.tick_params(length=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text(round(value, 6))))
    ends = []
    for style, run in runs.items():
        colour = DAY[STYLES[style]]
        for part in ("train", "test"):
            values = [point[f"{part}_{measure}"] for point in run["curve"]]
            epochs = range(1, len(values) + 1)
            dashed = part == "train"
            axes.plot(epochs, values, color=colour, linewidth=1.4 if dashed else 2, alpha=0.65 if dashed else 1,
                      linestyle=(0, (4, 3)) if dashed else "solid", solid_capstyle="round")
            for epoch, value in zip(epochs, values):
                axes.plot(epoch, value, "o", color=colour, markersize=3 if dashed else 4.5, markeredgewidth=0,
                          gid=f"tip:{style}, {part}: {value:.4f}")
            ends.append((values[-1], part, colour, epochs[-1]))
    ends.sort()
    for (_, part, colour, epoch), height in zip(ends, apart([end[0] for end in ends], axes.get_ylim())):
        axes.annotate(part, (epoch, height), (9, 0), textcoords="offset points", annotation_clip=False, color=colour,
                      va="center", weight="bold")
    return inline(figure, f"{measure} by epoch")


def apart(values: Sequence[float], limits: tuple[float, float]) -> list[float]:
    """Where to write names beside sorted values, so that none overlap."""
    gap = 0.06 * (limits[1] - limits[0])
    places: list[float] = []
    for value in values:
        places.append(max(value, places[-1] + gap) if places else value)
    return places


def confusion(probabilities: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """counts[true][predicted]"""
    counts = np.zeros((count, count), int)
    np.add.at(counts, (labels, probabilities.argmax(axis=1)), 1)
    return counts


def confusion_matrix(counts: np.ndarray, classes: Sequence[str]) -> str:
    """A cell for each pair of classes: green for what is right, red for what is taken for something else."""
    size = len(classes)
    figure = Figure(figsize=(5.2, 5.1), layout="constrained")
    axes = figure.add_subplot(xlim=(0, size), ylim=(size, 0), aspect="equal")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    middles = np.arange(size) + 0.5
    axes.set_xticks(middles, classes, rotation=50, ha="left", rotation_mode="anchor")
    axes.set_yticks(middles, classes)
    for (i, j), count in np.ndenumerate(counts):
        total = max(1, counts[i].sum())
        colour, strength = (DAY["good"], count / total) if i == j else (DAY["bad"], min(1, 4 * count / total))
        for fill in (DAY["cell"], (colour, strength)):
            axes.add_patch(FancyBboxPatch((j + 0.03, i + 0.03), 0.94, 0.94, boxstyle="round,pad=0,rounding_size=0.12",
                                          linewidth=0, facecolor=fill,
                                          gid=f"tip:{classes[i]} taken for {classes[j]}: {count} of {total}"))
        if count:
            axes.text(j + 0.5, i + 0.5, str(count), ha="center", va="center_baseline", size=8.5,
                      color=DAY["paper"] if strength > 0.6 else DAY["ink"])
    return inline(figure, "confusion matrix")


def layers(symbol: mx.sym.Symbol, data_shape: tuple[int, ...]) -> Iterator[tuple[str, str, str, int]]:
    """(operator, name, output shape, number of weights) of each node, in order."""
    inner = symbol.get_internals()
    arguments, shapes, _ = inner.infer_shape(data=data_shape)
    shape_of = dict(zip(inner.list_outputs(), shapes))
    weights = {name: int(np.prod(shape)) for name, shape in zip(inner.list_arguments(), arguments)
               if name != "data" and not name.endswith("label")}
    nodes = json.loads(symbol.tojson())["nodes"]
    for node in nodes:
        name, inputs = node["name"], [nodes[at]["name"] for at, *_ in node["inputs"]]
        if node["op"] == "null" and name != "data":
            continue
        shape = shape_of.get(f"{name}_output") or shape_of[name]
        yield ("input" if node["op"] == "null" else node["op"], name, "x".join(map(str, shape[1:])),
               sum(weights.get(source, 0) for source in inputs))


def network_plot(symbol: mx.sym.Symbol, data_shape: tuple[int, ...]) -> str:
    """The operators of a symbol in order, with the shapes they give and the weights they hold."""
    boxes = list(layers(symbol, data_shape))
    columns, width, height, gap_x, gap_y = 5, 150, 62, 26, 34  # in points
    rows = -(-len(boxes) // columns)
    across, down = columns * (width + gap_x) - gap_x + 4, rows * (height + gap_y) - gap_y + 4
    figure = Figure(figsize=(across / 72, down / 72))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-2, across - 2), ylim=(down - 2, -2))
    axes.set_axis_off()

    def corner(at: int) -> tuple[float, float]:
        return at % columns * (width + gap_x), at // columns * (height + gap_y)

    for at, (kind, name, shape, held) in enumerate(boxes):
        x, y = corner(at)
        colour = DAY["a"] if held else DAY["dim"]
        axes.add_patch(FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=9", linewidth=0.9,
                                      facecolor=DAY["cell"], edgecolor=colour))
        axes.text(x + 11, y + 21, kind, size=11, weight="bold", color=DAY["ink"])
        axes.text(x + 11, y + 37, f"{name} \u2192 {shape}")
        axes.text(x + 11, y + 53, f"{held:,} weights" if held else "", color=colour)
        if at + 1 < len(boxes):
            next_x, next_y = corner(at + 1)
            if next_y == y:
                way = [(x + width + 1, y + height / 2), (next_x - 2, next_y + height / 2)]
            else:
                between = y + height + gap_y / 2
                way = [(x + width / 2, y + height + 1), (x + width / 2, between), (next_x + width / 2, between),
                       (next_x + width / 2, next_y - 2)]
            axes.add_patch(FancyArrowPatch(path=Path(way), arrowstyle="-|>,head_width=2.2,head_length=4.4",
                                           linewidth=1, color=DAY["dim"], shrinkA=0, shrinkB=0, fill=False))
    return inline(figure, "the network")


# --- parts of the page ----------------------------------------------------------------------------
def picture(image: np.ndarray, label: int, p: np.ndarray, classes: Sequence[str]) -> str:
    """One test image with what the network says of it."""
    best = int(p.argmax())
    verdict = "right" if best == label else "wrong"
    truth = "" if best == label else f"<small>is {classes[label]}</small>"
    return (f'<figure class="{verdict}"><img src="{png(image)}" alt="{classes[label]}" width="28" height="28">'
            f"<figcaption>{classes[best]} <b>{100 * p[best]:.0f}%</b>{truth}</figcaption></figure>")


def worst(probabilities: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """The mistakes made with most confidence."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")][:count]


def per_class(counts: np.ndarray, classes: Sequence[str]) -> str:
    """A table of precision and recall."""
    rows = "".join(f"<tr><th>{name}</th><td>{right / max(1, taken):.3f}</td><td>{right / max(1, found):.3f}</td>"
                   f"<td>{found:,}</td></tr>"
                   for name, right, taken, found in
                   zip(classes, counts.diagonal(), counts.sum(axis=0), counts.sum(axis=1)))
    return f"<table><tr><th></th><th>precision</th><th>recall</th><th>images</th></tr>{rows}</table>"


def card(value: str, text: str, colour: str) -> str:
    """A number in large letters, and what it is."""
    return f'<div class="card"><b style="color:var(--{colour})">{value}</b><span>{text}</span></div>'


def write(path: str, runs: Runs, pixels: bytes, labels: bytes, classes: Sequence[str], symbol: mx.sym.Symbol,
          options: argparse.Namespace) -> None:
    """The page at `path`; pixels and labels are those of the test images."""
    truth = np.frombuffer(labels, np.uint8)
    images = np.frombuffer(pixels, np.uint8).reshape(len(truth), 28, 28)
    said = {style: np.array(run["probabilities"]) for style, run in runs.items()}
    counts = {style: confusion(p, truth, len(classes)) for style, p in said.items()}

    def pictures(chosen: Iterable[int]) -> str:
        return "".join(picture(images[i], int(truth[i]), said["symbolic"][i], classes) for i in chosen)

    cards = [card(f"{100 * run['accuracy']:.2f} %", f"test accuracy, {style}", STYLES[style])
             for style, run in runs.items()]
    cards += [card(f"{run['rate']:,.0f}", f"samples/s, {style}", STYLES[style]) for style, run in runs.items()]
    matrices = "".join(f'<section><h3 style="color:var(--{STYLES[style]})">{style}</h3>'
                       f"{confusion_matrix(table, classes)}</section>" for style, table in counts.items())
    body = f"""
<header><h1>LeNet on Fashion-MNIST</h1>
<p>The same network trained twice by heddle for {options.epochs} epochs of batches of {options.batch}:
<b style="color:var(--a)">symbolic</b>, a Symbol bound and driven by Module.fit, and
<b style="color:var(--b)">imperative</b>, arrays and autograd line by line.</p></header>
<div class="cards">{"".join(cards)}</div>
<h2>Training</h2><p class="note">Dashed: while training. Solid: the {len(truth):,} test images after each epoch.</p>
<div class="two"><section><h3>accuracy</h3>{line_chart(runs, "accuracy", lambda v: f"{100 * v:g} %")}</section>
<section><h3>loss</h3>{line_chart(runs, "loss", lambda v: f"{v:g}")}</section></div>
<h2>What is taken for what</h2><p class="note">Rows: what the image shows. Columns: what the network says.</p>
<div class="two">{matrices}</div>
<h2>By class</h2>{per_class(counts["symbolic"], classes)}
<h2>The first test images</h2><p class="note">By the symbolic network as its checkpoint holds it.</p>
<div class="images">{pictures(range(min(66, len(truth))))}</div>
<h2>The surest mistakes</h2>
<div class="images">{pictures(worst(said["symbolic"], truth, 22))}</div>
<h2>The network</h2><div class="plot">{network_plot(symbol, (options.batch, 1, 28, 28))}</div>
"""
    by_day, by_night = (";".join(f"--{name}:{pair[i]}" for name, pair in COLOURS.items()) for i in (0, 1))
    with open(path, "w", encoding="utf-8") as file:
        file.write('<!doctype html><html lang="en"><head><meta charset="utf-8">'
                   "<title>heddle: LeNet on Fashion-MNIST</title>"
                   '<meta name="viewport" content="width=device-width, initial-scale=1"><style>'
                   f":root{{{by_day}}}@media(prefers-color-scheme:dark){{:root{{{by_night}}}}}{STYLE}</style></head>"
                   f"<body><main>{body}</main></body></html>\n")


STYLE = """
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1120px;margin:0 auto;padding:36px 24px 72px}
h1{font-size:30px;margin:0 0 6px;letter-spacing:-.02em}h2{font-size:20px;margin:44px 0 6px}
h3{font-size:14px;margin:0 0 10px;font-weight:600}header p{max-width:70ch;color:var(--dim)}.note{color:var(--dim);margin:0 0 14px}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(180px,1fr));gap:14px;margin-top:22px}
.card,section,.plot,table,.images{background:var(--paper);border:1px solid var(--line);border-radius:14px;padding:18px}
.card b{display:block;font-size:27px;letter-spacing:-.02em;font-variant-numeric:tabular-nums}.card span{color:var(--dim)}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:14px}
svg{width:100%;height:auto;display:block;font-family:inherit;font-variant-numeric:tabular-nums}
table{border-collapse:separate;border-spacing:0;font-variant-numeric:tabular-nums}td,th{padding:3px 18px;text-align:right}
th:first-child{text-align:left}tr:first-child th{color:var(--dim);font-weight:500}
.images{display:grid;grid-template-columns:repeat(auto-fill,minmax(86px,1fr));gap:14px 8px}
figure{margin:0;text-align:center}figure img{width:72px;height:72px;image-rendering:pixelated;border-radius:8px;border:2px solid transparent}
figcaption{font-size:11.5px;line-height:1.35;margin-top:4px}figcaption b{color:var(--good);font-weight:600}
figcaption small{display:block;color:var(--dim)}
.wrong img{border-color:var(--bad)}.wrong figcaption b{color:var(--bad)}
"""
