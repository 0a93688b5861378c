"""A directed graph for Graphviz, its program and its Python package, and as SVG with a layout of our own."""
from __future__ import annotations

import html
import os
import shutil
import subprocess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


_BOX_HEIGHT, _GAP_X, _GAP_Y, _MARGIN, _LETTER = 46, 28, 44, 16, 7.2


class Plot:
    """Boxes and arrows, drawn from the bottom up as MXNet draws networks."""

    def __init__(self, title: str, save_format: str = "pdf", node_attrs: Mapping[str, str] | None = None) -> None:
        self.title = title
        self.format = save_format
        self.node_attrs = node_attrs or {}
        self._nodes: dict[str, tuple[str, str, bool]] = {}  # name -> (label, colour, oval)
        self._edges: list[tuple[str, str, str]] = []  # (from, to, label)

    def node(self, name: str, label: str, colour: str, oval: bool = False) -> None:
        """A box."""
        self._nodes[name] = (label, colour, oval)

    def edge(self, source: str, target: str, label: str = "") -> None:
        """An arrow."""
        self._edges.append((source, target, label))

    # --- Graphviz
    @property
    def _style(self) -> dict[str, str]:
        """Attributes of all boxes."""
        return {"shape": "box", "fixedsize": "false", "style": "filled", **self.node_attrs}

    def digraph(self, graphviz: Any) -> Any:
        """The graph as a Digraph of the package graphviz."""
        made = graphviz.Digraph(name=self.title, format=self.format, graph_attr={"rankdir": "BT"},
                                node_attr=self._style)

        def key(name: str) -> str:  # a colon would name a port
            return name.replace(":", "_")

        for name, (label, colour, oval) in self._nodes.items():
            made.node(key(name), graphviz.escape(label).replace("\n", "\\n"), fillcolor=colour,
                      **({"shape": "oval"} if oval else {}))
        for source, target, label in self._edges:
            made.edge(key(source), key(target), graphviz.escape(label) if label else None)
        return made

    @property
    def source(self) -> str:
        """The graph in Graphviz's language."""
        lines = [f"digraph {_quoted(self.title)} {{", "\trankdir=BT",
                 "\tnode [" + " ".join(f"{k}={_quoted(v)}" for k, v in self._style.items()) + "]"]
        for name, (label, colour, oval) in self._nodes.items():
            shape = ' shape="oval"' if oval else ""
            lines.append(f"\t{_quoted(name)} [label={_quoted(label)} fillcolor={_quoted(colour)}{shape}]")
        for source, target, label in self._edges:
            text = f" [label={_quoted(label)}]" if label else ""
            lines.append(f"\t{_quoted(source)} -> {_quoted(target)}{text}")
        return "\n".join(lines) + "\n}\n"

    # --- files
    def save(self, path: str | os.PathLike[str]) -> str:
        """Writes .svg, .dot or .gv; other formats need Graphviz's `dot`. Returns the path."""
        path = os.fspath(path)
        suffix = os.path.splitext(path)[1].lstrip(".").lower()
        if suffix in ("svg", "dot", "gv", ""):
            with open(path, "w", encoding="utf-8") as f:
                f.write(self.svg() if suffix == "svg" else self.source)
            return path
        program = shutil.which("dot")
        if program is None:
            raise RuntimeError(f"{path}: writing .{suffix} needs Graphviz's program dot; .svg and .dot do not")
        subprocess.run([program, f"-T{suffix}", "-o", path], input=self.source.encode(), check=True)
        return path

    def render(self, filename: str | None = None, **_: object) -> str:
        """save() under the name of the title, in the format given when the plot was made."""
        return self.save(f"{filename or self.title}.{self.format}")

    def _repr_svg_(self) -> str:
        return self.svg()

    # --- SVG
    def svg(self) -> str:
        """The graph as a picture: layers by the longest way to a node, neighbours close to each other."""
        layers = self._layers()
        widths = {n: max(90.0, _LETTER * max(map(len, label.split("\n"))) + 20)
                  for n, (label, _, _) in self._nodes.items()}
        rows = [sum(widths[n] for n in row) + _GAP_X * (len(row) - 1) for row in layers]
        total = max(rows, default=0) + 2 * _MARGIN
        height = len(layers) * (_BOX_HEIGHT + _GAP_Y) - _GAP_Y + 2 * _MARGIN
        places = {}
        for level, (row, width) in enumerate(zip(layers, rows)):
            x = (total - width) / 2
            y = height - _MARGIN - _BOX_HEIGHT - level * (_BOX_HEIGHT + _GAP_Y)
            for name in row:
                places[name] = x + widths[name] / 2, y
                x += widths[name] + _GAP_X
        parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total:.0f} {height:.0f}" '
                 f'width="{total:.0f}" height="{height:.0f}" font-family="sans-serif" font-size="12">',
                 f"<title>{html.escape(self.title)}</title>",
                 '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
                 'orient="auto"><path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>']
        parts += [_arrow(places[s], places[t], label) for s, t, label in self._edges
                  if s in places and t in places]
        parts += [_box(places[n], widths[n], *node) for n, node in self._nodes.items() if n in places]
        return "\n".join(parts) + "\n</svg>\n"

    def _layers(self) -> list[list[str]]:
        """Names by level; sources are at level 0, next to what uses them first."""
        before = {n: [s for s, t, _ in self._edges if t == n and s in self._nodes] for n in self._nodes}
        after = {n: [t for s, t, _ in self._edges if s == n and t in self._nodes] for n in self._nodes}
        level: dict[str, int] = {}
        for name in self._nodes:  # nodes come in topological order
            level[name] = 1 + max((level[s] for s in before[name]), default=-1)
        for name in self._nodes:
            if not before[name] and after[name]:
                level[name] = min(level[t] for t in after[name]) - 1
        layers: list[list[str]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
        for name in self._nodes:
            layers[level[name]].append(name)
        for _ in range(4):
            for neighbours, order in ((before, layers), (after, layers[::-1])):
                place = {n: (i + 0.5) / len(row) for row in layers for i, n in enumerate(row)}
                for row in order:
                    row.sort(key=lambda n: _mean([place[m] for m in neighbours[n]], place[n]))
                    place.update({n: (i + 0.5) / len(row) for i, n in enumerate(row)})
        return layers


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _quoted(text: str) -> str:
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _arrow(source: tuple[float, float], target: tuple[float, float], label: str) -> str:
    (x1, y1), (x2, y2) = source, (target[0], target[1] + _BOX_HEIGHT)
    middle = (y1 + y2) / 2
    path = f'<path d="M{x1:.1f} {y1:.1f}C{x1:.1f} {middle:.1f} {x2:.1f} {middle:.1f} {x2:.1f} {y2:.1f}" ' \
           'fill="none" stroke="#555" marker-end="url(#tip)"/>'
    if label:
        path += f'<text x="{(x1 + x2) / 2 + 6:.1f}" y="{middle + 4:.1f}" fill="#555" font-size="11">' \
                f"{html.escape(label)}</text>"
    return path


def _box(place: tuple[float, float], width: float, label: str, colour: str, oval: bool) -> str:
    x, y = place
    radius = _BOX_HEIGHT / 2 if oval else 4
    lines = label.split("\n")
    text = "".join(f'<tspan x="{x:.1f}" y="{y + _BOX_HEIGHT / 2 + 4 + 15 * (i - (len(lines) - 1) / 2):.1f}">'
                   f"{html.escape(line)}</tspan>" for i, line in enumerate(lines))
    return (f'<rect x="{x - width / 2:.1f}" y="{y:.1f}" width="{width:.1f}" height="{_BOX_HEIGHT}" '
            f'rx="{radius}" fill="{colour}" stroke="#555"/><text text-anchor="middle">{text}</text>')
