"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const PAGE = 60;
let shown = [], drawn = 0;
const unfolded = new Set();  // groups whose other photos are shown, too
const completers = [];  // functions (photo, card) that add to a card

// Everything that comes from files enters the page as text, never as HTML.
function make(tag, text, attributes = {}) {
  const svg = ["svg", "path", "rect"].includes(tag);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

function bars(values) {
  const most = Math.max(...values, 1e-9);
  const path = values.map((value, i) => `M${i + 0.1} 1V${1 - value / most}H${i + 0.9}V1Z`).join("");
  const drawing = make("svg", "", {viewBox: `0 0 ${values.length} 1`, preserveAspectRatio: "none", role: "img", "aria-label": "Distribution of the predicted ratings"});
  drawing.append(make("path", "", {d: path}));
  return drawing;
}

function card(photo) {
  const item = make("li", "", {"data-score": photo.mean, "data-path": photo.path});
  const link = make("a", "", {href: photo.link, title: photo.path});
  if (photo.picture) link.append(make("img", "", {src: photo.picture, alt: photo.name, loading: "lazy", decoding: "async"}));
  const text = make("div"), score = make("p", "", {class: "score"});
  score.append(make("strong", photo.mean.toFixed(2)), make("span", `± ${photo.std.toFixed(2)}`, {class: "quiet"}), bars(photo.distribution));
  text.append(score);
  if (photo.percentile !== null) text.append(make("p", `better than ${Math.floor(photo.percentile)} % of the rated photos`, {class: "quiet"}));
  text.append(make("p", photo.name));
  const unusual = photo.explanation && `unusual: ${photo.explanation}`;
  for (const line of [unusual, photo.note]) if (line) text.append(make("p", line, {class: "quiet"}));
  if (photo.others) text.append(folding(photo));
  item.classList.toggle("grouped", unfolded.has(photo.group));
  item.append(link, text);
  for (const complete of completers) complete(photo, item);
  return item;
}

function folding(photo) {
  const isOpen = unfolded.has(photo.group);
  const button = make("button", isOpen ? "hide similar" : `+ ${photo.others} similar`, {type: "button", "aria-expanded": isOpen});
  button.addEventListener("click", () => {
    if (!unfolded.delete(photo.group)) unfolded.add(photo.group);
    update(drawn + photo.others);
  });
  return button;
}

// Returns the photos with every group folded into its best photo, unless it was unfolded.
function folded(photos) {
  const groups = Map.groupBy(photos, (photo) => photo.group || photo);
  return photos.flatMap((photo) => {
    const members = groups.get(photo.group || photo);
    const first = members.find((member) => member.best) || members[0];
    if (photo !== first) return [];
    first.others = members.length - 1;
    const others = members.filter((member) => member !== first);
    for (const other of others) other.others = 0;
    return unfolded.has(photo.group) ? [first, ...others] : [first];
  });
}

function drawUntil(count) {
  element("grid").append(...shown.slice(drawn, count).map(card));
  drawn = Math.max(drawn, Math.min(count, shown.length));
}

const orders = {
  best: (a, b) => b.mean - a.mean,
  worst: (a, b) => a.mean - b.mean,
  spread: (a, b) => b.std - a.std,
  name: (a, b) => a.path < b.path ? -1 : a.path > b.path ? 1 : 0,
};

const filters = [
  (photo) => element("folder").value === "" || photo.folder === Number(element("folder").value),
  (photo) => element("from").value === "" || photo.mean >= Number(element("from").value),
  (photo) => element("to").value === "" || photo.mean <= Number(element("to").value),
  (photo) => photo.name.toLowerCase().includes(element("name").value.toLowerCase()),
];

function update(count = PAGE) {
  const chosen = data.photos.filter((photo) => filters.every((allows) => allows(photo)));
  shown = folded(chosen.sort(orders[element("order").value]));
  drawn = 0;
  element("grid").replaceChildren();
  const groups = chosen.length === shown.length ? "" : `, similar ones folded into ${shown.length}`;
  element("count").textContent = `${chosen.length} of ${data.photos.length} photos${groups}`;
  drawUntil(count);
}

data.folders.forEach((folder, i) => element("folder").append(make("option", folder, {value: i})));
const most = Math.max(...data.histogram, 1);
element("histogram").setAttribute("viewBox", `0 0 ${data.histogram.length} ${most}`);
element("histogram").append(...data.histogram.map((count, i) => make("rect", "", {x: i + 0.05, y: most - count, width: 0.9, height: count})));
element("highest").textContent = `${most} photo${most === 1 ? "" : "s"}`;
for (const [path, reason] of data.failed) {
  const row = make("tr");
  row.append(make("td", path), make("td", reason));
  element("failed").querySelector("tbody").append(row);
}
element("failed").hidden = data.failed.length === 0;
for (const kind of ["input", "change"]) element("controls").addEventListener(kind, () => update());
element("controls").addEventListener("submit", (event) => event.preventDefault());
new IntersectionObserver((seen) => { if (seen.some((entry) => entry.isIntersecting) && drawn < shown.length) drawUntil(drawn + PAGE); }, {rootMargin: "1200px"}).observe(element("end"));
