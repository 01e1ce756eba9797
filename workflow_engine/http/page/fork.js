// Forking a run: a step it is left anew from, and the fields of its state that shall be others.
import { at, get, post } from "./api.js";
import { Edits } from "./edits.js";
import { Trouble, say } from "./parts.js";
import { go, link } from "./route.js";
import { complaints } from "./schema.js";
import { workflowOf } from "./store.js";
import { html, useEffect, useRef, useState } from "./ui.js";

export function Fork({ doc, step, close }) {
  const dialog = useRef(null);
  const [from, choose] = useState(step ?? doc.steps.filter((each) => each.step).at(-1)?.step ?? 0);
  const [state, show] = useState(null);
  const [edits, edit] = useState({});
  const [problem, complain] = useState(null);
  const [busy, work] = useState(false);
  useEffect(() => { dialog.current.showModal(); }, []);
  useEffect(() => {
    let here = true;
    show(null);
    edit({});
    get(`${at("runs", doc.run, "state")}?at=${from}`).then((found) => here && show(found.state), (error) => here && complain(error));
    return () => { here = false; };
  }, [from]);
  const schema = workflowOf(doc.workflow)?.state ?? { properties: Object.fromEntries(Object.keys(state ?? {}).map((name) => [name, {}])) };
  const send = async (event) => {
    event.preventDefault();
    if (busy) return;
    work(true);
    complain(null);
    try {
      const run = await post(at("runs", doc.run, "fork"), { at: from, state: edits });
      say(`fork ${run.run} began`);
      dialog.current.close();
      go(link("runs", run.run));
    } catch (error) {
      complain(error);
      work(false);
    }
  };
  const faults = problem ? complaints(problem, schema) : {};
  const steps = doc.steps.filter((each) => each.step && each.status !== "waiting" && each.status !== "running");
  return html`<dialog ref=${dialog} class="fork" aria-labelledby="fork-title" onClose=${close}>
    <form noValidate onSubmit=${send}>
      <header><h2 id="fork-title">Fork this run</h2><button type="button" class="plain close" aria-label="close" onClick=${() => dialog.current.close()}>✕</button></header>
      <p class="quiet">A new run stands as this one did after the step, with the fields you edit, and leaves the step anew. This run stays as it is.</p>
      <div class="field"><label for="fork-step">After step</label>
        <select id="fork-step" value=${String(from)} onChange=${(event) => choose(Number(event.currentTarget.value))}>
          <option value="0">0 · the beginning</option>
          ${steps.map((each) => html`<option value=${String(each.step)}>${each.step} · ${each.node}, visit ${each.visit} · ${each.status}</option>`)}</select></div>
      <h3>State</h3>
      ${state ? html`<${Edits} key=${from} schema=${schema} state=${state} edits=${edits} edit=${edit} faults=${faults} />` : html`<p class="quiet">Loading…</p>`}
      <${Trouble} problem=${problem} />
      <div class="acts"><button class="primary" type="submit" disabled=${busy || !state}>Fork${Object.keys(edits).length ? ` with ${Object.keys(edits).join(", ")} edited` : ""}</button>
        <button type="button" onClick=${() => dialog.current.close()}>Close</button></div>
    </form></dialog>`;
}
