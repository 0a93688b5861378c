// A network that knows digits and learns other signs: no page in here, so node runs it too.
"use strict";

const SIDE = 28, BOX = 20, PEN = 1.3;  // as in strokes.py
const BATCH = 32, STEPS = 200, RATE = 0.01;

// The picture of a drawing, a list of strokes of points [x, y]: moved and scaled to the middle.
function picture(strokes) {
  const points = strokes.flat();
  const span = [0, 1].map((i) => {
    const all = points.map((p) => p[i]);
    return [Math.min(...all), Math.max(...all)];
  });
  const scale = BOX / Math.max(span[0][1] - span[0][0], span[1][1] - span[1][0], 1e-6);
  const place = (p) => [0, 1].map((i) => (p[i] - (span[i][0] + span[i][1]) / 2) * scale + SIDE / 2);
  const nearest = new Float32Array(SIDE * SIDE).fill(Infinity);  // squares of distances
  for (const stroke of strokes) {
    const placed = stroke.map(place);
    for (let k = 0; k < Math.max(placed.length - 1, 1); ++k) {
      const a = placed[k], b = placed[Math.min(k + 1, placed.length - 1)];
      const d = [b[0] - a[0], b[1] - a[1]], length = Math.max(d[0] * d[0] + d[1] * d[1], 1e-12);
      // Only pixels that the pen can touch.
      const range = (i) => [Math.max(Math.floor(Math.min(a[i], b[i]) - 3), 0),
                            Math.min(Math.ceil(Math.max(a[i], b[i]) + 3), SIDE)];
      const [x0, x1] = range(0), [y0, y1] = range(1);
      for (let y = y0; y < y1; ++y) {
        for (let x = x0; x < x1; ++x) {
          const dx = x + 0.5 - a[0], dy = y + 0.5 - a[1];
          const along = Math.min(Math.max((dx * d[0] + dy * d[1]) / length, 0), 1);
          const ex = dx - along * d[0], ey = dy - along * d[1], square = ex * ex + ey * ey;
          if (square < nearest[y * SIDE + x]) nearest[y * SIDE + x] = square;
        }
      }
    }
  }
  return nearest.map((square) => Math.min(Math.max(PEN + 0.5 - Math.sqrt(square), 0), 1));
}

// Numbers that look random, the same ones every time: page and tests can be repeated.
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6D2B79F5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// A drawing a bit leaning, turned, wider or higher: few examples stand for many.
function bent(strokes, random) {
  const about = (size) => (random() + random() - 1) * size;
  const angle = about(0.25), lean = about(0.25), wide = Math.exp(about(0.25));
  const c = Math.cos(angle), s = Math.sin(angle);
  return strokes.map((stroke) => stroke.map(([x, y]) => {
    const u = wide * x + lean * y;
    return [c * u - s * y, s * u + c * y];
  }));
}

class Digits {
  // `wasm`: the compiled predictor; `model`: {symbol, params, examples}, as build.py writes it.
  constructor(wasm, model) {
    this.wasm = wasm;
    this.symbol = model.symbol;
    this.params = model.params;
    this.classes = model.examples.map((_, k) => String(k));
    this.examples = model.examples.slice();  // of each class, its drawings
    this.open();
  }

  // Calls a function of digits.c; texts and typed arrays are copied into its memory.
  call(name, ...values) {
    const { wasm } = this, owned = [];
    const given = values.map((v) => {
      if (typeof v === "number") return v;
      const bytes = typeof v === "string" ? new TextEncoder().encode(`${v}\0`) : new Uint8Array(v.buffer, v.byteOffset, v.byteLength);
      const at = wasm._malloc(bytes.length);
      owned.push(at);
      wasm.HEAPU8.set(bytes, at);
      return at;
    });
    try {
      return wasm[`_digits_${name}`](...given);
    } finally {
      owned.forEach((at) => wasm._free(at));
    }
  }

  open() {
    this.call("open", this.symbol, this.params, this.params.length);
  }

  // The probability of each class.
  classify(strokes) {
    const at = this.call("classify", picture(strokes));
    return Array.from(new Float32Array(this.wasm.HEAPU8.buffer, at, this.classes.length));
  }

  // The network with a new last layer for so many classes, and the names of its other parameters.
  symbolFor(classes) {
    const graph = JSON.parse(this.symbol), kept = [];
    for (const node of graph.nodes) {
      if (/^classes\d+/.test(node.name)) {
        node.name = node.name.replace(/^classes\d+/, `classes${classes}`);
        if (node.op === "FullyConnected") node.attrs.num_hidden = String(classes);
      } else if (node.op === "null" && /_(weight|bias)$/.test(node.name)) {
        kept.push(node.name);
      }
    }
    return [JSON.stringify(graph), kept];
  }

  // Learns one more class from some drawings; await progress(share, loss) after every few steps.
  async learn(name, drawings, progress = () => {}) {
    const examples = [...this.examples, drawings], count = examples.length;
    const [symbol, kept] = this.symbolFor(count);
    this.call("learn", symbol, this.params, this.params.length, kept.join("\n"), BATCH, count);
    const random = randomFrom(count), pick = (list) => list[Math.floor(random() * list.length)];
    const pictures = new Float32Array(BATCH * SIDE * SIDE), labels = new Float32Array(BATCH);
    let mean = 0;
    for (let step = 0; step < STEPS; ++step) {
      for (let i = 0; i < BATCH; ++i) {
        const label = i % 4 === 0 ? count - 1 : Math.floor(random() * count);  // often the new one
        labels[i] = label;
        pictures.set(picture(bent(pick(examples[label]), random)), i * SIDE * SIDE);
      }
      const loss = this.call("step", pictures, labels, RATE * (step < STEPS / 2 ? 1 : 0.3));
      mean = step === 0 ? loss : 0.9 * mean + 0.1 * loss;
      if (step % 4 === 3) await progress((step + 1) / STEPS, mean);
    }
    const at = this.call("learned"), bytes = this.call("learned_bytes");
    this.params = this.wasm.HEAPU8.slice(at, at + bytes);
    this.symbol = symbol;
    this.examples = examples;
    this.classes = [...this.classes, name];
    this.open();
    return mean;
  }
}

if (typeof module !== "undefined") module.exports = { Digits, picture, bent, randomFrom };
