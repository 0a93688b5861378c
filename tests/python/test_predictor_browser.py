"""The predictor in a page: examples/browser, built as its README says, in node and in a headless Chromium."""
import json
import math
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from chromium import Page
from predictor_targets import needed

import heddle as mx

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/browser"
REFERENCE = ROOT / "tests/golden/browser-page.png"

sys.path.insert(0, str(EXAMPLE))
import strokes  # noqa: E402


def curve(function, points=24):
    return [function(i / points) for i in range(points + 1)]


# Drawings by another hand than that of strokes.py, around the middle of the pad.
DIGITS = {
    "0": [curve(lambda t: (60 * math.sin(2 * math.pi * t), -100 * math.cos(2 * math.pi * t)))],
    "1": [[(-35, -60), (5, -100), (0, 100)]],
    "2": [curve(lambda t: (-60 * math.cos(math.pi * 1.15 * t), -45 - 55 * math.sin(math.pi * 1.15 * t))) + [(-65, 95), (70, 98)]],
    "3": [[(-50, -75), (-20, -98), (25, -90), (45, -60), (30, -25), (-10, -8), (35, 8), (55, 45), (35, 85), (-10, 98), (-55, 75)]],
    "4": [[(-10, -100), (-70, 20), (80, 20)], [(30, -40), (25, 100)]],
    "5": [[(-40, -90), (-45, -5), (10, -15), (50, 20), (40, 75), (-10, 95), (-50, 80)], [(-40, -92), (50, -95)]],
    "6": [[(40, -95), (-10, -60), (-45, 0), (-50, 50), (-25, 90), (15, 95), (45, 65), (40, 25), (5, 5), (-35, 25)]],
    "7": [[(-70, -90), (0, -92), (75, -90), (30, 0), (0, 95)]],
    "8": [curve(lambda t: (50 * math.sin(4 * math.pi * t), -95 * math.cos(2 * math.pi * t)))],
    "9": [[(40, -50), (20, -90), (-25, -90), (-45, -50), (-25, -15), (20, -15), (42, -50), (40, 20), (25, 95)]],
}


def heart(wide):
    return [curve(lambda t: (wide * 16 * math.sin(2 * math.pi * t) ** 3,
                             -5.5 * (13 * math.cos(2 * math.pi * t) - 5 * math.cos(4 * math.pi * t)
                                     - 2 * math.cos(6 * math.pi * t) - math.cos(8 * math.pi * t))), 40)]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the page."""
    if not shutil.which("em++"):
        needed("em++")
    folder = tmp_path_factory.mktemp("page")
    done = subprocess.run([sys.executable, EXAMPLE / "build.py", folder, "--quick"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    share = float(done.stdout.split(" % of ")[0].split()[-1])
    assert share > 98, done.stdout
    return folder


NODE = """
const fs = require("fs"), [folder, given] = process.argv.slice(1);
const { Digits, picture } = require(`${folder}/digits.js`);
const MODEL = new Function(`${fs.readFileSync(`${folder}/model.js`)}; return MODEL;`)();
const { digits: drawings, hearts } = JSON.parse(given);
require(`${folder}/heddle.js`)().then(async (wasm) => {
  const digits = new Digits(wasm, { ...MODEL, params: new Uint8Array(Buffer.from(MODEL.params, "base64")) });
  const read = (drawing) => digits.classes[digits.classify(drawing).reduce((best, p, k, all) => p > all[best] ? k : best, 0)];
  const before = Object.values(drawings).map(read), losses = [], shares = [];
  await digits.learn("heart", hearts.slice(1), (share, loss) => { shares.push(share); losses.push(loss); });
  let error = "";
  try { digits.call("open", "{}", new Uint8Array(0), 0); } catch (e) { error = e.message; }
  console.log(JSON.stringify({ before, after: Object.values(drawings).map(read), heart: read(hearts[0]), losses, shares, error,
                               sum: digits.classify(hearts[0]).reduce((a, b) => a + b), picture: Array.from(picture(drawings["4"])) }));
});
"""


def test_in_node(built):
    """What needs no page: the pictures, the answers, and what is learned."""
    if not shutil.which("node"):
        needed("node")
    done = subprocess.run(["node", "--no-experimental-fetch", "-e", NODE, built, json.dumps({"digits": DIGITS, "hearts": [heart(w) for w in (5.6, 5.2, 6, 4.6, 5.5)]})],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["before"] == said["after"] == list(DIGITS)
    assert said["heart"] == "heart" and said["sum"] == pytest.approx(1, abs=1e-5)
    assert said["losses"][-1] < said["losses"][0] / 4 and said["shares"] == sorted(said["shares"]) and said["shares"][-1] == 1
    assert "[Symbol]" in said["error"] or "nodes" in said["error"]
    drawn = strokes.picture([np.array(s, float) for s in DIGITS["4"]])
    np.testing.assert_allclose(np.reshape(said["picture"], drawn.shape), drawn, atol=1e-4)


class Pad:
    """The page as a person uses it."""

    def __init__(self, page):
        self.page = page

    def draw(self, drawing):
        x, y = self.page.middle("#pad")
        for stroke in drawing:
            self.page.drag([(x + a, y + b) for a, b in stroke])
        self.page.until("!asked")
        return self.text("#answer")

    def text(self, selector):
        return self.page.value(f"document.querySelector('{selector}').textContent")


# Keeps what the bar of progress has shown.
WATCH = """
var seen = [];
new MutationObserver(() => seen.push(Number(document.getElementById("progress").getAttribute("aria-valuenow"))))
  .observe(document.getElementById("progress"), { attributeFilter: ["aria-valuenow"] });
"""


def compare(png, kept):
    """The share of fields of 20 x 20 pixels whose mean colour is another one: edges of letters may be drawn otherwise."""
    found, expected = (mx.image.imdecode(data).asnumpy().astype("float32") for data in (png, kept))
    assert found.shape == expected.shape
    height, width = found.shape[0] // 20, found.shape[1] // 20
    differences = (found - expected)[:height * 20, :width * 20].reshape(height, 20, width, 20, 3).mean((1, 3))
    return float((np.abs(differences).max(-1) > 12).mean())


def test_in_chromium(built, tmp_path):
    """Opened as a file: drawn with the mouse, read, taught a sign, and looked at."""
    if not shutil.which("chromium"):
        needed("chromium")
    with Page((built / "index.html").as_uri(), tmp_path / "profile") as page:
        page.until("document.body && document.body.dataset.ready")
        pad = Pad(page)
        assert page.value("document.getElementById('add').disabled && document.getElementById('learn').disabled")
        for name, drawing in DIGITS.items():
            assert pad.draw(drawing) == f"This is {name}"
            page.click("#clear")
        for wide in (5.2, 6, 4.6):
            assert pad.draw(heart(wide)) != "This is heart"
            page.click("#add")
        page.click("#name")
        page.write("heart")
        page.until("!asked && !document.getElementById('learn').disabled")
        page.value(WATCH)
        page.click("#learn")
        page.until("seen.at(-1) === 100 && !learning")
        seen = page.value("seen")
        assert len(seen) > 10 and seen == sorted(seen)
        assert pad.text("#told").startswith("Learned heart from 3 drawings")
        assert pad.draw(heart(5.6)) == "This is heart"
        page.click("#clear")
        page.value("document.getElementById('told').textContent = ''")  # it has seconds in it
        assert pad.draw(DIGITS["7"]) == "This is 7"
        assert page.value("document.querySelectorAll('#bars li').length") == 11
        assert page.complaints == []
        screenshot = page.screenshot()
    (tmp_path / "page.png").write_bytes(screenshot)
    assert compare(screenshot, REFERENCE.read_bytes()) < 0.01, f"{tmp_path}/page.png looks otherwise than {REFERENCE}"
