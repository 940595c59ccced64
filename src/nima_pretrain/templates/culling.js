// Culling: stars by keys or fingers, saved at once by the server that sent the page.

const MOST_PANES = 4;
const byPath = new Map(data.photos.map((photo) => [photo.path, photo]));
const unsaved = new Map();  // photo -> the stars that are not saved yet
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
  set(photo, stars);
}

function undo() {
  const [photo, stars] = past.pop() || [];
  if (photo) set(photo, stars);
}

function set(photo, stars) {
  photo.stars = stars;
  unsaved.set(photo, stars);
  redraw(photo);
  save();
}

async function save() {
  if (isSaving) return;
  isSaving = true;
  while (unsaved.size) {
    const [photo, stars] = unsaved.entries().next().value;
    const problem = await saved(photo, stars);
    if (problem) {
      warn(`Not saved: ${photo.name}. ${problem}`);
      await new Promise((wait) => setTimeout(wait, 2000));
    } else {
      if (unsaved.get(photo) === stars) unsaved.delete(photo);
      warn("");
    }
  }
  isSaving = false;
}

// Returns the reason if stars could not be saved. What a file refuses is taken back; while the
// server does not answer, the stars are kept and tried again.
async function saved(photo, stars) {
  let answer;
  try {
    answer = await fetch(`stars/${photo.number}`, {method: "PUT", headers: {"Content-Type": "application/json"}, body: JSON.stringify({stars})});
  } catch {
    const count = `${unsaved.size} photo${unsaved.size > 1 ? "s" : ""}`;
    return `The program that saves stars has ended: start it again, open its new address, and give them to ${count} again.`;
  }
  const content = await answer.json().catch(() => ({error: `The server answers ${answer.status}.`}));
  if (answer.ok) return "";
  if (unsaved.get(photo) === stars) {
    unsaved.delete(photo);
    photo.stars = content.stars ?? photo.stars;
    redraw(photo);
  }
  return content.error;
}

function warn(text) {
  element("trouble").textContent = text;
  element("trouble").hidden = !text;
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
  cardOf(photo)?.focus();
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
