// What the steps of a run printed and logged, line by line; of one node, where one is chosen.
import { at, get } from "./api.js";
import { Empty, Trouble } from "./parts.js";
import { asking, go, place } from "./route.js";
import { html, useEffect, useState } from "./ui.js";

const MOST = 1000; // lines shown at once, the last ones

export function Logs({ doc }) {
  const [lines, show] = useState(null);
  const [problem, complain] = useState(null);
  const node = place.value.query.get("node") ?? "";
  useEffect(() => {
    let here = true;
    get(`${at("runs", doc.run, "logs")}?limit=${MOST}${node ? `&node=${encodeURIComponent(node)}` : ""}`).then((found) => { if (here) { show(found.lines); complain(null); } }, (error) => here && complain(error));
    return () => { here = false; };
  }, [doc, node]);
  if (problem) return html`<${Trouble} problem=${problem} />`;
  if (!lines) return html`<p class="quiet">Loading…</p>`;
  if (!lines.length && !node) return html`<${Empty}>Its steps have printed and logged nothing.<//>`;
  const nodes = [...new Set(doc.steps.map((each) => each.node))];
  return html`<div class="log"><div class="filters"><label>Node <select value=${node} onChange=${(event) => go(asking({ node: event.currentTarget.value }), { replace: true })}>
      <option value="">all</option>${nodes.map((each) => html`<option value=${each}>${each}</option>`)}</select></label></div>
    ${lines.length === MOST && html`<p class="quiet">These are the last ${MOST} lines; <code>workflow logs ${doc.run}</code> tells all.</p>`}
    <ol class="lines" tabindex="0" aria-label="log lines">${lines.map((each) => html`<li key=${[each.node, each.visit, each.attempt, each.item, each.line].join(" ")} class=${each.level}>
      <time datetime=${each.at}>${new Date(each.at).toLocaleTimeString()}</time> <span class="quiet">${each.node}${each.visit > 1 ? `:${each.visit}` : ""}</span> ${each.level !== "info" && html`<strong>${each.level}</strong> `}<span class="words">${each.text}</span></li>`)}</ol></div>`;
}
