// A question to a person: what it is about, what was tried, the evidence, and the form of its answer.
import { at, get, may, me, post } from "./api.js";
import { Form } from "./form.js";
import { link } from "./route.js";
import { blank, complaints } from "./schema.js";
import { Moment, Trouble, say } from "./parts.js";
import { html, useEffect, useId, useRef, useState } from "./ui.js";
import { Facts, Words } from "./values.js";

/** The question of an id, whole: asked for when it is shown. */
export function Question({ id, focus = false, linked = false, done }) {
  const [question, show] = useState(null);
  const [problem, complain] = useState(null);
  useEffect(() => {
    let here = true;
    complain(null);
    get(at("questions", id)).then((found) => here && show(found), (error) => here && complain(error));
    return () => { here = false; };
  }, [id]);
  if (problem) return html`<${Trouble} problem=${problem} />`;
  if (!question) return html`<p class="quiet">Loading…</p>`;
  return html`<${Asked} key=${id} id=${id} question=${question} focus=${focus} linked=${linked} done=${done} />`;
}

function Asked({ id, question, focus, linked, done }) {
  const schema = question.schema ?? {};
  const [value, set] = useState(() => blank(schema, schema));
  const [problem, complain] = useState(null);
  const [busy, work] = useState(false);
  const [to, hand] = useState(question.to);
  const [mine, own] = useState(question.mine);
  const open = !question.status || question.status === "open";
  const act = async (verb, body, words) => {
    work(true);
    complain(null);
    try {
      const told = await post(at("questions", id, verb), body);
      say(words);
      return told;
    } catch (error) {
      complain(error);
    } finally {
      work(false);
    }
  };
  const send = async (event) => {
    event.preventDefault();
    if (!busy && await act("answer", { value: value === undefined ? null : value }, "Your answer was recorded.")) done?.();
  };
  const handed = (told) => { if (told) { hand(told.to); own(told.mine); } return told; };
  const claim = async () => handed(await act("claim", {}, "It is yours."));
  const reassign = async (name) => handed(await act("reassign", { to: name }, `${name} is asked now.`));
  const keyed = (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(event); };
  return html`<article class="question" aria-labelledby=${`title-${id}`}>
    <p class="eyebrow">${to && me.value?.name === to ? "Question for you" : to ? `Question for ${to}` : "Question"}</p>
    <h2 id=${`title-${id}`} tabindex="-1">${question.title || "A question"}</h2>
    <pre class="message">${question.message}</pre>
    <${Facts} facts=${[
      ["run", linked && html`<a href=${link("runs", question.run)}>${question.run}</a>`],
      ["asked by", `${question.node}${question.visit > 1 ? `, visit ${question.visit}` : ""}`],
      ["asked", question.asked && html`<${Moment} at=${question.asked} />`],
      ["due", question.due && html`<span><${Moment} at=${question.due} />${question.then ? `, then: ${question.then}` : ""}</span>`],
      ["assigned to", to], ["candidates", (question.candidates ?? []).join(", ")],
      ["approved by", (question.approved ?? []).map((each) => each.by).join(", ")],
    ]} />
    ${question.tried?.length > 0 && html`<details class="part"><summary><h3>What was tried</h3> <span class="quiet">${question.tried.length}</span></summary><ol class="tried">${question.tried.map((each) => html`
      <li><span>${each.node}</span> <span class="quiet">visit ${each.visit}</span> <span>${each.outcome}</span></li>`)}</ol></details>`}
    ${question.evidence?.length > 0 && html`<section class="part"><h3>Evidence</h3><div class="evidence">${question.evidence.map((each, index) => html`<${Evidence} text=${each} open=${index === question.evidence.length - 1} />`)}</div></section>`}
    ${open && may("answerer") && mine && html`<form noValidate onSubmit=${send} onKeyDown=${keyed} aria-label="answer">
      <${Form} schema=${schema} value=${value} set=${set} faults=${problem ? complaints(problem, schema) : {}} focus=${focus} />
      <${Trouble} problem=${problem} />
      <div class="acts"><button class="primary" type="submit" disabled=${busy}>Send answer</button>
        ${to !== me.value?.name && html`<button type="button" disabled=${busy} onClick=${claim}>Claim</button>`}</div>
      <p class="hint"><kbd>Ctrl</kbd> <kbd>Enter</kbd> sends it.</p></form>`}
    ${open && !(may("answerer") && mine) && html`<p class="quiet">This is for others to answer.</p><${Trouble} problem=${problem} />`}
    ${open && may("answerer") && html`<${Reassign} ask=${reassign} busy=${busy} />`}
    ${!open && html`<p class="quiet">This question was ${question.status}${question.answer ? ` by ${question.answer.by}` : ""}.</p>`}
  </article>`;
}

/** Asking somebody else instead: a name, and who gave the question away is recorded. */
function Reassign({ ask, busy }) {
  const [name, set] = useState("");
  const id = useId();
  const fold = useRef(null);
  const send = async (event) => {
    event.preventDefault();
    if (busy || !name.trim() || !await ask(name.trim())) return;
    set("");
    fold.current.open = false;
  };
  return html`<details class="part" ref=${fold}><summary>Reassign…</summary>
    <form noValidate onSubmit=${send} aria-label="reassign"><div class="field"><label for=${id}>To</label>
      <input id=${id} type="text" autocomplete="off" value=${name} onInput=${(event) => set(event.currentTarget.value)} /></div>
      <div class="acts"><button type="submit" disabled=${busy || !name.trim()}>Ask them instead</button></div></form></details>`;
}

/** Evidence: its first line as a title that unfolds, where it has several. */
function Evidence({ text, open }) {
  const [first, ...rest] = String(text).split("\n");
  if (!rest.length) return html`<p class="words">${first}</p>`;
  return html`<details open=${open}><summary>${first}</summary><${Words} text=${rest.join("\n")} /></details>`;
}
