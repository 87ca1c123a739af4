"use strict";
// The page's board and figures. Everything that a user or a file named comes in as text: textContent, and Vega's text marks.
const data = JSON.parse(document.getElementById("data").textContent);
const board = document.getElementById("board"), body = board.tBodies[0], filters = document.getElementById("filters");
const rows = [...body.rows], $ = (root, what) => root.querySelector(what), asked = name => $(filters, `[name=${name}]`).value;
data.cells.forEach((cell, i) => { cell.tr = rows[i]; rows[i].cell = cell; });

const made = (tag, text, attributes = {}) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};

// What stands between backticks, as on a terminal, as code.
const coded = (name, text) => {
  const element = made(name);
  element.append(...text.split(/`([^`\n]+)`/).map((part, i) => i % 2 ? made("code", part) : part));
  return element;
};

const counted = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

// Of names with numbers in them: 2× before 10×.
const compared = (a, b) => a.localeCompare(b, undefined, {numeric: true});

// --- filters, order, columns

function visible() {
  const wanted = Object.fromEntries(["dataset", "backbone", "scale", "depth", "family"].map(name => [name, asked(name)]));
  const search = asked("search").toLowerCase();
  return data.cells.filter(cell =>
    Object.entries(wanted).every(([name, value]) => !value || String(cell[name]) === value && (cell.sized || name === "dataset" || name === "family"))
    && cell.method.toLowerCase().includes(search));
}

function filter() {
  const shown = new Set(visible());
  for (const cell of data.cells) {
    cell.tr.hidden = !shown.has(cell);
    if (cell.detail) cell.detail.hidden = cell.tr.hidden;
  }
  const dataset = asked("dataset");
  for (const element of document.querySelectorAll("[data-dataset]")) element.hidden = element.dataset.dataset !== dataset;
  document.getElementById("none").hidden = shown.size > 0;
  document.getElementById("count").textContent = `${shown.size} of ${counted(data.cells.filter(c => c.dataset === dataset).length, "row")}`;
  drawn.clear();
  delete document.body.dataset.drawn;
  idle(drawSome);
}

// The first time by what is best; then the other way round.
function sort(heading) {
  const key = heading.dataset.key, now = heading.getAttribute("aria-sort");
  const down = now ? now === "ascending" : ["auc", "delta", "unseen", "valid"].includes(key);
  for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const value = cell => cell.values[key];
  const order = (a, b) => typeof a === "string" ? compared(a, b) : a - b;
  const sorted = [...data.cells].sort((a, b) => {  // what is missing stands at the end either way
    const [x, y] = [value(a), value(b)];
    if (x === null || y === null) return (x === null) - (y === null);
    return down ? order(y, x) : order(x, y);
  });
  body.append(...sorted.flatMap(cell => cell.detail ? [cell.tr, cell.detail] : [cell.tr]));
}

// A box that nobody has touched says whether its column is there: narrow windows have fewer. One that was touched is obeyed.
const boxes = [...filters.querySelectorAll(".column")], touched = new Set();
function columns() {
  const rule = box => touched.has(box) ? `display:${box.checked ? "table-cell" : "none"} !important` : box.defaultChecked ? "" : "display:none";
  document.getElementById("hidden-columns").textContent = boxes.map(box => `.k-${box.value}{${rule(box)}}`).join("");
  for (const box of boxes) if (!touched.has(box)) box.checked = getComputedStyle($(board, `th.k-${box.value}`)).display !== "none";
}

// --- a row, opened

function open(cell) {
  const button = $(cell.tr, "button.open");
  if (cell.detail) {
    cell.detail.remove();
    cell.detail = null;
    button.setAttribute("aria-expanded", "false");
    return;
  }
  button.setAttribute("aria-expanded", "true");
  cell.detail = made("tr", undefined, {class: "detail"});
  const inside = cell.detail.appendChild(made("td", undefined, {colspan: cell.tr.cells.length}));
  const list = inside.appendChild(made("dl"));
  for (const [name, text] of cell.about) list.append(made("dt", name), coded("dd", data.texts[text]));
  if (cell.link) inside.appendChild(made("p")).append(made("a", "its run in MLflow", {href: cell.link}));
  const charts = inside.appendChild(made("div", undefined, {class: "charts"}));
  inside.append(made("p", "Repeats it (in a shell, in the project’s folder):"), made("pre", cell.command, {tabindex: 0}));
  cell.tr.after(cell.detail);
  for (const key of ["curves", "ranks", "spectra", ...(cell.sigma ? ["sigma"] : [])]) {
    const place = made("div");
    charts.append(place);
    const room = key === "sigma" ? charts.clientWidth : Math.min(420, charts.clientWidth);
    chart(place, data.charts.find(c => c.key === key), [cell], room);
  }
}

// The row that the address names, page#KEY: its board is chosen, and it is opened.
function named_row() {
  const cell = data.cells.find(c => c.key === location.hash.slice(1));
  if (!cell) return;
  $(filters, "[name=dataset]").value = cell.dataset;
  filter();
  if (!cell.detail) open(cell);
  cell.tr.scrollIntoView();
}

// --- figures

const named = cell => ({
  series: cell.series, method: cell.method, backbone: cell.backbone, scale: cell.scale, depth: cell.depth, place: cell.place,
  wide: cell.wide, shape: cell.shape, colour: cell.colour, opacity: cell.plain ? 0.55 : 1, auc: cell.auc, told: cell.told, seeds: cell.seeds, last: cell.last,
});
const data_of = {
  cells: (cells, cost) => cells.map(c => ({...named(c), low: c.auc - c.sd, high: c.auc + c.sd, cost: c.costs[cost] || null})),
  layers: cells => cells.flatMap(c => c.layers.map(([layer, ratio, sd]) => ({...named(c), layer, ratio, low: ratio - sd, high: ratio + sd}))),
  spectra: cells => cells.flatMap(c => [
    ...c.fields.map((ratio, i) => ({...named(c), where: data.fields[c.dataset][i], ratio})),
    ...c.layers.map(([layer, ratio]) => ({...named(c), where: `layer ${layer}`, ratio})),
  ].filter(mark => mark.ratio !== null)),
  sigma: cells => cells.flatMap(spectra),
  curves: cells => cells.flatMap(c => c.curves.flatMap(([seed, epochs, values]) => values.map((valid, i) => ({...named(c), seed, epoch: epochs[i], valid})))),
};
// A row's singular values, which come as signs (page/embedded.py), as marks: one for each kept place of each matrix.
function spectra(cell) {
  if (!cell.sigma) return [];
  const {signs, step, counts, positions} = data.spectra, told = named(cell), found = [];
  let at = 0;
  counts[cell.sigma[0]].forEach((count, which) => {
    let level = 0;
    for (const i of positions[count] || []) {
      if (i > 1) for (let sign = signs.length - 1; sign === signs.length - 1; level += sign) sign = signs.indexOf(cell.sigma[1][at++]);
      found.push({series: told.series, backbone: told.backbone, scale: told.scale, depth: told.depth, told: told.told, colour: told.colour,
        opacity: told.opacity, matrix: data.matrices[cell.dataset][which], i, value: 10 ** (-step * level)});
    }
  });
  return found;
}
const sizes = values => new Set(values).size;
const against = {scaling: ["place", "scale"], deepening: ["wide", "depth"]};  // a chart's panels, and what its lines go along

// The rows of a figure: with a backbone and an AUC; grey ones first, so that they lie below.
function marks(key, cells) {
  const here = cells.filter(c => c.sized && c.auc !== null).sort((a, b) => b.plain - a.plain);
  if (key === "sigma") {
    const known = here.filter(c => c.sigma), best = [...known].sort((a, b) => b.auc - a.auc)[0];
    return known.filter(c => c.shape === best.shape);
  }
  if (!(key in against)) return here;
  const [panel, size] = against[key];
  const several = name => sizes(here.filter(c => c[panel] === name).map(c => c[size])) > 1;
  return here.filter(c => several(c[panel]));
}

function front(points) {
  const best = [];
  for (const point of points.filter(p => p.cost !== null).sort((a, b) => a.cost - b.cost || b.auc - a.auc))
    if (!best.length || point.auc > best[best.length - 1].auc) best.push(point);
  return best;
}

// The chart in its place; nothing is returned where there is nothing to draw.
function chart(place, {key, spec, height, title, choices, needs}, cells, width, cost) {
  let here = key === "spectra" ? [...marks(key, cells)].sort((a, b) => b.auc - a.auc) : marks(key, cells);
  if (here.every(c => c.plain)) here = here.map(c => ({...c, plain: false}));  // there is nothing that they stand back from
  const filled = structuredClone(spec), name = spec.data ? spec.data.name : "cells";
  let values = data_of[name](here, cost);
  if (key === "joint") values = values.filter(v => v.last !== null);
  if (key === "pareto") values = values.filter(v => v.cost !== null);
  if (!values.length) {
    place.textContent = cells.length ? `Nothing to draw: the rows shown have no ${needs}.` : "No rows are shown.";
    for (const name of ["role", "aria-label"]) place.removeAttribute(name);
    return null;
  }
  filled.datasets = {[name]: values};
  filled.background = "transparent";
  filled.autosize = {type: "pad", contains: "padding"};
  if (filled.facet) {
    const panels = [...new Set(values.map(v => v[filled.facet.field]))];
    if (key !== "sigma") panels.sort(compared);  // else as the data set and the model have them
    filled.facet.sort = panels;
    const fields = sizes(values.map(v => v.where));  // of a heat map, which has names on its left and no less than 9 pixels a field
    const [axis, gap, most] = {spectra: [165, 20, 24 * fields], sigma: [60, 14, 200], joint: [52, 34, 520]}[key] || [52, 22, 520];
    const own = filled.resolve.scale.y === "independent";  // each panel has an axis, or the first of a row alone
    const least = {spectra: axis + gap + 12 * fields, sigma: width < 500 ? 100 : 136}[key] || 290;
    const beside = Math.max(1, Math.min(panels.length, Math.floor(width / least), key === "sigma" ? 8 : 4));
    const across = filled.columns = Math.ceil(panels.length / Math.ceil(panels.length / beside));  // rows as long as each other
    filled.spec.width = Math.max(key === "sigma" ? 60 : 90, Math.min(most, Math.floor((width - (own ? 0 : axis)) / across) - (own ? axis : 0) - gap));
    filled.spec.height = height || {step: 14};
    filled.facet.header = {labelLimit: Math.max(filled.spec.width, key === "sigma" ? 0 : 160), ...(key === "sigma" ? {labelPadding: 2} : {})};
    if (key === "spectra" && filled.spec.width < 16 * fields)  // slanted names would lie on each other
      Object.assign(filled.spec.layer[0].encoding.x.axis, {labelAngle: -90, labelFontSize: 9, labelOverlap: "greedy"});
    if (key === "sigma") {
      const far = Math.max(2, ...values.map(v => v.i)), low = Math.max(1e-3, Math.min(0.5, ...values.map(v => v.value)));
      for (const {encoding: {x, y}} of filled.spec.layer) [x.scale.domain, y.scale.domain] = [[1, far], [low, 1]];
    }
    if (key === "curves") {  // what training starts from says little, and takes the room
      const reached = values.map(v => v.valid).sort((a, b) => a - b), [low, high] = [reached[Math.floor(reached.length / 8)], reached.at(-1)];
      const far = Math.max(...values.map(v => v.epoch)), step = Math.ceil(far / Math.max(4, Math.min(10, filled.spec.width / 32)));
      const epochs = Array.from({length: Math.ceil(far / step)}, (_, i) => step === 1 ? 1 + i : step * (1 + i)).filter(epoch => epoch <= far);
      for (const {mark, encoding: {x, y}} of filled.spec.layer) {
        Object.assign(y.scale, {domain: [low - 0.05 * (high - low), high], nice: true});
        Object.assign(x, {scale: {domain: [1, Math.max(2, far)], nice: false}, axis: {...x.axis, values: epochs, format: "d"}});
        mark.point = far === 1;
      }
    }
  } else {
    filled.datasets.front = front(values);
    filled.width = Math.max(200, width - 80);
    filled.height = height;
    for (const layer of filled.layer) layer.encoding.x.axis.title = choices.find(([value]) => value === cost)[1];
  }
  filled.description = `${title}: ${counted(here.length, "row")}; the same numbers stand in the table at the end of the page.`;
  const text = "var(--muted)", line = "var(--line)";
  filled.config = {
    font: "system-ui, sans-serif", view: {stroke: null},
    axis: {labelColor: text, titleColor: text, gridColor: "var(--grid)", domainColor: line, tickColor: line, titleFontWeight: "normal"},
    header: {labelColor: "var(--ink)", labelFontSize: 12}, legend: {labelColor: text, titleColor: text, titleFontWeight: "normal"},
    line: {strokeWidth: 1.6}, rule: {strokeWidth: 1},
  };
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", filled.description);
  return library()(place, filled, {actions: false, renderer: "svg"}).then(({view}) => { $(view.container(), "svg").setAttribute("aria-hidden", "true"); });
}

const NAMED = 3;  // so many are named, more are counted

function legend(list, cells) {
  list.replaceChildren();
  const coloured = new Map(cells.filter(c => !c.plain).map(c => [c.method, c.colour])), grey = [...new Set(cells.filter(c => c.plain).map(c => c.method))];
  const entry = (name, colour) => {
    const item = list.appendChild(made("li")), dot = item.appendChild(made("i"));
    dot.style.background = colour;
    item.append(name);
  };
  [...coloured].sort().forEach(([name, colour]) => entry(name, colour));
  if (grey.length) entry(grey.length <= NAMED ? grey.sort().join(", ") : `${grey.length} others: point at a mark for its name`, data.grey);
}

// Vega is read when the board stands: reading it takes longer than all else.
function library() {
  if (!window.vegaEmbed) document.head.append(made("script", document.getElementById("library").textContent));
  return window.vegaEmbed;
}

// Singular values are of one backbone, scale and depth, the best row's that has them: which, and whose records have none.
function said(line, cells) {
  const [one] = marks("sigma", cells), places = new Set(cells.filter(c => c.sigma).map(c => c.shape));
  const without = [...new Set(cells.filter(c => c.sized && c.auc !== null && !c.sigma && (!one || c.shape === one.shape)).map(c => c.method))];
  const parts = one ? [one.shape + (places.size > 1 ? `, one of ${places.size}: backbone, scale and depth at the board choose another.` : ".")] : [];
  const which = without.length > NAMED ? `${without.length} other methods` : without.sort().join(", ");
  if (without.length) parts.push(`No singular values in the records of ${which}: of them there are effective ranks alone.`);
  line.textContent = parts.join(" ");
}

const drawn = new Set();
// One figure after another while the page is idle, so that the board is there first.
function drawSome() {
  const section = [...document.querySelectorAll(".figure")].find(s => !drawn.has(s.id));
  if (!section) { document.body.dataset.drawn = "all"; return; }
  drawn.add(section.id);
  delete document.body.dataset.drawn;
  const known = data.charts.find(c => c.key === section.id), cells = visible(), choice = $(section, "select"), place = $(section, ".chart");
  if (section.id === "sigma") said($(section, ".said"), cells);
  if (section.id !== "spectra") legend($(section, ".legend"), marks(section.id, cells));
  const made = chart(place, known, cells, place.clientWidth, choice && choice.value);
  section.classList.toggle("empty", !made);
  Promise.resolve(made).finally(() => idle(drawSome));
}
const idle = window.requestIdleCallback || (task => setTimeout(task, 1));

// --- wiring

filters.addEventListener("input", event => { if (event.target.className !== "column") return filter(); touched.add(event.target); columns(); });
$(document, "#none button").addEventListener("click", () => {
  for (const field of filters.querySelectorAll("select:not([name=dataset]), [name=search]")) field.value = "";
  filter();
});
for (const button of board.querySelectorAll("button.sort")) button.addEventListener("click", () => sort(button.closest("th")));
body.addEventListener("click", event => { const row = event.target.closest("tr"); if (row.cell && !getSelection().toString()) open(row.cell); });
for (const choice of document.querySelectorAll(".choice select"))
  choice.addEventListener("change", () => { drawn.delete(choice.closest("section").id); idle(drawSome); });
let width = innerWidth;
addEventListener("hashchange", named_row);
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; columns(); drawn.clear(); idle(drawSome); } });
document.getElementById("copy").addEventListener("click", async () => {
  const text = document.getElementById("csv").textContent, said = document.getElementById("copied");
  try { await navigator.clipboard.writeText(text); said.textContent = "copied"; }
  catch { $(document, "details:has(#csv)").open = true; getSelection().selectAllChildren(document.getElementById("csv")); said.textContent = "marked: copy it with Ctrl-C"; }
});
columns();
filter();
named_row();
