// What a run waits for that no person is asked: the signals, each with a form of what it carries, and its time.
import { at, may, post } from "./api.js";
import { Form } from "./form.js";
import { Moment, Trouble, say } from "./parts.js";
import { link } from "./route.js";
import { blank, complaints } from "./schema.js";
import { html, useState } from "./ui.js";

export function Waits({ doc, done }) {
  return doc.waits.map((each) => html`<section class="part" key=${`${each.node}:${each.visit}`} aria-label=${`${each.node} waits`}>
    <p><strong>${each.node}</strong> waits for ${each.on === "signal" ? each.signals.map((one) => one.name).join(each.first ? " or " : " and ") : each.on === "run" ? each.runs.map((one) => html`<a href=${link("runs", one)}>${one}</a> `) : "its time"}${each.until && html`, at the latest <${Moment} at=${each.until} />`}</p>
    ${each.came?.length > 0 && html`<p class="quiet">${each.came.join(", ")} came</p>`}
    ${each.trouble && html`<p class="fault">${each.trouble}</p>`}
    ${may("operator") && each.signals.map((one) => html`<${Signal} key=${one.name} run=${doc.run} name=${one.name} schema=${one.schema} done=${done} />`)}</section>`);
}

/** A signal that is waited for, to be sent by hand. What the form holds is kept when the server refuses it. */
function Signal({ run, name, schema, done }) {
  const carries = schema ?? null;
  const [value, set] = useState(() => carries && blank(carries, carries));
  const [problem, complain] = useState(null);
  const [busy, work] = useState(false);
  const send = async (event) => {
    event.preventDefault();
    if (busy) return;
    work(true);
    complain(null);
    try {
      await post(at("runs", run, "signal"), { name, payload: carries ? value ?? null : null });
      say(`${name} was sent`);
      done?.();
    } catch (error) {
      complain(error);
    } finally {
      work(false);
    }
  };
  const keyed = (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(event); };
  return html`<details class="signal"><summary>Send ${name}…</summary>
    <form noValidate onSubmit=${send} onKeyDown=${keyed} aria-label=${`signal ${name}`}>
      ${carries && html`<${Form} schema=${carries} value=${value} set=${set} faults=${problem ? complaints(problem, carries) : {}} />`}
      <${Trouble} problem=${problem} />
      <div class="acts"><button class="primary" type="submit" disabled=${busy}>Send ${name}</button></div></form></details>`;
}
