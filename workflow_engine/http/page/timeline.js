// The timeline of a run: a row a node, a bar a visit, dashed while it waits, and what it cost below.
import { html, useEffect, useState } from "./ui.js";
import { at, get } from "./api.js";
import { asking } from "./route.js";
import { ticking } from "./parts.js";
import { cost, duration } from "./words.js";

const STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 172800, 604800];

/** Bars with moments in seconds: `began`, and `ended`, which is null while it goes on. */
const placed = (bars) => bars.filter((each) => each.started).map((each) => {
  const began = Date.parse(each.started) / 1000;
  return { ...each, began, ended: each.seconds == null ? null : began + each.seconds };
});

export function Timeline({ doc }) {
  const [told, tell] = useState(null);
  useEffect(() => {
    let here = true;
    get(at("runs", doc.run, "timeline")).then((found) => here && tell(found), () => here && tell(null));
    return () => { here = false; };
  }, [doc]);
  const live = ["running", "waiting", "queued"].includes(doc.status);
  if (live) ticking();
  const bars = placed(told?.bars ?? doc.steps);
  if (!bars.length) return html`<p class="empty">No step has begun yet.</p>`;
  const zero = Math.min(...bars.map((each) => each.began));
  const now = Date.now() / 1000;
  const until = Math.max(...bars.map((each) => each.ended ?? now), live ? now : 0);
  const span = Math.max(until - zero, 0.01);
  const step = STEPS.find((each) => span / each <= 8) ?? span / 8;
  const marks = Array.from({ length: Math.floor(span / step) + 1 }, (_, index) => index * step);
  const rows = [...new Set([...bars.map((each) => each.node)])];
  const share = (moment) => `${((moment - zero) / span) * 100}%`;
  return html`<div class="timeline" role="table" aria-label="timeline">
    <div class="row marks" aria-hidden="true"><span></span><span class="track">${marks.map((each) => html`<span class="mark" style=${{ left: share(zero + each) }}>${each ? duration(each) : "0"}</span>`)}</span></div>
    ${rows.map((node) => {
      const own = bars.filter((each) => each.node === node);
      return html`<div class="row" role="row" key=${node}><span class="name" role="rowheader">${node} <span class="quiet">${own[0].kind}</span></span>
        <span class="track" role="cell">${marks.map((each) => html`<span class="line" style=${{ left: share(zero + each) }}></span>`)}
          ${own.map((each) => {
            const waits = each.status === "waiting" || each.kind === "human" || each.kind === "wait";
            const took = duration((each.ended ?? now) - each.began);
            return html`<a class=${`bar ${waits ? "waits" : each.status === "failed" ? "failed" : each.ended == null ? "running" : "done"}`}
              style=${{ left: share(each.began), width: `${Math.max((((each.ended ?? now) - each.began) / span) * 100, 0.4)}%` }}
              href=${each.step ? asking({ step: String(each.step) }) : undefined}
              aria-label=${`${node}, visit ${each.visit}, ${each.status}, ${took}`} title=${[node, `visit ${each.visit}`, each.status, took, each.words, ...(each.tries ?? []).map((one) => `try ${one.attempt}: ${one.message}`)].filter(Boolean).join("\n")}>
              <span>${own.length > 1 ? `#${each.visit}` : took}</span></a>`;
          })}</span></div>`;
    })}
    <${Cost} bars=${bars} zero=${zero} span=${span} />
  </div>`;
}

/** What the run had cost by then: it grows where a step ends. */
function Cost({ bars, zero, span }) {
  let sum = 0;
  const found = bars.filter((each) => each.cost && each.ended).sort((one, other) => one.ended - other.ended).map((each) => [each.ended, (sum += each.cost)]);
  const most = Math.max(0, ...found.map(([, sum]) => sum));
  if (!most) return null;
  const x = (when) => (((when - zero) / span) * 1000).toFixed(1);
  const y = (sum) => (58 - (sum / most) * 54).toFixed(1);
  let [path, last] = [`M0,58`, 0];
  for (const [when, sum] of found) { path += `L${x(when)},${y(last)}L${x(when)},${y(sum)}`; last = sum; }
  path += `L1000,${y(last)}`;
  return html`<div class="row cost" role="row"><span class="name" role="rowheader">cost <span class="quiet">${cost(most)}</span></span>
    <span class="track" role="cell"><svg viewBox="0 0 1000 60" preserveAspectRatio="none" aria-hidden="true"><path class="area" d=${`${path}L1000,60L0,60Z`} /><path class="edge" d=${path} /></svg></span></div>`;
}
