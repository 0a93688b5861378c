// The page: a pad to draw on, bars that tell what it looks like, and a form to teach it more.
"use strict";

const NEEDED = 3;  // drawings, before it learns
const at = (id) => document.getElementById(id);
const pad = at("pad"), pen = pad.getContext("2d");
let digits, strokes = [], current = null, drawings = [], learning = false, asked = false;

function drawPad() {
  pen.clearRect(0, 0, pad.width, pad.height);
  if (strokes.length === 0) {
    pen.fillStyle = "#a9b1bb";
    pen.font = '28px "DejaVu Sans", Verdana, sans-serif';
    pen.textAlign = "center";
    pen.fillText("draw a digit", pad.width / 2, pad.height / 2 + 10);
  }
  pen.strokeStyle = "#1d2733";
  pen.lineWidth = 34;
  pen.lineCap = pen.lineJoin = "round";
  for (const stroke of strokes) {
    pen.beginPath();
    pen.moveTo(...stroke[0]);
    for (const point of stroke.length > 1 ? stroke.slice(1) : stroke) pen.lineTo(...point);
    pen.stroke();
  }
}

function makeBars() {
  at("bars").replaceChildren(...digits.classes.map((name) => {
    const item = document.createElement("li"), label = document.createElement("span"),
          track = document.createElement("div"), fill = document.createElement("div"), share = document.createElement("span");
    label.textContent = label.title = name;
    track.className = "track";
    fill.className = "fill";
    track.append(fill);
    item.append(label, track, share);
    return item;
  }));
}

// What the drawing looks like.
function judge() {
  const shares = strokes.length ? digits.classify(strokes) : digits.classes.map(() => 0);
  const best = shares.indexOf(Math.max(...shares));
  [...at("bars").children].forEach((item, k) => {
    item.className = strokes.length && k === best ? "best" : "";
    item.querySelector(".fill").style.width = `${100 * shares[k]}%`;
    item.lastChild.textContent = strokes.length ? `${(100 * shares[k]).toFixed(1)} %` : "";
  });
  at("answer").textContent = strokes.length ? `This is ${digits.classes[best]}` : "";
}

// What can be done now.
function refresh() {
  drawPad();
  judge();
  at("add").disabled = learning || strokes.length === 0;
  at("learn").disabled = learning || drawings.length < NEEDED || !at("name").value.trim();
  at("clear").disabled = strokes.length === 0;
}

// Many events of the mouse, one look at the drawing for each picture on the screen.
function soon() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    refresh();
  });
}

function clear() {
  strokes = [];
  current = null;
  refresh();
}

function place(event) {
  const box = pad.getBoundingClientRect();
  return [(event.clientX - box.left) * pad.width / box.width, (event.clientY - box.top) * pad.height / box.height];
}

pad.addEventListener("pointerdown", (event) => {
  if (!digits || learning) return;
  pad.setPointerCapture(event.pointerId);
  current = [place(event)];
  strokes.push(current);
  soon();
});
pad.addEventListener("pointermove", (event) => {
  if (!current) return;
  for (const e of event.getCoalescedEvents?.().length ? event.getCoalescedEvents() : [event]) current.push(place(e));
  soon();
});
for (const kind of ["pointerup", "pointercancel"]) pad.addEventListener(kind, () => { current = null; });
at("clear").addEventListener("click", clear);
at("name").addEventListener("input", soon);

at("add").addEventListener("click", () => {
  drawings.push(strokes);
  const small = document.createElement("canvas"), pixels = picture(strokes);
  small.width = small.height = SIDE;
  const image = small.getContext("2d").createImageData(SIDE, SIDE);
  pixels.forEach((p, i) => image.data.set([29, 39, 51, 255 * p], 4 * i));
  small.getContext("2d").putImageData(image, 0, 0);
  at("shown").append(small);
  const left = NEEDED - drawings.length;
  at("told").textContent = left > 0 ? `${left} more.` : "That is enough; more are better.";
  clear();
});

at("teach").addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = at("name").value.trim(), began = performance.now(), count = drawings.length;
  learning = true;
  at("progress").classList.add("on");
  refresh();
  const progress = (share, loss) => {
    at("progress").setAttribute("aria-valuenow", Math.round(100 * share));
    at("progress").firstChild.style.width = `${100 * share}%`;
    at("told").textContent = `Learning: loss ${loss.toFixed(3)}`;
    return new Promise((resume) => setTimeout(resume));  // lets the page draw
  };
  try {
    await digits.learn(name, drawings, progress);
    at("told").textContent = `Learned ${name} from ${count} drawings in ${((performance.now() - began) / 1000).toFixed(1)} s. Draw it!`;
    drawings = [];
    at("shown").replaceChildren();
    at("name").value = "";
    makeBars();
  } catch (error) {
    at("told").textContent = error.message;
  }
  learning = false;
  at("progress").classList.remove("on");
  refresh();
});

loadDigits().then((wasm) => {
  const params = Uint8Array.from(atob(MODEL.params), (c) => c.charCodeAt(0));
  digits = new Digits(wasm, { ...MODEL, params });
  makeBars();
  refresh();
  document.body.dataset.ready = "yes";
}).catch((error) => { at("told").textContent = error.message; });
drawPad();
