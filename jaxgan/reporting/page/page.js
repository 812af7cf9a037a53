"use strict";
// Texts reach the page as text alone, never as HTML.
const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const SIZE = { width: 340, height: 190, left: 46, right: 8, top: 8, bottom: 26 };

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  Object.assign(node, attributes);
  node.append(...children);
  return node;
}

function draw(tag, attributes, parent, tone) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (tone) node.style.setProperty("--tone", `var(--${tone})`);
  parent.append(node);
  return node;
}

function words(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 1e5 || (size < 1e-3 && size > 0)) return value.toExponential(1).replace("e+", "e");
  return value.toLocaleString("en", { maximumSignificantDigits: 4 });
}

// ---- light and dark

function theme() {
  const root = document.documentElement;
  const store = { get: () => { try { return localStorage.theme; } catch { return ""; } },
    set: (value) => { try { localStorage.theme = value; } catch { /* a page without storage forgets */ } } };
  if (["light", "dark"].includes(store.get())) root.dataset.theme = store.get();
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    store.set(root.dataset.theme);
  });
}

// ---- pictures through training

function slideshow(node) {
  const frames = data.frames[node.dataset.frames];
  const image = node.querySelector("img"), range = node.querySelector("input");
  const output = node.querySelector("output"), play = node.querySelector("button");
  let timer = null;
  const show = () => {
    image.src = frames[range.value].src;
    output.textContent = frames[range.value].label;
    range.setAttribute("aria-valuetext", frames[range.value].label);
  };
  const stop = () => { clearInterval(timer); timer = null; play.textContent = "▶"; };
  range.addEventListener("input", () => { stop(); show(); });
  play.addEventListener("click", () => {
    if (timer) return stop();
    if (Number(range.value) === frames.length - 1) range.value = 0;
    show();
    play.textContent = "❚❚";
    timer = setInterval(() => {
      range.value = Number(range.value) + 1;
      show();
      if (Number(range.value) === frames.length - 1) stop();
    }, Math.max(80, 6000 / frames.length));
  });
}

// ---- charts

function extent(chart) {
  const values = chart.lines.flatMap((line) => line.y.filter((y) => y !== null)).sort((a, b) => a - b);
  if (chart.limits) return chart.limits;
  if (!values.length) return [0, 1];
  const at = (share) => values[Math.round(share * (values.length - 1))];
  let [low, high] = [values[0], values[values.length - 1]];
  const usual = at(0.98) - at(0.02);
  // A few first values may lie so far out that nothing else could be seen: they leave the picture.
  if (values.length > 30 && high - low > 6 * usual && usual > 0) [low, high] = [at(0.02) - usual / 4, at(0.98) + usual / 4];
  const pad = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  return [low - pad, high + pad];
}

function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high + 1e-9 * step; index++) found.push(index * step);
  return found;
}

function path(xs, ys, x, y) {
  let text = "", pen = "M";
  xs.forEach((value, index) => {
    if (ys[index] === null) { pen = "M"; return; }
    text += `${pen}${x(value).toFixed(1)} ${y(ys[index]).toFixed(1)}`;
    pen = "L";
  });
  return text;
}

function nearest(xs, value) {
  let best = 0;
  for (let index = 1; index < xs.length; index++) {
    if (Math.abs(xs[index] - value) < Math.abs(xs[best] - value)) best = index;
  }
  return best;
}

function chart(node) {
  const what = data.charts[node.dataset.chart], { width, height, left, right, top, bottom } = SIZE;
  const [low, high] = extent(what);
  const all = what.lines.flatMap((line) => line.x), start = Math.min(0, ...all), end = Math.max(...all, start + 1e-9);
  const x = (value) => left + (width - left - right) * (value - start) / (end - start);
  const y = (value) => Math.min(height * 2, Math.max(-height, height - bottom - (height - top - bottom) * (value - low) / (high - low)));
  const legend = make("div", { className: "legend" });
  const entries = what.lines.map((line) => {
    const value = make("b");
    const entry = make("span", {}, line.name, value);
    entry.style.setProperty("--tone", `var(--${line.tone})`);
    legend.append(entry);
    return value;
  });
  const where = make("i");
  legend.append(where);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${what.title}, over ${what.axis}`);
  frame(svg, what, [low, high], [start, end], x, y);
  const clip = `clip${node.dataset.chart}`;
  draw("rect", { x: left, y: top - 2, width: width - left - right, height: height - top - bottom + 4 }, draw("clipPath", { id: clip }, svg));
  const inside = draw("g", { "clip-path": `url(#${clip})` }, svg);
  for (const line of what.lines) {
    draw("path", { class: line.s ? "line faint" : "line", d: path(line.x, line.y, x, y) }, inside, line.tone);
    if (line.s) draw("path", { class: "line", d: path(line.x, line.s, x, y) }, inside, line.tone);
    else if (line.x.length <= 30) line.x.forEach((value, index) => line.y[index] !== null && draw("circle", { class: "dot", r: 2.4, cx: x(value), cy: y(line.y[index]) }, inside, line.tone));
    line.y.forEach((value, index) => {
      if (value === null) draw("path", { class: "broken", d: `M${x(line.x[index]) - 3} ${height - bottom - 6}l6 6m0 -6l-6 6` }, svg);
    });
  }
  hover(svg, what, x, start, end, entries, where);
  node.append(make("h3", { textContent: what.title }), legend, svg);
}

function frame(svg, what, [low, high], [start, end], x, y) {
  const { width, height, left, right, bottom } = SIZE;
  for (const value of ticks(low, high, 4)) {
    draw("line", { class: "grid", x1: left, x2: width - right, y1: y(value), y2: y(value) }, svg);
    draw("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, svg).textContent = words(Number(value.toPrecision(6)));
  }
  for (const value of ticks(start, end, 4)) {
    draw("text", { x: x(value), y: height - bottom + 15, "text-anchor": value === start ? "start" : x(value) > width - 20 ? "end" : "middle" }, svg).textContent = words(Number(value.toPrecision(6)));
  }
}

function hover(svg, what, x, start, end, entries, where) {
  const { width, height, left, right, top, bottom } = SIZE;
  const hair = draw("line", { class: "hair", y1: top, y2: height - bottom, visibility: "hidden" }, svg);
  const units = what.axis === "step" ? (value) => `step ${words(value)}` : (value) => `${words(value)}k images`;
  const rest = () => {
    hair.setAttribute("visibility", "hidden");
    where.textContent = "";
    what.lines.forEach((line, index) => { entries[index].textContent = words((line.s || line.y)[line.y.length - 1]); });
  };
  const at = (event) => {
    const box = svg.getBoundingClientRect();
    const share = ((event.clientX - box.left) / box.width * width - left) / (width - left - right);
    const value = start + Math.min(1, Math.max(0, share)) * (end - start);
    let spot = null;
    what.lines.forEach((line, index) => {
      const row = nearest(line.x, value);
      if (spot === null || Math.abs(line.x[row] - value) < Math.abs(spot - value)) spot = line.x[row];
      entries[index].textContent = words(line.y[row]);
    });
    where.textContent = units(spot);
    hair.setAttribute("x1", x(spot));
    hair.setAttribute("x2", x(spot));
    hair.setAttribute("visibility", "visible");
  };
  svg.addEventListener("pointermove", at);
  svg.addEventListener("pointerdown", at);
  svg.addEventListener("pointerleave", rest);
  rest();
}

// ---- the latent explorer

function explorer(node) {
  const plane = data.plane, map = node.querySelector(".map"), sheet = map.querySelector("img");
  const here = map.querySelector(".here"), canvas = node.querySelector("canvas"), output = node.querySelector("output");
  const [variant, truncation] = ["variant", "truncation"].map((name) => node.querySelector(`[name=${name}]`));
  const middle = (plane.count - 1) / 2, spot = { column: middle, row: middle };
  const pen = canvas.getContext("2d");
  const show = () => {
    const step = { x: sheet.naturalWidth / plane.count, y: sheet.naturalHeight / plane.count };
    [canvas.width, canvas.height] = [Math.round(step.x), Math.round(step.y)];
    pen.drawImage(sheet, spot.column * step.x, spot.row * step.y, step.x, step.y, 0, 0, canvas.width, canvas.height);
    Object.assign(here.style, { left: `${spot.column * 100 / plane.count}%`, top: `${spot.row * 100 / plane.count}%`,
      width: `${100 / plane.count}%`, height: `${100 / plane.count}%` });
    const [along, up] = [spot.column, plane.count - 1 - spot.row].map((place) => (place - middle) / middle * plane.reach);
    output.textContent = `${words(Number(along.toFixed(2)))} σ along the first direction, ${words(Number(up.toFixed(2)))} σ along the second`;
  };
  const choose = () => { sheet.src = plane.sheets[variant.value][truncation.value]; };
  const move = (column, row) => {
    const inside = (value) => Math.min(plane.count - 1, Math.max(0, value));
    Object.assign(spot, { column: inside(column), row: inside(row) });
    show();
  };
  const follow = (event) => {
    const box = map.getBoundingClientRect();
    move(Math.floor((event.clientX - box.left) / box.width * plane.count), Math.floor((event.clientY - box.top) / box.height * plane.count));
  };
  sheet.addEventListener("load", show);
  variant.addEventListener("change", choose);
  truncation.addEventListener("change", choose);
  map.addEventListener("pointerdown", (event) => { map.setPointerCapture(event.pointerId); follow(event); });
  map.addEventListener("pointermove", (event) => { if (event.buttons) follow(event); });
  map.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!way) return;
    event.preventDefault();
    move(spot.column + way[0], spot.row + way[1]);
  });
  choose();
}

// ---- commands

function copying(button) {
  button.addEventListener("click", async () => {
    const text = button.parentNode.querySelector("code");
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "copied";
    } catch { // a page opened from a file may not write there: the person can
      getSelection().selectAllChildren(text);
      button.textContent = "selected";
    }
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  });
}

theme();
document.querySelectorAll("[data-frames]").forEach(slideshow);
document.querySelectorAll("[data-chart]").forEach(chart);
document.querySelectorAll("[data-plane]").forEach(explorer);
document.querySelectorAll(".command button").forEach(copying);
