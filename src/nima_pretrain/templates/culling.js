// Culling: stars by keys or fingers, saved at once by the server that sent the page.

const MOST_PANES = 4;
const MOST_TROUBLES = 3, MOST_NAMES = 5;
const byPath = new Map(data.photos.map((photo) => [photo.path, photo]));
const unsaved = new Map();  // photo -> {stars, undo}, what is not saved yet
const troubles = new Map();  // photo -> why its stars are not saved
const past = [];  // [photo, its stars before], for undo
let isSaving = false;
let open = null;  // {photos, current} of the viewer
const zoom = {isOn: false, x: 0.5, y: 0.5};

// --- Stars ---

function starButtons(photo) {
  const row = make("p", "", {class: "stars"});
  for (let stars = 1; stars <= 5; stars++) {
    row.append(make("button", photo.stars >= stars ? "★" : "☆", {type: "button", "data-stars": stars, "aria-pressed": photo.stars >= stars, "aria-label": `${stars} star${stars > 1 ? "s" : ""}`}));
  }
  row.append(make("button", "✕", {type: "button", class: "reject", "data-stars": -1, "aria-pressed": photo.stars === -1, "aria-label": "reject"}));
  row.addEventListener("click", (event) => {
    const stars = Number(event.target.dataset.stars);
    if (!stars) return;
    rate(photo, stars === photo.stars ? 0 : stars);
    if (!open) focusOn(photo);  // the button that had the focus was drawn anew
  });
  return row;
}

function rate(photo, stars) {
  past.push([photo, photo.stars]);
  set(photo, {stars, undo: false});
}

// Where nothing is left to undo for a photo, the server restores its sidecars as they were.
function undo() {
  const [photo, stars] = past.pop() || [];
  if (photo) set(photo, {stars, undo: past.every(([other]) => other !== photo)});
}

function set(photo, wanted) {
  photo.stars = wanted.stars;
  unsaved.set(photo, wanted);
  redraw(photo);
  save();
}

async function save() {
  if (isSaving) return;
  isSaving = true;
  while (unsaved.size) {
    const [photo, wanted] = unsaved.entries().next().value;
    const {problem, refused} = await saved(photo, wanted);
    if (problem) troubles.set(photo, problem);
    else troubles.delete(photo);
    if (unsaved.get(photo) === wanted) {
      unsaved.delete(photo);
      if (refused !== undefined) {
        photo.stars = refused;
        redraw(photo);
        setTimeout(() => { troubles.delete(photo); warn(); }, 20000);
      } else if (problem) unsaved.set(photo, wanted);  // tried again, after the others
    }
    warn();
    if (unsaved.size && [...unsaved.keys()].every((other) => troubles.has(other))) await new Promise((wait) => setTimeout(wait, 2000));
  }
  isSaving = false;
}

// Returns why stars could not be saved, and, where their file refuses them, which ones stay. All
// other stars are kept and tried again: while nothing answers, or something else than the program.
async function saved(photo, wanted) {
  let answer;
  try {
    answer = await fetch(`stars/${photo.number}`, {method: "PUT", headers: {"Content-Type": "application/json"}, body: JSON.stringify(wanted)});
  } catch {
    return {problem: "The program that saves stars has ended: start it again, open its new address, and give them again."};
  }
  const content = await answer.json().catch(() => ({}));
  const isOwn = typeof content?.stars === "number";
  if (answer.ok && isOwn) return {};
  if (answer.status === 409 && isOwn) return {problem: content.error, refused: content.stars};
  if (answer.status === 404) return {problem: "The program that saves stars was started anew: open its new address, and give them again."};
  return {problem: `The server answers ${answer.status}; the page tries again.`};
}

// Shows what is not saved, photos with the same reason together.
function warn() {
  const texts = [...Map.groupBy(troubles.keys(), (photo) => troubles.get(photo))].map(([problem, photos]) => {
    const count = `${photos.length} photo${photos.length > 1 ? "s" : ""}`;
    const names = photos.slice(0, MOST_NAMES).map((photo) => photo.name).join(", ");
    return `Not saved: ${count} (${names}${photos.length > MOST_NAMES ? ", ..." : ""}). ${problem}`;
  });
  const rest = texts.length > MOST_TROUBLES ? [`${texts.length - MOST_TROUBLES} more have other reasons.`] : [];
  element("trouble").textContent = [...texts.slice(0, MOST_TROUBLES), ...rest].join("\n");
  element("trouble").hidden = !texts.length;
}

function redraw(photo) {
  const item = cardOf(photo);
  if (item) {
    item.querySelector(".stars").replaceWith(starButtons(photo));
    item.classList.toggle("rejected", photo.stars === -1);
  }
  if (open) drawBar();
}

// --- Cards ---

completers.push((photo, item) => {
  item.tabIndex = -1;
  item.classList.toggle("rejected", photo.stars === -1);
  item.lastChild.append(starButtons(photo));
  item.querySelector("a").addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    view(photo);
  });
});

filters.push((photo) => {
  const wanted = element("stars").value;
  if (wanted === "") return true;
  if (wanted === "none") return photo.stars === 0;
  return wanted === "rejected" ? photo.stars === -1 : photo.stars >= Number(wanted);
});

const cards = () => [...element("grid").children];
const cardOf = (photo) => cards().find((item) => item.dataset.path === photo.path);
const focused = () => byPath.get(document.activeElement?.closest("#grid li")?.dataset.path);

function focusOn(photo) {
  const place = shown.indexOf(photo);
  if (place >= drawn) drawUntil(place + PAGE);
  const item = cardOf(photo);
  if (!item) return;
  item.style.scrollMarginTop = `${element("controls").offsetHeight + 8}px`;  // which stay at the top
  item.focus();
}

// Moves the focus by cards; up and down by rows of the grid.
function move(key) {
  const photo = focused();
  if (!photo) return shown.length && focusOn(shown[0]);
  const width = cards().filter((item, _, all) => item.offsetTop === all[0].offsetTop).length;
  const step = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -width, ArrowDown: width}[key];
  const next = shown[shown.indexOf(photo) + step];
  if (next) focusOn(next);
}

// --- Viewer ---

const groupOf = (photo) => photo.group ? data.photos.filter((other) => other.group === photo.group).sort(orders.best) : [photo];

function view(photo) {
  open = {photos: groupOf(photo), current: photo};
  zoom.isOn = false;
  element("viewer").hidden = false;
  document.body.style.overflow = "hidden";
  drawPanes();
}

function close() {
  const photo = open.current;
  open = null;
  element("viewer").hidden = true;
  document.body.style.overflow = "";
  element("panes").replaceChildren();
  focusOn(shown.includes(photo) ? photo : shown.find((other) => other.group && other.group === photo.group) || shown[0]);
}

// The photos in view: those of the group, a few at a time, or the photo alone.
function inView() {
  const most = window.innerWidth < 500 ? 2 : MOST_PANES;
  const place = open.photos.indexOf(open.current);
  const first = Math.max(0, Math.min(place - 1, open.photos.length - most));
  return open.photos.slice(first, first + most);
}

function drawPanes() {
  const panes = new Map([...element("panes").children].map((pane) => [pane.dataset.path, pane]));
  element("panes").replaceChildren(...inView().map((photo) => panes.get(photo.path) || paneOf(photo)));
  drawBar();
}

function paneOf(photo) {
  const pane = make("div", "", {class: "pane", "data-path": photo.path});
  const image = make("img", "", {src: photo.link, alt: photo.name, draggable: "false"});
  image.addEventListener("load", place);
  image.addEventListener("error", () => pane.replaceChildren(make("p", `${photo.name} cannot be shown.`)));
  pane.append(image);
  pane.addEventListener("click", (event) => {
    open.current = photo;
    point(event, pane);
    zoom.isOn = !zoom.isOn;
    drawBar();
  });
  pane.addEventListener("pointermove", (event) => { if (zoom.isOn) { point(event, pane); place(); } });
  return pane;
}

function point(event, pane) {
  const box = pane.getBoundingClientRect();
  zoom.x = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  zoom.y = Math.min(1, Math.max(0, (event.clientY - box.top) / box.height));
}

// Shows the same part of every photo in view, one pixel of the photo on one of the screen.
function place() {
  element("panes").classList.toggle("zoomed", zoom.isOn);
  for (const image of document.querySelectorAll("#panes img")) {
    const pane = image.parentElement, scale = window.devicePixelRatio || 1;
    const width = image.naturalWidth / scale, height = image.naturalHeight / scale;
    image.style.cssText = zoom.isOn
      ? `width: ${width}px; height: ${height}px; left: ${(pane.clientWidth - width) * zoom.x}px; top: ${(pane.clientHeight - height) * zoom.y}px`
      : "";
  }
}

function drawBar() {
  const {photos, current} = open;
  for (const pane of element("panes").children) pane.classList.toggle("current", photos.length > 1 && pane.dataset.path === current.path);
  const words = [current.name, current.mean.toFixed(2)];
  if (photos.length > 1) words.push(`${photos.indexOf(current) + 1} of ${photos.length} similar${current.best ? ", the best by score" : ""}`);
  element("caption").textContent = words.join(" · ");
  element("rating").replaceChildren(starButtons(current));
  place();
}

// Goes on to the next photo of the group, and from its last one to the next card.
function step(by) {
  const next = open.photos[open.photos.indexOf(open.current) + by];
  if (next) {
    open.current = next;
    drawPanes();
    return;
  }
  let index = shown.findIndex((photo) => open.photos.includes(photo));
  while (open.photos.includes(shown[index])) index += by;
  if (!shown[index]) return;
  drawUntil(index + 1);
  view(shown[index]);
}

// --- Keys ---

function act(key, photo) {
  const stars = {x: -1, X: -1}[key] ?? (/^[0-5]$/.test(key) ? Number(key) : null);
  if (stars !== null && photo) {
    rate(photo, stars);
    open ? step(1) : move("ArrowRight");
  } else if (key === "u") undo();
  else if (key === " " && open) close();
  else if ((key === " " || key === "Enter") && photo) view(photo);
  else if (key === "Escape" && open) close();
  else if (key === "z" && open) { zoom.isOn = !zoom.isOn; place(); }
  else if (/^Arrow/.test(key)) open ? step(/Left|Up/.test(key) ? -1 : 1) : move(key);
  else return false;
  return true;
}

document.addEventListener("keydown", (event) => {
  const isTyping = /^(INPUT|SELECT)$/.test(event.target.tagName);
  const isPressing = event.target.tagName === "BUTTON" && /^( |Enter)$/.test(event.key);
  if (isTyping || isPressing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (act(event.key, open ? open.current : focused())) event.preventDefault();
});
element("close").addEventListener("click", close);
element("previous").addEventListener("click", () => step(-1));
element("next").addEventListener("click", () => step(1));
window.addEventListener("resize", () => { if (open) drawPanes(); });
window.addEventListener("beforeunload", (event) => { if (unsaved.size) event.preventDefault(); });
