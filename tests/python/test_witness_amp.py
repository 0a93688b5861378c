"""Networks converted to mixed precision are, node by node, those that the real MXNet makes of them."""
import json

import pytest

import heddle as mx
from test_witness import ask
from witness.amp import NETWORKS, OPTIONS, converted


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    path = tmp_path_factory.mktemp("amp") / "seen.json"
    ask("amp.py", str(path))
    return json.loads(path.read_text()), json.loads(json.dumps(converted(mx)))


@pytest.mark.parametrize("how", OPTIONS)
@pytest.mark.parametrize("network", NETWORKS)
def test_converted(network, how, found):
    theirs, ours = (side[f"{network}: {how}"] for side in found)
    if theirs is None:
        return
    assert ours["heads"] == theirs["heads"]
    assert ours["nodes"] == theirs["nodes"]
