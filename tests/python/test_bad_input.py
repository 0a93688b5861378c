"""Bad input raises at the call, in words that help, and never ends the process: see bad_calls.py."""
import json
import pathlib
import subprocess
import sys

import pytest

from bad_calls import CALLS

PROGRAM = pathlib.Path(__file__).with_name("bad_calls.py")


@pytest.fixture(scope="module")
def said():
    """What each call raised, found out in a process of its own; None for the call that ended it."""
    done = subprocess.run([sys.executable, PROGRAM], capture_output=True, text=True, timeout=300)
    found = {}
    for line in done.stdout.splitlines():
        entry = json.loads(line)
        found[entry["name"]] = None if "began" in entry else entry
    return found, done


@pytest.mark.parametrize("name", CALLS)
def test_bad_call(name, said):
    found, done = said
    _, words, raises = CALLS[name]
    entry = found.get(name)
    assert entry, f"the process ended with {done.returncode} here or before: {done.stderr[-500:]}"
    assert entry["type"], entry["message"]
    if raises:
        assert raises.__name__ in entry["type"], entry
    else:
        assert {"MXNetError", "ValueError", "TypeError", "IndexError", "AssertionError", "MemoryError", "KeyError",
                "RuntimeError", "OSError"} & set(entry["type"]), entry
    assert entry["message"] or raises, "an empty message"
    for word in words:
        assert word.replace(" ", "") in entry["message"].replace(" ", ""), f"{word!r} is not in {entry['message']!r}"


def test_the_process_survived(said):
    found, done = said
    assert done.returncode == 0 and "terminate" not in done.stderr, done.stderr[-2000:]
    assert len(found) == len(CALLS)


def test_work_after_an_error(said):
    """An error leaves the library usable."""
    import heddle as mx
    for _ in range(3):
        with pytest.raises(mx.base.MXNetError):
            mx.nd.dot(mx.nd.ones((2, 3)), mx.nd.ones((2, 3)))
        assert mx.nd.dot(mx.nd.ones((2, 3)), mx.nd.ones((3, 2))).asnumpy().tolist() == [[3, 3], [3, 3]]
