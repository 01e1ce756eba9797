// Starting a run: a workflow, its picture, and a form of what a run of it begins with.
import { at, may, post } from "./api.js";
import { Edits } from "./edits.js";
import { Form } from "./form.js";
import { Empty, Heading, Trouble, say } from "./parts.js";
import { go, link, place } from "./route.js";
import { blank, complaints } from "./schema.js";
import { workflows } from "./store.js";
import { theme } from "./theme.js";
import { html, useState } from "./ui.js";

export function Start() {
  const name = place.value.path[1] ?? (workflows.value.length === 1 ? workflows.value[0].name : undefined);
  const workflow = workflows.value.find((each) => each.name === name);
  return html`<section class="view"><header class="view-head"><${Heading} title="Start a run">Start a run<//></header>
    ${!workflows.value.length && html`<${Empty}>No workflow is served: <code>workflow serve graphs/ship.py</code> serves one.<//>`}
    ${workflows.value.length > 1 && html`<ul class="cards row">${workflows.value.map((each) => html`
      <li><a class=${`card ${each.name === name ? "chosen" : ""}`} aria-current=${each.name === name ? "true" : undefined} href=${link("start", each.name)}>
        <strong>${each.name}</strong><span class="clip">${each.title}</span></a></li>`)}</ul>`}
    ${workflow && html`<${Begin} key=${name} workflow=${workflow} />`}</section>`;
}

function Begin({ workflow }) {
  const schema = workflow.inputs;
  const [asked, more] = parted(workflow);
  const [value, set] = useState(() => blank({ ...asked, type: "object" }, asked));
  const [edits, edit] = useState({});
  const [problem, complain] = useState(null);
  const [busy, work] = useState(false);
  const send = async (event) => {
    event.preventDefault();
    if (busy) return;
    work(true);
    complain(null);
    try {
      const run = await post(at("workflows", workflow.name, "runs"), { inputs: { ...value, ...edits } });
      say(`run ${run.run} of ${workflow.name} began`);
      go(link("runs", run.run));
    } catch (error) {
      complain(error);
      work(false);
    }
  };
  const faults = problem ? complaints(problem, schema) : {};
  const keyed = (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(event); };
  return html`<div class="begin"><form noValidate onSubmit=${send} onKeyDown=${keyed} aria-label=${`inputs of ${workflow.name}`}>
      <h2>${workflow.name}</h2>${workflow.title && workflow.title !== workflow.name && html`<p class="quiet">${workflow.title}</p>`}
      <${Form} schema=${asked} value=${value} set=${set} faults=${faults} focus />
      ${Object.keys(more.properties).length > 0 && html`<details class="part" open=${!asked.required.length}>
        <summary><h3>${asked.required.length ? "More that it may begin with" : "What it may begin with"}</h3></summary>
        <${Edits} schema=${more} state=${{}} edits=${edits} edit=${edit} faults=${faults} /></details>`}
      <${Trouble} problem=${problem} />
      ${may("operator") ? html`<div class="acts"><button class="primary" type="submit" disabled=${busy}>Start</button></div>` : html`<p class="quiet">Only an operator may start runs.</p>`}</form>
    <img class="picture" src=${`${at("workflows", workflow.name, "picture.svg")}?theme=${theme()}`} alt=${`the graph of ${workflow.name}`} /></div>`;
}

/** What a run must be given, and what it may be: fields with a default, those that no node writes first. */
function parted({ inputs, nodes }) {
  const needed = new Set(inputs.required);
  const written = new Set(nodes.flatMap((each) => each.writes));
  const all = Object.entries(inputs.properties);
  const part = (entries) => ({ ...inputs, properties: Object.fromEntries(entries), required: entries.map(([name]) => name).filter((name) => needed.has(name)) });
  const free = all.filter(([name]) => !needed.has(name)).sort(([one], [other]) => written.has(one) - written.has(other));
  return [part(all.filter(([name]) => needed.has(name))), part(free)];
}
