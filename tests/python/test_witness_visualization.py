"""Tables of networks as the real MXNet prints them, and the boxes and arrows of its pictures."""
import json
import re

import pytest

import heddle as mx
from test_witness import ask
from witness.summaries import NETWORKS, texts

# Rows that MXNet gets wrong, by how they begin.
WRONG_THERE = {"fc(FullyConnected)": "counts the weights as if the input had two axes", "halves(": "has no shape for several outputs",
               "Total params": "sums these"}
OTHERS = "#fccde5"
WITHOUT_SHAPES = 3  # the last table: MXNet counts parameters of shapes that it does not know


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    pytest.importorskip("graphviz")
    path = tmp_path_factory.mktemp("summaries") / "texts.json"
    ask("summaries.py", str(path))
    return json.loads(path.read_text()), texts(mx)


@pytest.mark.parametrize("name", NETWORKS)
def test_tables_are_the_same_text(name, found):
    theirs, ours = (side[name] for side in found)
    for at, pair in enumerate(zip(theirs, ours)):
        lines = [text.splitlines() for text in pair]
        assert len(lines[0]) == len(lines[1])
        for there, here in zip(*lines):
            counted = at == WITHOUT_SHAPES or name == "words" and there.startswith(("fc(", "Total"))
            if counted or there.startswith("halves("):
                there, here = (re.sub(r"(?<= )[\dx]+(?= |$)", lambda m: " " * len(m[0]), line).rstrip() for line in (there, here))
            assert here == there


def boxes(source, backwards):
    """({name: (label, colour, shape or None)}, [(from, to, label)]) of a graph as Graphviz writes it."""
    nodes, edges = {}, []
    for line in re.split(r"\n(?=\t|\})", source):
        attributes = {k: v.strip('"').replace("\\n", "\n") for k, v in re.findall(r'(\w+)=("[^"]*"|[^\s\]]+)', line)}
        arrow = re.match(r"\t\"?([^\"\s]+)\"? -> \"?([^\"\s]+)\"?", line)
        if arrow:
            ends = arrow.groups()[::-1] if backwards else arrow.groups()
            edges.append((*ends, attributes.get("label", "")))
        elif re.match(r"\t\S+ \[label", line):
            nodes[line.split()[0]] = attributes["label"], attributes["fillcolor"]
    return nodes, edges


@pytest.mark.parametrize("name", NETWORKS)
def test_pictures_have_the_same_boxes_and_arrows(name, found):
    theirs, ours = (side[f"plot {name}"] for side in found)
    for there, here in zip(theirs, ours):
        (nodes, edges), (our_nodes, our_edges) = boxes(there, True), boxes(here, False)
        for node, (label, colour) in nodes.items():  # ours has colours of their own for more kinds
            assert our_nodes[node] == (label, our_nodes[node][1] if colour == OTHERS else colour)
        assert edges == our_edges
