// Fields of a state, each to be unfolded and edited: what is left alone is not sent.
import { Form } from "./form.js";
import { blank } from "./schema.js";
import { html } from "./ui.js";
import { gist } from "./values.js";

/** `state` is what the fields hold now, by name; where it says nothing a field has its default. `edits` are the new values. */
export function Edits({ schema, state, edits, edit, faults }) {
  return html`<div class="folds">${Object.entries(schema.properties ?? {}).map(([name, field]) => {
    const edited = name in edits;
    const now = edited ? edits[name] : name in state ? state[name] : blank(field, schema);
    const small = { $defs: schema.$defs, properties: { [name]: field }, type: "object", required: [name] };
    return html`<details key=${name}>
      <summary><code>${name}</code> ${edited ? html`<span class="badge">edited</span>` : ""} <span class="gist">${gist(now)}</span></summary>
      <div class="unfolded"><${Form} schema=${small} value=${{ [name]: now }} faults=${faults}
          set=${(whole) => edit((before) => ({ ...before, [name]: whole[name] === undefined ? null : whole[name] }))} />
        ${edited && html`<button type="button" class="small" onClick=${() => edit(({ [name]: _, ...rest }) => rest)}>as it was</button>`}</div>
    </details>`;
  })}</div>`;
}
