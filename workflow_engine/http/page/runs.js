// The list of runs: filtered, searched, page by page, and kept up to date.
import { get } from "./api.js";
import { Empty, Heading, Moment, Status, Trouble } from "./parts.js";
import { asking, go, link, place } from "./route.js";
import { moves, workflows } from "./store.js";
import { html, useEffect, useState } from "./ui.js";
import { STATUSES, cost } from "./words.js";

export function Runs() {
  const { query } = place.value;
  const [page, show] = useState(null);
  const [problem, complain] = useState(null);
  const asked = new URLSearchParams();
  for (const name of ["status", "workflow", "q", "before"]) if (query.get(name)) asked.set(name, query.get(name));
  const text = asked.toString();
  useEffect(() => {
    let here = true;
    get(`/api/runs?limit=25&${text}`).then((found) => { if (here) { show(found); complain(null); } }, (error) => here && complain(error));
    return () => { here = false; };
  }, [text, moves.value]);
  const filter = (changes) => go(asking({ before: "", ...changes }), { replace: true });
  const status = query.get("status") ?? "";
  return html`<section class="view"><header class="view-head"><${Heading} title="Runs">Runs<//>
      <a class="button primary" href=${link("start")}>Start a run</a></header>
    <div class="filters" role="search" aria-label="runs">
      <label>Status <select value=${status} onChange=${(event) => filter({ status: event.currentTarget.value })}>
        <option value="">any</option>${STATUSES.map((each) => html`<option value=${each}>${each}</option>`)}</select></label>
      <label>Workflow <select value=${query.get("workflow") ?? ""} onChange=${(event) => filter({ workflow: event.currentTarget.value })}>
        <option value="">any</option>${[...new Set([...workflows.value.map((each) => each.name), query.get("workflow")].filter(Boolean))].map((each) => html`<option value=${each}>${each}</option>`)}</select></label>
      <label class="grow">Search <input id="search" type="search" placeholder="part of an id or of a workflow's name" value=${query.get("q") ?? ""}
        onInput=${(event) => filter({ q: event.currentTarget.value.trim() })} /></label>
    </div>
    <${Trouble} problem=${problem} />
    ${page && (page.items.length ? html`<div class="scroll"><table><caption class="unseen">runs, newest first</caption>
      <thead><tr><th scope="col">run</th><th scope="col">workflow</th><th scope="col">status</th><th scope="col" class="right">steps</th><th scope="col" class="right">cost</th><th scope="col">began</th><th scope="col">changed</th></tr></thead>
      <tbody>${page.items.map((each) => html`<tr key=${each.run} class="goes" onClick=${(event) => { if (!event.target.closest("a")) go(link("runs", each.run)); }}>
        <th scope="row"><a href=${link("runs", each.run)}><code>${each.run}</code></a>${each.parent && html` <span class="quiet">fork</span>`}</th><td>${each.workflow}</td>
        <td><${Status} run=${each} /></td><td class="right">${each.steps}</td><td class="right">${cost(each.cost)}</td>
        <td><${Moment} at=${each.created} /></td><td><${Moment} at=${each.updated} /></td></tr>`)}</tbody></table></div>`
    : html`<${Empty}>${text ? "No run is like that." : html`No run yet. <a href=${link("start")}>Start one.</a>`}<//>`)}
    <nav class="pages" aria-label="pages">
      ${query.get("before") && html`<button type="button" onClick=${() => history.back()}>← Newer</button>`}
      ${page?.next && html`<a class="button" href=${asking({ before: page.next })}>Older →</a>`}</nav></section>`;
}
