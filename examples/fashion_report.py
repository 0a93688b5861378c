"""Writes the demo's report: one HTML file with its pictures inside, made with the standard library only."""
import base64
import html
import json
import struct
import zlib

COLOURS = {"symbolic": "var(--a)", "imperative": "var(--b)"}


# --- pictures -------------------------------------------------------------------------------------
def png(pixels, width, height):
    """A grey picture as a data URI."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\0" + pixels[y * width:(y + 1) * width] for y in range(height))
    data = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))
    return "data:image/png;base64," + base64.b64encode(data).decode()


def ticks(low, high, count=5):
    """Round numbers that span [low, high]."""
    rough = max(high - low, 1e-6) / count
    size = 10 ** len(str(int(1 / rough))) if rough < 1 else 1
    unit = 1 / size
    step = next(s * unit for s in (1, 2, 2.5, 5, 10, 20, 25, 50, 100) if s * unit >= rough)
    first, last = int(low // step), int(-(-high // step))
    return [step * i for i in range(first, last + 1)]


def line_chart(runs, measure, text):
    """Training (dashed) and test (solid) curves of both styles over epochs."""
    width, height, left, bottom, top, right = 560, 300, 52, 34, 14, 84
    values = [p[f"{part}_{measure}"] for run in runs.values() for p in run["curve"] for part in ("train", "test")]
    marks = ticks(min(values), max(values))
    epochs = max(len(run["curve"]) for run in runs.values())

    def x(epoch):
        return left + (width - left - right) * (epoch / max(1, epochs - 1) if epochs > 1 else 0.5)

    def y(value):
        return height - bottom - (height - bottom - top) * (value - marks[0]) / (marks[-1] - marks[0])

    out = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{measure} by epoch">']
    for mark in marks:
        out.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y(mark):.1f}" y2="{y(mark):.1f}"/>'
                   f'<text class="tick" x="{left - 8}" y="{y(mark) + 4:.1f}" text-anchor="end">{text(mark)}</text>')
    for epoch in range(epochs):
        out.append(f'<text class="tick" x="{x(epoch):.1f}" y="{height - bottom + 18}" text-anchor="middle">{epoch + 1}</text>')
    out.append(f'<text class="tick" x="{(left + width - right) / 2}" y="{height - 2}" text-anchor="middle">epoch</text>')
    ends = []
    for style, run in runs.items():
        for part in ("train", "test"):
            points = [(x(i), y(p[f"{part}_{measure}"])) for i, p in enumerate(run["curve"])]
            path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
            out.append(f'<polyline class="{part}" stroke="{COLOURS[style]}" points="{path}"/>')
            for (px, py), p in zip(points, run["curve"]):
                out.append(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="{3 if part == "test" else 2}" fill="{COLOURS[style]}">'
                           f'<title>{style}, {part}: {p[f"{part}_{measure}"]:.4f}</title></circle>')
            ends.append([points[-1][1], part, COLOURS[style]])
    out += end_labels(ends, width - right + 8)
    return "".join(out) + "</svg>"


def end_labels(ends, x):
    """The names of the curves beside their ends, moved apart where they would overlap."""
    ends.sort(key=lambda end: end[0])
    for above, below in zip(ends, ends[1:]):
        below[0] = max(below[0], above[0] + 14)
    return [f'<text class="name" x="{x}" y="{y + 4:.1f}" fill="{colour}">{part}</text>' for y, part, colour in ends]


def confusion(probabilities, labels, classes):
    """counts[true][predicted]"""
    counts = [[0] * len(classes) for _ in classes]
    for p, label in zip(probabilities, labels):
        counts[label][p.index(max(p))] += 1
    return counts


def confusion_matrix(counts, classes):
    cell, left, top = 40, 84, 70
    size = cell * len(classes)
    out = [f'<svg viewBox="0 0 {left + size + 6} {top + size + 6}" role="img" aria-label="confusion matrix">']
    for i, name in enumerate(classes):
        middle = cell * i + cell / 2
        out.append(f'<text class="tick" x="{left - 8}" y="{top + middle + 4}" text-anchor="end">{name}</text>'
                   f'<text class="tick" transform="translate({left + middle + 4},{top - 8}) rotate(-50)">{name}</text>')
    for i, row in enumerate(counts):
        total = max(1, sum(row))
        for j, count in enumerate(row):
            share = count / total
            colour, strength = ("var(--good)", share) if i == j else ("var(--bad)", min(1, 4 * share))
            ink = "var(--paper)" if strength > 0.6 else "var(--ink)"
            out.append(f'<g><title>{classes[i]} taken for {classes[j]}: {count} of {total}</title>'
                       f'<rect x="{left + cell * j + 1}" y="{top + cell * i + 1}" width="{cell - 2}" height="{cell - 2}" '
                       f'rx="4" fill="var(--cell)"/><rect x="{left + cell * j + 1}" y="{top + cell * i + 1}" '
                       f'width="{cell - 2}" height="{cell - 2}" rx="4" fill="{colour}" fill-opacity="{strength:.3f}"/>'
                       + (f'<text class="count" x="{left + cell * j + cell / 2}" y="{top + cell * i + cell / 2 + 4}" '
                          f'fill="{ink}" text-anchor="middle">{count}</text>' if count else "") + "</g>")
    return "".join(out) + "</svg>"


def network_plot(symbol, data_shape):
    """The operators of a symbol in order, with the shapes they give and the weights they hold."""
    graph = json.loads(symbol.tojson())
    inner = symbol.get_internals()
    arguments, shapes, _ = inner.infer_shape(data=data_shape)
    shape_of = dict(zip(inner.list_outputs(), shapes))
    size_of = dict(zip(inner.list_arguments(), arguments))
    boxes, nodes = [], graph["nodes"]
    for node in nodes:
        if node["op"] == "null" and node["name"] != "data":
            continue
        held = 0
        for source in node["inputs"]:
            name = nodes[source[0]]["name"]
            if nodes[source[0]]["op"] == "null" and not name.endswith("label") and name != "data":
                extent = 1
                for n in size_of[name]:
                    extent *= n
                held += extent
        kind = "input" if node["op"] == "null" else node["op"]
        shape = shape_of.get(node["name"] + "_output") or shape_of[node["name"]]
        boxes.append((node["name"], kind, "x".join(str(n) for n in shape[1:]), held))
    return draw_boxes(boxes)


def draw_boxes(boxes):
    width, height, gap, columns = 150, 62, 26, 5
    rows = -(-len(boxes) // columns)
    out = [f'<svg viewBox="0 0 {columns * (width + gap)} {rows * (height + 34)}" role="img" aria-label="the network">',
           '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
           '<path d="M0 0 8 4 0 8z" fill="var(--dim)"/></marker></defs>']

    def place(i):
        return (i % columns) * (width + gap) + 2, (i // columns) * (height + 34) + 2

    for i, (name, kind, shape, held) in enumerate(boxes):
        x, y = place(i)
        colour = "var(--a)" if held else "var(--dim)"
        weights = f"{held:,} weights" if held else ""
        out.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="9" fill="var(--cell)" stroke="{colour}"/>'
                   f'<text class="op" x="{x + 11}" y="{y + 21}">{html.escape(kind)}</text>'
                   f'<text class="tick" x="{x + 11}" y="{y + 37}">{html.escape(name)} &#8594; {shape}</text>'
                   f'<text class="tick" x="{x + 11}" y="{y + 53}" fill="{colour}">{weights}</text>')
        if i + 1 < len(boxes):
            nx, ny = place(i + 1)
            path = (f"M{x + width} {y + height / 2}H{nx - 2}" if ny == y else
                    f"M{x + width / 2} {y + height}V{y + height + 15}H{nx + width / 2}V{ny - 2}")
            out.append(f'<path class="edge" d="{path}" marker-end="url(#tip)"/>')
    return "".join(out) + "</svg>"


# --- parts of the page ----------------------------------------------------------------------------
def picture(test, index, probabilities, classes):
    """One test image with what the network says of it."""
    p, label = probabilities[index], test.labels[index]
    best = p.index(max(p))
    verdict = "right" if best == label else "wrong"
    truth = "" if best == label else f'<small>is {classes[label]}</small>'
    pixels = test.pixels[784 * index:784 * (index + 1)]
    return (f'<figure class="{verdict}"><img src="{png(pixels, 28, 28)}" alt="{classes[label]}" width="28" height="28">'
            f'<figcaption>{classes[best]} <b>{100 * p[best]:.0f}%</b>{truth}</figcaption></figure>')


def worst(probabilities, labels, count):
    """The mistakes made with most confidence."""
    wrong = [i for i, (p, label) in enumerate(zip(probabilities, labels)) if p.index(max(p)) != label]
    return sorted(wrong, key=lambda i: -max(probabilities[i]))[:count]


def per_class(counts, classes):
    rows = []
    for i, name in enumerate(classes):
        found, taken = sum(counts[i]), sum(row[i] for row in counts)
        recall, precision = counts[i][i] / max(1, found), counts[i][i] / max(1, taken)
        rows.append(f"<tr><th>{name}</th><td>{precision:.3f}</td><td>{recall:.3f}</td><td>{found:,}</td></tr>")
    return ("<table><tr><th></th><th>precision</th><th>recall</th><th>images</th></tr>" + "".join(rows) + "</table>")


def card(value, text, colour="var(--ink)"):
    return f'<div class="card"><b style="color:{colour}">{value}</b><span>{text}</span></div>'


def write(path, runs, test, classes, symbol, options):
    """The page at `path`. A run has curve, rate, seconds, accuracy and probabilities."""
    shown = runs["symbolic"]["probabilities"]
    cards = [card(f"{100 * run['accuracy']:.2f} %", f"test accuracy, {style}", COLOURS[style]) for style, run in runs.items()]
    cards += [card(f"{run['rate']:,.0f}", f"samples/s, {style}", COLOURS[style]) for style, run in runs.items()]
    matrices = "".join(f'<section><h3 style="color:{COLOURS[style]}">{style}</h3>'
                       f'{confusion_matrix(confusion(run["probabilities"], test.labels, classes), classes)}</section>'
                       for style, run in runs.items())
    body = f"""
<header><h1>LeNet on Fashion-MNIST</h1>
<p>The same network trained twice by heddle for {options.epochs} epochs of batches of {options.batch}:
<b style="color:var(--a)">symbolic</b>, a Symbol bound and driven by Module.fit, and
<b style="color:var(--b)">imperative</b>, arrays and autograd line by line.</p></header>
<div class="cards">{"".join(cards)}</div>
<h2>Training</h2><p class="note">Dashed: while training. Solid: the {test.count:,} test images after each epoch.</p>
<div class="two"><section><h3>accuracy</h3>{line_chart(runs, "accuracy", lambda v: f"{100 * v:g} %")}</section>
<section><h3>loss</h3>{line_chart(runs, "loss", lambda v: f"{v:g}")}</section></div>
<h2>What is taken for what</h2><p class="note">Rows: what the image shows. Columns: what the network says.</p>
<div class="two">{matrices}</div>
<h2>By class</h2>{per_class(confusion(shown, test.labels, classes), classes)}
<h2>The first test images</h2><p class="note">By the symbolic network as its checkpoint holds it.</p>
<div class="images">{"".join(picture(test, i, shown, classes) for i in range(min(66, test.count)))}</div>
<h2>The surest mistakes</h2>
<div class="images">{"".join(picture(test, i, shown, classes) for i in worst(shown, test.labels, 22))}</div>
<h2>The network</h2><div class="plot">{network_plot(symbol, (options.batch, 1, 28, 28))}</div>
"""
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>heddle: LeNet on Fashion-MNIST</title>'
                   f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
                   f"<body><main>{body}</main></body></html>\n")


STYLE = """
:root{--ink:#1d2430;--dim:#6b7686;--paper:#fff;--back:#f4f5f7;--cell:#eef0f4;--line:#dfe3ea;--a:#1f6fd6;--b:#d9630f;
--good:#178a56;--bad:#d03b3b}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--dim:#98a2b3;--paper:#181c23;--back:#0f1217;--cell:#232933;
--line:#2f3742;--a:#6aa7ff;--b:#ff9a52;--good:#43c18a;--bad:#ff7a7a}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1120px;margin:0 auto;padding:36px 24px 72px}
h1{font-size:30px;margin:0 0 6px;letter-spacing:-.02em}h2{font-size:20px;margin:44px 0 6px}
h3{font-size:14px;margin:0 0 10px;font-weight:600}header p{max-width:70ch;color:var(--dim)}.note{color:var(--dim);margin:0 0 14px}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(180px,1fr));gap:14px;margin-top:22px}
.card,section,.plot,table,.images{background:var(--paper);border:1px solid var(--line);border-radius:14px;padding:18px}
.card b{display:block;font-size:27px;letter-spacing:-.02em;font-variant-numeric:tabular-nums}.card span{color:var(--dim)}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:14px}
svg{width:100%;height:auto;display:block;font-family:inherit}
.grid{stroke:var(--line)}.tick{fill:var(--dim);font-size:11.5px}.name{font-size:12px;font-weight:600}.op{fill:var(--ink);font-size:14px;font-weight:600}
.count{font-size:11.5px;font-variant-numeric:tabular-nums}
polyline{fill:none;stroke-width:2;stroke-linejoin:round}polyline.train{stroke-dasharray:5 4;stroke-opacity:.65}
.edge{fill:none;stroke:var(--dim);stroke-width:1.3}
table{border-collapse:separate;border-spacing:0;font-variant-numeric:tabular-nums}td,th{padding:3px 18px;text-align:right}
th:first-child{text-align:left}tr:first-child th{color:var(--dim);font-weight:500}
.images{display:grid;grid-template-columns:repeat(auto-fill,minmax(86px,1fr));gap:14px 8px}
figure{margin:0;text-align:center}figure img{width:72px;height:72px;image-rendering:pixelated;border-radius:8px;border:2px solid transparent}
figcaption{font-size:11.5px;line-height:1.35;margin-top:4px}figcaption b{color:var(--good);font-weight:600}
figcaption small{display:block;color:var(--dim)}
.wrong img{border-color:var(--bad)}.wrong figcaption b{color:var(--bad)}
"""
