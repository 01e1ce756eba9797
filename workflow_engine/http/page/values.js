// Values to read: plain JSON set so that people see its shape, and what changed between two of them. Text stays text.
import { html, useState } from "./ui.js";
import { spoken } from "./words.js";

const LONG = 1400;

/** One value of a state, whatever it is. */
export function Value({ value, depth = 0 }) {
  if (value === null || value === undefined) return html`<span class="quiet">nothing</span>`;
  if (typeof value === "boolean") return html`<span class="word">${value ? "yes" : "no"}</span>`;
  if (typeof value === "number") return html`<span class="number">${String(value)}</span>`;
  if (typeof value === "string") return html`<${Words} text=${value} />`;
  if (Array.isArray(value)) {
    if (!value.length) return html`<span class="quiet">empty list</span>`;
    return html`<ol class="value-list">${value.map((each) => html`<li><${Value} value=${each} depth=${depth + 1} /></li>`)}</ol>`;
  }
  const entries = Object.entries(value);
  if (!entries.length) return html`<span class="quiet">empty</span>`;
  return html`<dl class="value">${entries.map(([name, each]) => html`
    <div><dt>${name}</dt><dd><${Value} value=${each} depth=${depth + 1} /></dd></div>`)}</dl>`;
}

/** A text: in a line if it is one, as preformatted lines otherwise, and not longer than asked for. */
export function Words({ text }) {
  const [whole, show] = useState(false);
  if (!text) return html`<span class="quiet">empty text</span>`;
  if (!text.includes("\n") && text.length < 300) return html`<span class="words">${text}</span>`;
  const cut = !whole && text.length > LONG;
  return html`<pre tabindex="0">${cut ? text.slice(0, LONG) + "…" : text}</pre>
    ${cut && html`<button type="button" class="small" onClick=${() => show(true)}>show all ${text.length.toLocaleString()} characters</button>`}`;
}

/** The fields of a state, each to be unfolded. */
export function Fields({ state, open = [] }) {
  const entries = Object.entries(state ?? {});
  if (!entries.length) return html`<p class="quiet">nothing yet</p>`;
  return html`<div class="folds">${entries.map(([name, value]) => html`
    <details key=${name} open=${open === true || open.includes(name)}>
      <summary><code>${name}</code> <span class="gist">${gist(value)}</span></summary>
      <div class="unfolded"><${Value} value=${value} /></div>
    </details>`)}</div>`;
}

/** A value in a few words. */
export function gist(value) {
  if (value === null || value === undefined) return "nothing";
  if (typeof value === "string") return value.split("\n")[0].slice(0, 90);
  if (Array.isArray(value)) return `${value.length} item${value.length === 1 ? "" : "s"}`;
  if (typeof value === "object") return Object.keys(value).join(", ").slice(0, 90);
  return String(value);
}

const place = (path) => path.map((part, at) => (at === 0 ? part : typeof part === "number" ? `[${part}]` : /^[A-Za-z_]\w*$/.test(part) ? `.${part}` : `[${JSON.stringify(part)}]`)).join("");
const lines = (value) => (value === null || value === undefined ? [] : typeof value === "string" ? value.replace(/\n$/, "").split("\n") : JSON.stringify(value, null, 2).split("\n"));

/** What a step changed in the state: a block a change, line by line. */
export function Changes({ changes }) {
  if (!changes?.length) return html`<p class="quiet">It changed nothing.</p>`;
  return changes.map((each) => html`
    <figure class="change"><figcaption><code>${place(each.path ?? [each.field])}</code> <span class="quiet">${each.change}</span></figcaption>
      <${LineDiff} before=${each.change === "added" ? [] : lines(each.before)} after=${each.change === "removed" ? [] : lines(each.after)} /></figure>`);
}

const MARKS = { "-": "removed", "+": "added", " ": "kept" };

function LineDiff({ before, after }) {
  const [whole, show] = useState(false);
  const rows = folded(difference(before, after));
  const most = whole ? rows.length : 60;
  return html`<pre class="diff" tabindex="0">${rows.slice(0, most).map(([mark, text]) => html`<span class=${MARKS[mark] ?? "gap"}><span class="mark">${mark}</span> ${text || " "}</span>`)}</pre>
    ${rows.length > most && html`<button type="button" class="small" onClick=${() => show(true)}>show all ${rows.length} lines</button>`}`;
}

/** Lines as [mark, text]: the longest common subsequence stays; of very long texts only what is equal at the ends. */
export function difference(before, after) {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < before.length - head && tail < after.length - head && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  const [a, b] = [before.slice(head, before.length - tail), after.slice(head, after.length - tail)];
  const kept = (some) => some.map((text) => [" ", text]);
  return [...kept(before.slice(0, head)), ...middle(a, b), ...kept(tail ? before.slice(-tail) : [])];
}

function middle(a, b) {
  if (a.length * b.length > 250000) return [...a.map((text) => ["-", text]), ...b.map((text) => ["+", text])];
  const length = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) length[i][j] = a[i] === b[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
  }
  const rows = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { rows.push([" ", a[i]]); i++; j++; }
    else if (i < a.length && (j >= b.length || length[i + 1][j] >= length[i][j + 1])) rows.push(["-", a[i++]]);
    else rows.push(["+", b[j++]]);
  }
  return rows;
}

/** Long stretches that stayed are folded to their ends. */
function folded(rows, around = 3) {
  const near = rows.map(() => false);
  rows.forEach(([mark], at) => { if (mark !== " ") for (let k = at - around; k <= at + around; k++) if (k in near) near[k] = true; });
  const shown = [];
  rows.forEach((row, at) => { if (near[at]) shown.push(row); else if (near[at - 1] || (at === 0 && rows.length > around)) shown.push(["⋯", ""]); });
  return shown;
}

/** A list of facts: names and what is known; empty ones are left out. */
export const Facts = ({ facts }) => html`<dl class="facts">${facts.filter(([, value]) => value || value === 0).map(([name, value]) => html`
  <div><dt>${spoken(name)}</dt><dd>${value}</dd></div>`)}</dl>`;
