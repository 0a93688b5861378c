"""Networks as tables and as pictures."""
from __future__ import annotations

import ast

from ._plot import Plot
from .symbol import Symbol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from ._core import _Node
    from ._typing import DTypeLike, ShapeLike


def _is_parameter(name: str) -> bool:
    return name.endswith(("_weight", "_bias", "_gamma", "_beta", "_moving_mean", "_moving_var", "_moving_inv_var",
                          "_moving_avg"))


def _internal_shapes(symbol: Symbol, shape: Mapping[str, ShapeLike]) -> dict[str, Any]:
    """Output names of all nodes to their shapes."""
    internals = symbol.get_internals()
    _, shapes, _ = internals.infer_shape_partial(**shape)
    unknown = [n for n, s in zip(internals.list_outputs(), shapes) if not s]
    if unknown:
        raise ValueError(f"Input shape is incomplete: the shape of {unknown[0]} stays unknown")
    return dict(zip(internals.list_outputs(), shapes))


def _layers(symbol: Symbol, shape: Mapping[str, ShapeLike] | None) -> Iterator[tuple[str, str, Any, int, list[str]]]:
    """(name, operator, output shape or None, parameter count, names of the layers before) of each layer."""
    nodes = symbol._core.nodes()
    shapes = _internal_shapes(symbol, shape) if shape else {}
    data = set(shape or {})
    parameters = {at for at, n in enumerate(nodes) if n["op"] == "null" and n["name"] not in data
                  and (_is_parameter(n["name"]) or shape)}
    parameters = {at for at in parameters if not _is_label(nodes, at)}
    states = set(symbol.list_auxiliary_states())
    for at, node in enumerate(nodes):
        if node["op"] == "null" and (at in parameters or _is_label(nodes, at)):
            continue
        own = [i for i, _ in node["inputs"] if i in parameters and nodes[i]["name"] not in states]
        before = [nodes[i]["name"] for i, _ in node["inputs"] if i not in parameters and not _is_label(nodes, i)]
        count = 0
        for i in own:
            size = 1
            for extent in shapes.get(nodes[i]["name"], ()) or (0,):
                size *= extent
            count += size
        yield node["name"], node["op"], shapes.get(_output(node, shapes) or ""), count, before


def _is_label(nodes: list[_Node], at: int) -> bool:
    return nodes[at]["op"] == "null" and nodes[at]["name"].endswith("label")


def _output(node: _Node, shapes: Mapping[str, Any]) -> str | None:
    if node["op"] == "null" or f"{node['name']}_output" in shapes:
        return node["name"] if node["op"] == "null" else f"{node['name']}_output"
    return next((n for n in shapes if n.startswith(node["name"] + "_output")), None)


def print_summary(symbol: Symbol, shape: Mapping[str, ShapeLike] | None = None, line_length: int = 120,
                  positions: Sequence[float] = (0.44, 0.64, 0.74, 1.0)) -> None:
    """Prints a table of the layers: output shapes, numbers of parameters, and what comes before.

    shape: input names to shapes; without it there are no shapes and counts. line_length: of the table. positions: where the
    four columns end, as shares of it or in letters. Parameters are those that are learnt: moving averages do not count.
    Raises ValueError where shapes stay unknown.
    """
    if not isinstance(symbol, Symbol):
        raise TypeError("symbol must be Symbol")
    ends = [int(line_length * p) if p <= 1 else int(p) for p in positions]

    def row(*fields: Any) -> None:
        line = ""
        for field, end in zip(fields, ends):
            line = (line + str(field))[:end].ljust(end)
        print(line)

    print("_" * line_length)
    row("Layer (type)", "Output Shape", "Param #", "Previous Layer")
    print("=" * line_length)
    total = 0
    layers = list(_layers(symbol, shape))
    for at, (name, op, out, count, before) in enumerate(layers):
        total += count
        shown = "x".join(map(str, out[1:])) if out else ""
        row(f"{name}({op})", shown, count, before[0] if before else "")
        for other in before[1:]:
            row("", "", "", other)
        print(("=" if at == len(layers) - 1 else "_") * line_length)
    print(f"Total params: {total}")
    print("_" * line_length)


_COLOURS = {"null": "#8dd3c7", "dense": "#fb8072", "shape": "#ffffb3", "pool": "#80b1d3", "join": "#fdb462",
            "norm": "#bebada", "loss": "#b3de69", "other": "#fccde5"}
_KINDS = {
    "Convolution": "dense", "Deconvolution": "dense", "FullyConnected": "dense", "Embedding": "dense",
    "BatchNorm": "norm", "InstanceNorm": "norm", "LayerNorm": "norm", "LRN": "norm", "Dropout": "norm",
    "Activation": "shape", "LeakyReLU": "shape", "Pooling": "pool",
    "Concat": "join", "Flatten": "join", "Reshape": "join", "SliceChannel": "join", "elemwise_add": "join",
    "SoftmaxOutput": "loss", "LinearRegressionOutput": "loss", "LogisticRegressionOutput": "loss",
    "MAERegressionOutput": "loss", "SVMOutput": "loss", "MakeLoss": "loss", "softmax": "loss",
}


def _tuple_text(text: str) -> str:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return "x".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def _label(node: _Node) -> str:
    """What a box says."""
    name, op, attrs = node["name"], node["op"], node["attrs"]
    if op == "null":
        return name
    if op == "Convolution":
        stride = _tuple_text(attrs.get("stride", "1"))
        return f"Convolution\n{_tuple_text(attrs['kernel'])}/{stride}, {attrs['num_filter']}"
    if op == "FullyConnected":
        return f"FullyConnected\n{attrs['num_hidden']}"
    if op == "Pooling":
        kernel = _tuple_text(attrs.get("kernel", "global"))
        return f"Pooling\n{attrs.get('pool_type', 'max')}, {kernel}/{_tuple_text(attrs.get('stride', '1'))}"
    if op in ("Activation", "LeakyReLU"):
        return f"{op}\n{attrs.get('act_type', 'leaky')}"
    return name


def plot_network(symbol: Symbol, title: str = "plot", save_format: str = "pdf",
                 shape: Mapping[str, ShapeLike] | None = None, dtype: DTypeLike | None = None,
                 node_attrs: Mapping[str, str] | None = None, hide_weights: bool = True) -> Any:
    """A picture of a network: a graphviz.Digraph, as in MXNet, where the Python package graphviz is installed.

    Elsewhere an object that draws by itself: save(path) writes .svg and .dot, and what Graphviz's program dot can;
    both have source and render(), and show themselves in notebooks. shape: input names to shapes, to show what flows
    between the boxes. node_attrs: Graphviz attributes of all boxes.
    """
    if not isinstance(symbol, Symbol):
        raise TypeError("symbol must be a Symbol")
    plot = _plot(symbol, title, save_format, shape, node_attrs, hide_weights)
    try:
        import graphviz
    except ImportError:
        return plot
    return plot.digraph(graphviz)


def _plot(symbol: Symbol, title: str, save_format: str, shape: Mapping[str, ShapeLike] | None,
          node_attrs: Mapping[str, str] | None, hide_weights: bool) -> Plot:
    """The boxes and arrows of a network."""
    shapes = _internal_shapes(symbol, shape) if shape else {}
    nodes = symbol._core.nodes()
    plot = Plot(title, save_format, node_attrs or {})
    hidden = set()
    for at, node in enumerate(nodes):
        if node["op"] == "null" and hide_weights and _is_parameter(node["name"]):
            hidden.add(at)
            continue
        colour = _COLOURS[_KINDS.get(node["op"], "other") if node["op"] != "null" else "null"]
        plot.node(node["name"], _label(node), colour, oval=node["op"] == "null")
    for node in nodes:
        for at, _ in node["inputs"]:
            if at in hidden or node["op"] == "null":
                continue
            out = shapes.get(_output(nodes[at], shapes) or "")
            text = "x".join(map(str, out[1:])) if out else ""
            plot.edge(nodes[at]["name"], node["name"], text)
    return plot
