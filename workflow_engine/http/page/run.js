// A run, live: its graph, timeline, steps, state and journal, what it asks, and the acts on it.
import { at, follow, get, may, post } from "./api.js";
import { KINDS, SPOKEN, inWords } from "./events.js";
import { Fork } from "./fork.js";
import { Graph } from "./graph.js";
import { Logs } from "./logs.js";
import { Heading, Moment, Status, Trouble, say, ticking } from "./parts.js";
import { Question } from "./question.js";
import { asking, go, link, place } from "./route.js";
import { StepPanel, Steps } from "./steps.js";
import { coalesced } from "./store.js";
import { Timeline } from "./timeline.js";
import { Waits } from "./waits.js";
import { batch, html, signal, useEffect, useMemo, useState } from "./ui.js";
import { Fields, Words } from "./values.js";
import { duration, several, status, used } from "./words.js";

const VIEWS = ["graph", "timeline", "steps", "state", "logs", "journal"];
const JOURNAL = 500; // events the page remembers

/** Everything known of one run, as signals that its stream keeps up to date. */
function watched(id) {
  const told = { doc: signal(null), marks: signal(null), problem: signal(null), journal: signal([]), speaking: signal({}), last: signal({}), connected: signal(true) };
  let before = null;
  const look = coalesced(async () => {
    try {
      const [doc, marks] = await Promise.all([get(at("runs", id)), get(at("runs", id, "marks")).catch(() => null)]);
      batch(() => { told.doc.value = doc; if (marks) told.marks.value = marks; told.problem.value = null; });
      const words = status(doc)[1];
      if (before !== null && words !== before) say(`${doc.workflow} ${doc.run} is ${words}`);
      before = words;
    } catch (error) {
      if (!told.doc.value) told.problem.value = error;
      throw error;
    }
  });
  look();
  let heap = [];
  const flush = coalesced(async () => {
    if (heap.length) { told.journal.value = [...told.journal.value, ...heap].slice(-JOURNAL); heap = []; }
  }, 150);
  const stop = follow(at("runs", id, "events"), [...KINDS, ...SPOKEN, "status", "rest"], (kind, event) => {
    if (SPOKEN.includes(kind)) return hear(told, kind, event);
    if (kind !== "status" && kind !== "rest") { heap.push({ ...event, happened: kind }); flush(); }
    if (kind === "step_finished" || kind === "step_failed") told.speaking.value = { ...told.speaking.value, [event.node]: "" };
    look();
  });
  return { ...told, look, stop };
}

function hear(told, kind, event) {
  const node = event.node ?? event.step?.node;
  if (!node) return;
  const words = event.words ?? event.text ?? event.delta ?? "";
  const now = told.speaking.value;
  if (kind === "began") told.speaking.value = { ...now, [node]: "" };
  else if (kind === "heard") told.speaking.value = { ...now, [node]: ((now[node] ?? "") + words).slice(-2000) };
  else if (words) told.speaking.value = { ...now, [node]: words };
}

export function RunView({ id }) {
  const told = useMemo(() => watched(id), [id]);
  useEffect(() => told.stop, [told]);
  const [problem, complain] = useState(null);
  const [forking, fork] = useState(null);
  const doc = told.doc.value;
  if (told.problem.value) return html`<section class="view"><${Trouble} problem=${told.problem.value} /></section>`;
  if (!doc) return html`<section class="view"><p class="quiet">Loading…</p></section>`;
  const { path, query } = place.value;
  const view = VIEWS.includes(path[2]) ? path[2] : "graph";
  const step = query.get("step");
  const choose = (node) => {
    const latest = doc.steps.filter((each) => each.node === node).at(-1);
    if (!latest) return say(`${node} was not reached yet`);
    go(asking({ step: String(latest.step ?? `${node}:${latest.visit}`), panel: "" }));
  };
  const act = async (verb) => {
    complain(null);
    try { await post(at("runs", id, verb), {}); told.look(); } catch (error) { complain(error); }
  };
  return html`<section class="run">
    <${Head} doc=${doc} act=${act} fork=${() => fork({ step: null })} />
    <${Trouble} problem=${problem} />
    <nav class="tabs" aria-label="views of the run">${VIEWS.map((each) => html`
      <a href=${link("runs", id, each) + (step ? `?step=${encodeURIComponent(step)}` : "")} aria-current=${each === view ? "page" : undefined}>${each}</a>`)}</nav>
    <div class="stage"><div class=${`scene ${view}`}>
      ${view === "graph" && html`<${Graph} run=${id} workflow=${doc.workflow} marks=${told.marks.value} speaking=${told.speaking.value}
        chosen=${step && doc.steps.find((each) => String(each.step ?? `${each.node}:${each.visit}`) === step)?.node} choose=${choose} />`}
      ${view === "timeline" && html`<${Timeline} doc=${doc} />`}
      ${view === "steps" && html`<${Steps} doc=${doc} />`}
      ${view === "state" && html`<${Fields} state=${doc.state} />`}
      ${view === "logs" && html`<${Logs} doc=${doc} />`}
      ${view === "journal" && html`<${Journal} events=${told.journal.value} />`}</div>
      <aside class="panel" aria-label=${step ? "step" : doc.questions.length ? "question" : "summary"}>
        ${step ? html`<${StepPanel} key=${step} run=${id} name=${step} doc=${doc} fork=${(number) => fork({ step: number })} />`
          : doc.questions.length ? [...doc.questions.map((each, index) => html`<${Question} key=${each.question} id=${each.question} linked=${each.run !== id} focus=${index === 0} done=${told.look} />`),
            html`<${Waits} doc=${doc} done=${told.look} />`]
          : html`<${Summary} doc=${doc} speaking=${told.speaking.value} look=${told.look} />`}
      </aside></div>
    ${forking && html`<${Fork} key=${id} doc=${doc} step=${forking.step} close=${() => fork(null)} />`}</section>`;
}

function Head({ doc, act, fork }) {
  const live = ["running", "waiting", "queued"].includes(doc.status) && !doc.interrupted;
  if (live) ticking();
  const until = live ? Date.now() : Date.parse(doc.updated);
  const took = doc.created ? Math.max(0, (until - Date.parse(doc.created)) / 1000) : null;
  const [sure, ask] = useState(false);
  const resumable = doc.interrupted || doc.reason === "interrupted" || doc.status === "failed" || (doc.status === "queued" && doc.reason);
  const over = ["succeeded", "cancelled"].includes(doc.status) || (doc.status === "failed" && !doc.error);
  const finished = doc.steps.filter((each) => each.status !== "running" && each.status !== "waiting").length;
  return html`<header class="run-head">
    <div class="who"><${Heading} title=${`${doc.workflow} ${doc.run}`}>${doc.workflow}<//> <span class="run-id">run <code>${doc.run}</code></span> <${Status} run=${doc} />
      <span class="facts-line">${[duration(live ? Math.round(took) : took), several(finished, "step"), ...used(doc.usage)].filter(Boolean).join(" · ")}</span>
      ${doc.parent && html`<span class="facts-line">fork of <a href=${link("runs", doc.parent.run)}>${doc.parent.run}</a> at step ${doc.parent.step}</span>`}
      ${doc.within && html`<span class="facts-line">within <a href=${link("runs", doc.within.run)}>${doc.within.run}</a></span>`}</div>
    ${may("operator") && html`<div class="acts" role="group" aria-label="acts on the run">
      <button type="button" onClick=${fork}>Fork…</button>
      ${!over && (sure ? html`<button type="button" class="danger" onClick=${() => { ask(false); act("cancel"); }}>Cancel for good</button><button type="button" onClick=${() => ask(false)}>Go on</button>`
        : html`<button type="button" onClick=${() => ask(true)}>Cancel</button>`)}
      ${resumable && !over && html`<button type="button" class="primary" onClick=${() => act("resume")}>Resume</button>`}</div>`}</header>`;
}

/** What is to be said of a run that asks nothing. */
function Summary({ doc, speaking, look }) {
  const busy = doc.steps.filter((each) => each.status === "running");
  const written = Object.entries(doc.state).filter(([, value]) => value !== null && !(Array.isArray(value) && !value.length));
  return html`<article class="summary"><p class="eyebrow">Run</p>
    <h2>${{ succeeded: "It succeeded", failed: "It failed", cancelled: "It was cancelled", running: doc.interrupted ? "It was interrupted" : "It is running", waiting: "It waits", queued: "It is queued" }[doc.status] ?? doc.status}</h2>
    ${doc.interrupted && html`<p>The process that drove it is gone. Resume it here, or let a worker recover it.</p>`}
    ${doc.error && html`<div class="trouble"><strong>${doc.error.message}</strong><p>${[doc.error.kind, doc.error.node].filter(Boolean).join(" · ")}</p></div>`}
    ${!doc.error && doc.status === "failed" && doc.reason && html`<p>${doc.reason}</p>`}
    ${busy.map((each) => html`<div class="busy"><p><strong>${each.node}</strong> <span class="quiet">${each.kind}, since <${Moment} at=${each.started} /></span></p>${speaking[each.node] && html`<${Words} text=${speaking[each.node]} />`}</div>`)}
    <${Waits} doc=${doc} done=${look} />
    ${doc.answered_by?.length > 0 && html`<p class="quiet">answered by ${doc.answered_by.join(", ")}</p>`}
    <h3>State</h3><${Fields} state=${Object.fromEntries(written)} open=${doc.status === "succeeded" ? [written.at(-1)?.[0]] : []} />
    <p class="hint">Choose a node of the graph to see its step.</p></article>`;
}

function Journal({ events }) {
  if (!events.length) return html`<p class="empty">Nothing happened yet.</p>`;
  return html`<ol class="journal" reversed>${[...events].reverse().map((event) => html`<li key=${`${event.at} ${event.happened} ${event.call ?? ""} ${event.item ?? ""}`}>
    <time datetime=${event.at}>${new Date(event.at).toLocaleTimeString()}</time> <span class="kind">${inWords(event.happened)}</span> <strong>${event.node ?? event.question?.node ?? event.waiting?.node ?? ""}</strong> <span class="quiet">${[event.visit > 1 && `visit ${event.visit}`, event.outcome, event.verb, event.by, typeof event.name === "string" && event.name, event.failure?.message, event.seconds != null && duration(event.seconds), ...(event.routes ?? []).map((each) => each.join(": "))].filter(Boolean).join(" · ")}</span></li>`)}</ol>`;
}
