"""The page that the demo writes: whole, in one file, and true to the numbers it is given."""
import argparse
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

import pytest

pytest.importorskip("matplotlib")
EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
CLASSES = tuple("abcdefghij")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page about four images; the last is a b taken for a c."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        import fashion_mnist
        import fashion_report
    finally:
        sys.path.remove(str(EXAMPLES))
    said = [[0.0] * 10 for _ in range(4)]
    for row, best in zip(said, (0, 1, 1, 2)):
        row[best] = 0.75
    curve = [{"train_accuracy": 0.5 + 0.1 * i, "test_accuracy": 0.25 + 0.1 * i, "train_loss": 1 / (i + 1),
              "test_loss": 1.5 / (i + 1)} for i in range(3)]
    run = {"curve": curve, "rate": 1234.0, "seconds": 1.0, "accuracy": 0.75, "probabilities": said}
    path = tmp_path_factory.mktemp("page") / "report.html"
    fashion_report.write(str(path), {"symbolic": run, "imperative": run}, bytes(range(196)) * 16, bytes([0, 1, 1, 1]), CLASSES,
                         fashion_mnist.lenet(), argparse.Namespace(epochs=3, batch=64))
    return path.read_text()


def test_it_needs_no_other_file(page):
    links = re.findall(r'(?:src|href|url\()="?([^")]*)', page)
    assert links and all(link.startswith(("data:image/png;base64,", "#")) for link in links)


def test_every_picture_is_there(page):
    pictures = [ElementTree.fromstring(text) for text in re.findall(r"<svg.*?</svg>", page, re.S)]
    assert [p.get("aria-label") for p in pictures] == [
        "accuracy by epoch", "loss by epoch", "confusion matrix", "confusion matrix", "the network"]
    accuracy, _, matrix, _, network = pictures

    def told(picture):
        return [e.text for e in picture.iter() if e.tag.endswith("}title")]

    assert "symbolic, test: 0.4500" in told(accuracy) and len(told(accuracy)) == 12
    assert "b taken for c: 1 of 3" in told(matrix) and "b taken for b: 2 of 3" in told(matrix)
    words = " ".join(network.itertext())
    assert "conv2 \u2192 50x8x8" in words and "25,050 weights" in words
    assert page.count("data:image/png") == 5 and page.count('class="wrong"') == 2


def test_pictures_follow_the_colours_of_the_page(page):
    """By night, too: no colour of the day is fixed in a picture."""
    drawn = "".join(re.findall(r"<svg.*?</svg>", page, re.S))
    assert "var(--ink)" in drawn and "var(--good)" in drawn and not re.search(r"(fill|stroke): #(?!000000)", drawn)
