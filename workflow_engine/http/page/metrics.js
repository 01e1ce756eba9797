// Metrics: how many runs stand where, what they cost, and how long people and workers are waited for.
import { get } from "./api.js";
import { Heading, Trouble } from "./parts.js";
import { link } from "./route.js";
import { moves } from "./store.js";
import { html, useEffect, useState } from "./ui.js";
import { SIGNS, STATUSES, cost, duration, spoken } from "./words.js";

export function Metrics() {
  const [told, show] = useState(null);
  const [problem, complain] = useState(null);
  useEffect(() => {
    let here = true;
    get("/api/metrics").then((found) => { if (here) { show(found); complain(null); } }, (error) => here && complain(error));
    return () => { here = false; };
  }, [moves.value]);
  const runs = told?.runs ?? {};
  const all = Object.values(runs).reduce((sum, each) => sum + each, 0);
  const others = Object.entries(told ?? {}).filter(([, value]) => typeof value === "number" || value === null);
  return html`<section class="view"><header class="view-head"><${Heading} title="Metrics">Metrics<//></header>
    <${Trouble} problem=${problem} />
    ${told && html`<dl class="tiles"><div class="tile"><dt>Runs</dt><dd>${all.toLocaleString()}</dd></div>
      ${others.map(([name, value]) => html`<div class="tile"><dt>${spoken(name.replace(/_seconds$|_usd$/, ""))}</dt><dd>${figure(name, value)}</dd></div>`)}</dl>
    <h2>Runs by status</h2>
    <ul class="bars">${[...new Set([...STATUSES, ...Object.keys(runs)])].map((each) => html`<li><a href=${`${link("runs")}?status=${each}`}>
      <span class=${`status ${each}`}><span class="sign" aria-hidden="true">${SIGNS[each] ?? "•"}</span> ${each}</span>
      <span class="gauge"><span class=${`fill ${each}`} style=${{ width: `${all ? ((runs[each] ?? 0) / all) * 100 : 0}%` }}></span></span>
      <span class="right">${(runs[each] ?? 0).toLocaleString()}</span></a></li>`)}</ul>
    <p class="quiet">The same for Prometheus: <a href="/metrics">/metrics</a></p>`}</section>`;
}

function figure(name, value) {
  if (value === null) return "none";
  if (/cost|usd|dollar/.test(name)) return cost(value) || "$0";
  if (/age|seconds|oldest|latency/.test(name)) return duration(value) || "none";
  return value.toLocaleString();
}
