// The steps of a run, and one of them in full: what it read and wrote, what it changed, and an agent's story.
import { at, get, may } from "./api.js";
import { Moment, Trouble } from "./parts.js";
import { asking, link, place } from "./route.js";
import { html, useEffect, useState } from "./ui.js";
import { Changes, Facts, Fields, Words } from "./values.js";
import { SIGNS, duration, used } from "./words.js";

export function Steps({ doc }) {
  const chosen = place.value.query.get("step");
  if (!doc.steps.length) return html`<p class="empty">No step has finished yet.</p>`;
  return html`<div class="scroll"><table><caption class="unseen">steps</caption>
    <thead><tr><th scope="col" class="right">#</th><th scope="col">node</th><th scope="col">visit</th><th scope="col">status</th><th scope="col" class="right">took</th><th scope="col">began</th></tr></thead>
    <tbody>${doc.steps.map((each) => {
      const name = each.step ?? `${each.node}:${each.visit}`;
      return html`<tr key=${name} class=${String(name) === chosen ? "chosen" : ""}>
        <td class="right quiet">${each.step}</td>
        <th scope="row"><a href=${asking({ step: String(name) })} aria-current=${String(name) === chosen ? "true" : undefined}>${each.node}</a> <span class="quiet">${each.kind}</span></th>
        <td>${each.visit}${each.attempts > 1 ? html` <span class="quiet">${each.attempts} attempts</span>` : ""}</td>
        <td><span class=${`status ${each.status}`}><span class="sign" aria-hidden="true">${SIGNS[each.status] ?? ""}</span> ${each.status}</span></td>
        <td class="right">${duration(each.seconds)}</td><td><${Moment} at=${each.started} /></td></tr>`;
    })}</tbody></table></div>`;
}

export function StepPanel({ run, name, doc, fork }) {
  const [step, show] = useState(null);
  const [problem, complain] = useState(null);
  const entry = doc.steps.find((each) => String(each.step ?? `${each.node}:${each.visit}`) === name);
  useEffect(() => {
    let here = true;
    get(at("runs", run, "steps", name)).then((found) => { if (here) { show(found); complain(null); } }, (error) => here && complain(error));
    return () => { here = false; };
  }, [run, name, entry?.status]);
  if (problem) return html`<${Trouble} problem=${problem} /><p><a href=${asking({ step: "" })}>Close</a></p>`;
  if (!step || String(step.step ?? `${step.node}:${step.visit}`) !== name && step.node !== name) return html`<p class="quiet">Loading…</p>`;
  const visits = doc.steps.filter((each) => each.node === step.node);
  return html`<article class="step" aria-labelledby="step-title">
    <p class="eyebrow">${step.step ? `Step ${step.step}` : "Step"} <a class="close" href=${asking({ step: "" })} aria-label="close the step">✕</a></p>
    <h2 id="step-title" tabindex="-1">${step.node} <span class="quiet">${step.kind}</span></h2>
    ${visits.length > 1 && html`<p class="visits" role="group" aria-label="visits">${visits.map((each) => {
      const other = String(each.step ?? `${each.node}:${each.visit}`);
      return html`<a class=${other === name ? "chosen" : ""} aria-current=${other === name ? "true" : undefined} href=${asking({ step: other })}>visit ${each.visit}</a>`;
    })}</p>`}
    <${Facts} facts=${[
      ["status", html`<span class=${`status ${step.status}`}><span class="sign" aria-hidden="true">${SIGNS[step.status] ?? ""}</span> ${step.status}</span>`],
      ["began", step.started && html`<${Moment} at=${step.started} />`], ["took", duration(step.seconds)],
      ["attempts", step.attempts > 1 && step.attempts], ["outcome", step.outcome],
      ["route", (step.routes ?? []).map((each) => each.join(": ")).join(", ")],
      ["used", used(step.usage).join(" · ")], ["answered by", (step.answered_by ?? []).join(", ")],
      ["done by run", step.does && html`<a href=${link("runs", step.does)}>${step.does}</a>`],
    ]} />
    ${step.words && html`<p class="last-word">${step.words}</p>`}
    ${step.error && html`<div class="trouble"><strong>${typeof step.error === "string" ? step.error : step.error.message}</strong>${step.trace && html`<details><summary>trace</summary><pre tabindex="0">${step.trace}</pre></details>`}</div>`}
    ${step.items?.done != null && html`<p>${step.items.done} items done, ${step.items.failed} failed</p>${step.items.failures?.length > 0 && html`<ul>${step.items.failures.map((each) => html`<li>item ${each.item}: ${each.message}</li>`)}</ul>`}`}
    ${step.tries?.length > 0 && html`<h3>Tries that failed</h3><ol class="tried">${step.tries.map((each) => html`<li>${each.kind}: ${each.message} <span class="quiet">waited ${duration(each.wait)}</span></li>`)}</ol>`}
    ${step.step && fork && may("operator") && html`<p><button type="button" onClick=${() => fork(step.step)}>Fork from here…</button></p>`}
    ${step.step && step.diff && html`<details class="part" open><summary><h3>What it changed</h3></summary><${Changes} changes=${step.diff} /></details>`}
    <${Story} story=${step.story} />
    ${step.reads && Object.keys(step.reads).length > 0 && html`<details class="part"><summary><h3>What it read</h3></summary><${Fields} state=${step.reads} /></details>`}
    ${step.wrote && Object.keys(step.wrote).length > 0 && html`<details class="part"><summary><h3>What it wrote</h3></summary><${Fields} state=${step.wrote} open=${true} /></details>`}
  </article>`;
}

const TOLD = { prompt: "asked", message: "said", reasoning: "thought", tool_call: "uses", tool_result: "got", ruling: "ruled", failed: "failed", unknown: "unclear" };

/** What an agent was asked, said, used and was told. */
function Story({ story }) {
  const told = (story ?? []).filter((each) => each.text || each.item === "tool_call");
  if (!told.length) return null;
  return html`<details class="part" open><summary><h3>The agent's story</h3></summary><ol class="story">${told.map((each, index) => html`
    <li key=${index} class=${each.item}><span class="told">${TOLD[each.item] ?? each.item}</span>
      <div>${each.who && each.item !== "message" && html`<code>${each.who}</code> `}${each.seconds != null && html`<span class="quiet">${duration(each.seconds)}</span> `}
        <${Words} text=${pretty(each)} /></div></li>`)}</ol></details>`;
}

/** What a tool was asked, as its arguments read best. */
function pretty({ item, text = "" }) {
  if (item !== "tool_call" && !text.startsWith("{")) return text;
  try {
    const given = JSON.parse(text || "{}");
    if (given === null || typeof given !== "object" || Array.isArray(given)) return text;
    return Object.entries(given).map(([name, value]) => {
      const words = typeof value === "string" ? value : JSON.stringify(value, null, 1);
      return words.includes("\n") ? `${name}:\n${words}` : `${name}: ${words}`;
    }).join("\n") || "nothing";
  } catch { return text; }
}
