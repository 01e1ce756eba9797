// The graph of a run: the server's drawing, laid out once. What happens changes classes and words in it; nothing moves.
import { html, useEffect, useLayoutEffect, useRef, useState } from "./ui.js";
import { at } from "./api.js";

const PLAIN = "\ufe0e"; // the plain form of a sign that telephones would show as a coloured picture

/** A drawing as elements, without anything that speaks of its own style: the page's stylesheet paints it. */
async function drawing(path) {
  const answer = await fetch(path, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(`no drawing: ${answer.status}`);
  const text = (await answer.text()).replace(/\sstyle="[^"]*"/g, "").replace(/<style[\s\S]*?<\/style>/g, "");
  const svg = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  if (svg.localName !== "svg") throw new Error("no drawing");
  for (const strange of svg.querySelectorAll("script, foreignObject, image, a")) strange.remove();
  return document.importNode(svg, true);
}

function prepare(svg, choose) {
  svg.removeAttribute("width");
  svg.removeAttribute("height");
  svg.setAttribute("role", "group");
  for (const card of svg.querySelectorAll("g[data-node]")) {
    if (card.matches(".start, .end, .fail, .fork, .join, .route")) continue;
    card.setAttribute("role", "button");
    card.setAttribute("tabindex", "0");
    const name = card.dataset.node;
    card.addEventListener("click", () => choose(name));
    card.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(name); }
    });
  }
}

/** Without the margins that a picture of its own has. */
function crop(svg) {
  const { x, y, width, height } = svg.getBBox();
  const around = 10;
  let left = x, right = x + width;
  // Counts of loops grow while a run goes: the room that was laid out for them belongs to the drawing from the start.
  for (const words of svg.querySelectorAll(".arrow .words[data-room]")) {
    const middle = words.getBBox().x + words.getBBox().width / 2 + (svg.querySelector(".page")?.transform.baseVal.consolidate()?.matrix.e ?? 0);
    left = Math.min(left, middle - words.dataset.room / 2);
    right = Math.max(right, middle + words.dataset.room / 2);
  }
  const wide = right - left + 2 * around;
  svg.setAttribute("viewBox", [left - around, y - around, wide, height + 2 * around].map((each) => each.toFixed(1)).join(" "));
  svg.dataset.wide = wide;
}

const STATUS_CLASSES = ["done", "looping", "running", "waiting", "failed", "interrupted", "cancelled", "not-reached"];

function write(text, words) {
  if (text && text.textContent !== words) text.textContent = words;
}

/** Mark where the run stands, as docs/pictures.md tells: classes and words, and nothing else. */
function paint(svg, marks, chosen, speaking) {
  for (const card of svg.querySelectorAll("g[data-node]")) {
    const name = card.dataset.node;
    const mark = marks.cards[name];
    card.classList.toggle("chosen", name === chosen);
    if (!mark) continue;
    card.classList.remove(...STATUS_CLASSES);
    if (mark.status) card.classList.add(mark.status.replace(" ", "-"));
    card.setAttribute("aria-label", mark.said);
    write(card.querySelector("title"), mark.said);
    write(card.querySelector(".sign"), [...mark.sign].map((each) => each + PLAIN).join(""));
    const line = card.querySelector('[data-line="2"]');
    const spoken = mark.status === "running" ? speaking[name] : "";
    write(line, spoken ? clipped(spoken, Number(line?.dataset.room)) : mark.line);
    write(card.querySelector('[data-line="3"]'), mark.decision);
  }
  for (const mark of marks.arrows) {
    const ends = `[data-from="${CSS.escape(mark.from)}"][data-to="${CSS.escape(mark.to)}"]`;
    for (const arrow of svg.querySelectorAll(`g.arrow${ends}${mark.edge ? `[data-edge="${CSS.escape(mark.edge)}"]` : ""}`)) {
      arrow.classList.toggle("taken", mark.taken === true);
      arrow.classList.toggle("idle", mark.taken === false);
      write(arrow.querySelector("[data-count]"), mark.count);
    }
  }
}

/** The end of what is being said, as much as there is room for. */
function clipped(words, room) {
  const most = Math.floor((room || 200) / 6.4);
  const flat = words.replace(/\s+/g, " ").trim();
  return flat.length > most ? `…${flat.slice(1 - most)}` : flat;
}

/** `marks` is what the server says of every card and arrow now; `speaking` what agents are saying, by node. */
export function Graph({ run, workflow, marks, chosen, speaking, choose }) {
  const box = useRef(null);
  const drawn = useRef(null);
  const picked = useRef(choose);
  picked.current = choose;
  const [state, become] = useState("loading");
  const [zoom, magnify] = useState(1);
  useEffect(() => {
    let here = true;
    become("loading");
    (async () => {
      let svg;
      for (const path of [`${at("runs", run, "picture.svg")}?kind=live`, at("workflows", workflow, "picture.svg")]) {
        try { svg = await drawing(path); break; } catch { /* the next one */ }
      }
      if (!here) return;
      if (!svg) return become("none");
      prepare(svg, (name) => picked.current(name));
      drawn.current = svg;
      box.current.replaceChildren(svg);
      crop(svg);
      become("drawn");
    })();
    return () => { here = false; };
  }, [run, workflow]);
  useLayoutEffect(() => {
    if (state === "drawn" && marks) paint(drawn.current, marks, chosen, speaking ?? {});
  }, [state, marks, chosen, speaking]);
  useLayoutEffect(() => {
    if (state !== "drawn") return;
    const svg = drawn.current;
    svg.style.width = zoom === 1 ? `min(100%, ${svg.dataset.wide * 1.04}px)` : `${svg.dataset.wide * 1.04 * zoom}px`;
  }, [state, zoom]);
  return html`<div class="graph">
    <div class="zoom" role="group" aria-label="size of the graph">
      <button type="button" class="plain" aria-label="smaller" onClick=${() => magnify(Math.max(zoom / 1.25, 0.3))}>−</button>
      <button type="button" class="plain" aria-label="fit the graph" aria-pressed=${zoom === 1} onClick=${() => magnify(1)}>fit</button>
      <button type="button" class="plain" aria-label="larger" onClick=${() => magnify(Math.min(zoom * 1.25, 4))}>+</button></div>
    ${state === "loading" && html`<p class="quiet">Drawing…</p>`}
    ${state === "none" && html`<p class="empty">The workflow's drawing is not at hand here. The steps and the timeline tell the same.</p>`}
    <div class="canvas" ref=${box}></div></div>`;
}
