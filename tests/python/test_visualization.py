"""Tables and pictures of networks."""
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

import heddle as mx
from heddle import sym


def net():
    data = sym.Variable("data")
    out = sym.Convolution(data, kernel=(3, 3), num_filter=4, name="conv")
    out = sym.BatchNorm(out, name="bn")
    out = sym.Pooling(sym.Activation(out, act_type="relu", name="act"), kernel=(2, 2), stride=(2, 2), pool_type="max",
                      name="pool")
    out = sym.FullyConnected(sym.Flatten(out, name="flat"), num_hidden=10, name="fc")
    return sym.SoftmaxOutput(out, name="softmax")


def test_print_summary(capsys):
    mx.viz.print_summary(net(), {"data": (1, 3, 10, 10)}, line_length=100)
    text = capsys.readouterr().out
    lines = text.splitlines()
    row = {line.split("(")[0]: line.split() for line in lines if "(" in line}
    assert row["conv"] == ["conv(Convolution)", "4x8x8", "112", "data"]
    assert row["fc"] == ["fc(FullyConnected)", "10", "650", "flat"]
    assert row["bn"][2] == "8" and row["softmax"][-1] == "fc"
    assert f"Total params: {112 + 8 + 650}" in text and all(len(line) <= 100 for line in lines)
    mx.viz.print_summary(net())
    assert "conv(Convolution)" in capsys.readouterr().out
    with pytest.raises(mx.MXNetError, match="nothing not found"):
        mx.viz.print_summary(net(), {"nothing": (1,)})
    with pytest.raises(TypeError):
        mx.viz.print_summary("net")


@pytest.fixture()
def no_graphviz(monkeypatch):
    """As if the Python package graphviz were not installed."""
    monkeypatch.setitem(sys.modules, "graphviz", None)


def test_graphviz_draws_where_it_is(tmp_path):
    graphviz = pytest.importorskip("graphviz")
    data = {"data": (1, 3, 10, 10)}
    plot = mx.viz.plot_network(net(), title="small net", shape=data, save_format="svg", node_attrs={"shape": "oval"})
    assert type(plot) is graphviz.Digraph and plot.name == "small net" and plot.format == "svg"
    assert "\tconv -> bn [label=\"4x8x8\"]" in plot.source and "shape=oval" in plot.source
    assert 'label="Convolution\\n3x3/1, 4"' in plot.source and "conv_weight" not in plot.source
    if shutil.which("dot"):
        picture = ElementTree.parse(plot.render(tmp_path / "net")).getroot()
        shown = [e.text for e in picture.iter() if e.tag.endswith("}title")]
        assert "conv->bn" in [text.replace("\u2192", "->") for text in shown] and "4x8x8" in "".join(picture.itertext())


def test_graphviz_takes_any_name(tmp_path):
    pytest.importorskip("graphviz")
    odd = sym.FullyConnected(sym.Variable("in:put"), num_hidden=1, name='a "b" \\N:c')
    source = mx.viz.plot_network(odd * 2).source
    assert "in:put" in source
    if shutil.which("dot"):
        done = subprocess.run(["dot", "-Tplain"], input=source, capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr and done.stdout.count("\nnode ") == 3


def test_plot(tmp_path, no_graphviz):
    plot = mx.viz.plot_network(net(), title="a \"small\" net", shape={"data": (1, 3, 10, 10)})
    dot = plot.source
    assert '"conv" -> "bn" [label="4x8x8"]' in dot and 'digraph "a \\"small\\" net"' in dot
    assert "conv_weight" not in dot and "Convolution\\n3x3/1, 4" in dot and "bn_moving_mean" not in dot
    assert "conv_weight" in mx.viz.plot_network(net(), hide_weights=False).source
    path = plot.save(tmp_path / "net.svg")
    picture = ElementTree.parse(path).getroot()
    assert picture.tag.endswith("svg") and ">Convolution<" in open(path).read()
    boxes = [e for e in picture if e.tag.endswith("rect")]
    width, height = float(picture.get("width")), float(picture.get("height"))
    assert len(boxes) == 9
    for box in boxes:
        assert 0 <= float(box.get("x")) <= width - float(box.get("width"))
        assert 0 <= float(box.get("y")) <= height - float(box.get("height"))
    assert plot.save(tmp_path / "net.dot") and (tmp_path / "net.dot").read_text() == dot
    assert plot._repr_svg_() == plot.svg()
    with pytest.raises(TypeError):
        mx.viz.plot_network(None)


def test_boxes_of_one_layer_do_not_overlap(no_graphviz):
    x = sym.Variable("x")
    branches = [sym.FullyConnected(x, num_hidden=2, name=f"branch_with_a_long_name_{i}") for i in range(4)]
    picture = ElementTree.fromstring(mx.viz.plot_network(sym.concat(*branches, dim=1)).svg())
    rows = {}
    for box in (e for e in picture if e.tag.endswith("rect")):
        rows.setdefault(box.get("y"), []).append((float(box.get("x")), float(box.get("width"))))
    assert sorted(map(len, rows.values())) == [1, 1, 4]
    for row in rows.values():
        row.sort()
        assert all(a + w <= b for (a, w), (b, _) in zip(row, row[1:]))


def test_other_formats_need_graphviz(tmp_path, monkeypatch, no_graphviz):
    plot = mx.viz.plot_network(net(), title=str(tmp_path / "p"))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(RuntimeError, match="Graphviz"):
        plot.render()
