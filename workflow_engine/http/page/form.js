// A form made from a JSON Schema: every field a labelled control, nested as the schema is. The server judges what is typed.
import { classes, html, useId, useState } from "./ui.js";
import { asks, blank, fits, resolve } from "./schema.js";
import { spoken } from "./words.js";

const BUTTONS = 5; // choices beyond these are a menu

/** The fields of a schema. `value` is plain JSON; `set` is told the whole value anew; `faults` are messages by path. */
export function Form({ schema, value, set, faults = {}, focus = false }) {
  const asked = asks(schema, schema);
  if (asked.kind === "object") {
    return html`<div class="form"><${Fields} asked=${asked} root=${schema} value=${value} set=${set} path="" faults=${faults} focus=${focus} /></div>`;
  }
  return html`<div class="form"><${Field} given=${schema} root=${schema} name=${schema.title ?? "answer"} path="" value=${value} set=${set} faults=${faults} required focus=${focus} /></div>`;
}

function Fields({ asked, root, value, set, path, faults, focus }) {
  const required = new Set(asked.schema.required ?? []);
  const held = value && typeof value === "object" ? value : {};
  // What can be one thing only is sent as it is, and asked of nobody.
  const open = Object.entries(asked.fields).filter(([, field]) => !("const" in resolve(field, root)));
  return open.map(([name, field], index) => html`
    <${Field} key=${name} given=${field} root=${root} name=${name} path=${path ? `${path}.${name}` : name}
      value=${held[name]} required=${required.has(name)} faults=${faults} focus=${focus && index === 0}
      set=${(part) => {
        const { [name]: _, ...rest } = held;
        set(part === undefined ? rest : { ...held, [name]: part });
      }} />`);
}

function Field({ given, root, name, path, value, set, faults, required, focus, bare = false, label }) {
  const id = useId();
  const asked = asks(given, root);
  const { schema } = asked;
  const titled = schema.title && schema.title.replaceAll(" ", "").toLowerCase() !== name.replaceAll("_", "").toLowerCase();
  const words = label ?? (titled && asked.kind !== "object" ? schema.title : spoken(name));
  const fault = faults[path];
  const about = [schema.description && `${id}-about`, fault && `${id}-fault`].filter(Boolean).join(" ") || undefined;
  const group = ["object", "union", "list", "map", "tuple", "many"].includes(asked.kind)
    || (asked.kind === "choice" && asked.options.length <= BUTTONS) || asked.nullable;
  const control = { id, asked, root, value, set, path, faults, focus, about, fault, words };
  const hint = html`
    ${schema.description && html`<p class="hint" id=${`${id}-about`}>${schema.description}</p>`}
    ${fault && html`<p class="fault" id=${`${id}-fault`}>${fault}</p>`}`;
  const mark = required && !asked.nullable ? "" : html` <span class="optional">optional</span>`;

  if (asked.kind === "boolean" && !asked.nullable) {
    return html`<div class="field"><label class="tick"><input id=${id} type="checkbox" checked=${value === true} aria-describedby=${about}
      ref=${focused(focus)} onChange=${(event) => set(event.currentTarget.checked)} /> ${words}</label>${hint}</div>`;
  }
  if (group) {
    return html`<fieldset class=${classes("field", asked.kind, fault && "wrong")} aria-describedby=${about}>
      <legend>${words}${bare ? "" : mark}</legend>${hint}
      ${asked.nullable ? html`<${Nullable} ...${control} />` : html`<${Control} ...${control} />`}</fieldset>`;
  }
  return html`<div class=${classes("field", fault && "wrong")}>
    <label for=${id}>${words}${bare ? "" : mark}</label>${hint}<${Control} ...${control} /></div>`;
}

/** A value that may be none: a tick says whether there is one. */
function Nullable(control) {
  const { asked, root, value, set } = control;
  const given = value !== null && value !== undefined;
  const { default: _, ...schema } = asked.schema;
  const inner = { ...asked, nullable: false, schema };
  if (asked.kind === "choice" && !asked.options.length) return html`<p class="quiet">nothing</p>`;
  const start = () => (asked.kind === "object" ? blank({ ...schema, type: "object" }, root)
    : asked.kind === "union" ? blank(asked.variants[0], root) : { list: [], many: [], map: {}, boolean: false, text: "" }[asked.kind]);
  const [on, turn] = useState(given);
  return html`
    <label class="tick"><input type="checkbox" checked=${on || given} onChange=${(event) => {
      turn(event.currentTarget.checked);
      set(event.currentTarget.checked ? start() : null);
    }} /> ${on || given ? "given" : "nothing"}</label>
    ${(on || given) && html`<${Control} ...${control} asked=${inner} named=${true} />`}`;
}

const focused = (wanted) => (wanted ? (element) => {
  if (!element || element.dataset.met) return;
  element.dataset.met = "yes";
  // Whoever is somewhere already is not taken away from there.
  if (document.activeElement === document.body || document.activeElement?.matches("main, a")) element.focus();
} : undefined);

function Control(control) {
  const { asked } = control;
  switch (asked.kind) {
    case "choice": return html`<${Choice} ...${control} />`;
    case "object": return html`<div class="nested"><${Fields} ...${control} /></div>`;
    case "union": return html`<${Union} ...${control} />`;
    case "list": return html`<${List} ...${control} />`;
    case "tuple": return html`<${Tuple} ...${control} />`;
    case "map": return html`<${Pairs} ...${control} />`;
    case "many": return html`<${Many} ...${control} />`;
    case "boolean": return html`<label class="tick"><input type="checkbox" checked=${control.value === true} onChange=${(event) => control.set(event.currentTarget.checked)} /> yes</label>`;
    case "number": return html`<${NumberBox} ...${control} />`;
    case "text": return html`<${Text} ...${control} />`;
    default: return html`<${Json} ...${control} />`;
  }
}

const ofControl = ({ id, about, fault, focus, named, words }) => ({
  id, "aria-describedby": about, "aria-invalid": fault ? "true" : undefined, ref: focused(focus), "aria-label": named ? words : undefined,
});
const told = (option) => (typeof option === "string" ? option : JSON.stringify(option));

function Choice(control) {
  const { id, asked, value, set, focus, words } = control;
  const chosen = asked.options.findIndex((each) => JSON.stringify(each) === JSON.stringify(value));
  if (asked.options.length > BUTTONS) {
    return html`<select ...${ofControl(control)} value=${chosen < 0 ? "" : String(chosen)}
      onChange=${(event) => set(event.currentTarget.value === "" ? undefined : asked.options[Number(event.currentTarget.value)])}>
      <option value="">choose…</option>
      ${asked.options.map((each, index) => html`<option value=${String(index)}>${told(each)}</option>`)}</select>`;
  }
  return html`<div class="buttons" role="radiogroup" aria-label=${words}>${asked.options.map((each, index) => html`
    <label class=${classes("choice", index === chosen && "chosen")}><input type="radio" name=${id} value=${told(each)}
      checked=${index === chosen} ref=${focused(focus && index === Math.max(chosen, 0))}
      onChange=${() => set(each)} /><span>${told(each)}</span></label>`)}</div>`;
}

function Text(control) {
  const { asked: { schema }, value, set } = control;
  const shared = { ...ofControl(control), maxlength: schema.maxLength, autocomplete: "off" };
  const typed = (event) => set(event.currentTarget.value);
  const kind = { date: "date", time: "time", email: "email", uri: "url" }[schema.format];
  if (schema.format === "date-time") {
    return html`<input ...${shared} type="datetime-local" step="1" value=${local(value)} onInput=${(event) => {
      const moment = new Date(event.currentTarget.value);
      set(Number.isNaN(moment.valueOf()) ? undefined : moment.toISOString());
    }} />`;
  }
  if (kind) return html`<input ...${shared} type=${kind} value=${value ?? ""} onInput=${(event) => set(event.currentTarget.value || undefined)} />`;
  if (schema.format || schema.pattern || (schema.maxLength ?? 999) <= 60) {
    const example = schema.format === "duration" ? "PT1H30M" : undefined;
    return html`<input ...${shared} type="text" placeholder=${example} value=${value ?? ""} spellcheck=${false} onInput=${typed} />`;
  }
  return html`<textarea ...${shared} class=${(value ?? "").includes("\n") ? "code" : undefined} rows="1" value=${value ?? ""} onInput=${typed}></textarea>`;
}

function local(value) {
  const moment = new Date(value ?? "");
  if (Number.isNaN(moment.valueOf())) return "";
  return new Date(moment.valueOf() - moment.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
}

function NumberBox(control) {
  const { asked: { schema }, value, set } = control;
  const [typed, type] = useState(null);
  const bounds = [schema.minimum ?? schema.exclusiveMinimum, schema.maximum ?? schema.exclusiveMaximum];
  const hint = bounds.some((each) => each != null) ? `${bounds[0] ?? "…"} to ${bounds[1] ?? "…"}` : undefined;
  return html`<input ...${ofControl(control)} type="text" inputmode=${schema.type === "integer" ? "numeric" : "decimal"} autocomplete="off"
    placeholder=${hint} value=${typed ?? (value ?? "")} onBlur=${() => type(null)} onInput=${(event) => {
      const words = event.currentTarget.value.trim();
      const number = Number(words);
      type(event.currentTarget.value);
      // What is no number, or one this browser cannot hold, is sent as it was typed: the server says what it thinks.
      set(words === "" ? undefined : Number.isFinite(number) && (!Number.isInteger(number) || Number.isSafeInteger(number)) ? number : words);
    }} />`;
}

function Union(control) {
  const { id, asked, root, value, set, words } = control;
  const found = asked.variants.findIndex((each) => fits(value, each, root));
  const [picked, pick] = useState(null);
  const now = picked ?? Math.max(found, 0);
  const title = (each, index) => each.title ?? (each.type ? spoken(each.type) : `form ${index + 1}`);
  return html`
    <select id=${id} aria-label=${`kind of ${words}`} value=${String(now)} onChange=${(event) => {
      const next = Number(event.currentTarget.value);
      pick(next);
      set(blank(asked.variants[next], root));
    }}>${asked.variants.map((each, index) => html`<option value=${String(index)}>${title(each, index)}</option>`)}</select>
    <${Control} ...${control} key=${now} id=${`${id}-v`} asked=${asks(asked.variants[now], root)} named=${true} />`;
}

function List(control) {
  const { asked, root, value, set, path, faults, words } = control;
  const items = Array.isArray(value) ? value : [];
  const put = (index, part) => set(items.map((each, at) => (at === index ? (part ?? null) : each)));
  return html`<ol class="items">${items.map((each, index) => html`
    <li key=${index}><${Field} given=${asked.items} root=${root} name=${`${index + 1}`} label=${`${words} ${index + 1}`} bare required path=${path ? `${path}.${index}` : String(index)}
      value=${each} faults=${faults} set=${(part) => put(index, part)} />
      <button type="button" class="plain remove" aria-label=${`remove ${words} ${index + 1}`}
        onClick=${() => set(items.filter((_, at) => at !== index))}>✕</button></li>`)}</ol>
    <button type="button" class="small" onClick=${() => set([...items, blank(asked.items, root) ?? (asks(asked.items, root).kind === "text" ? "" : null)])}>+ add</button>`;
}

function Tuple(control) {
  const { asked, root, value, set, path, faults, words } = control;
  const items = Array.isArray(value) ? value : [];
  return html`<div class="nested">${asked.items.map((each, index) => html`
    <${Field} key=${index} given=${each} root=${root} name=${`${index + 1}`} label=${`${words} ${index + 1}`} bare required path=${`${path}.${index}`} value=${items[index]} faults=${faults}
      set=${(part) => set(asked.items.map((_, at) => (at === index ? (part ?? null) : (items[at] ?? null))))} />`)}</div>`;
}

function Many(control) {
  const { asked, value, set } = control;
  const held = Array.isArray(value) ? value : [];
  return html`<div class="buttons">${asked.options.map((each) => html`
    <label class=${classes("choice", held.includes(each) && "chosen")}><input type="checkbox" checked=${held.includes(each)}
      onChange=${(event) => set(event.currentTarget.checked ? [...held, each] : held.filter((one) => one !== each))} /><span>${told(each)}</span></label>`)}</div>`;
}

/** An object whose names are free: rows of a name and a value, kept as rows so that a name can be typed letter by letter. */
function Pairs(control) {
  const { asked, root, value, set, path, faults, words } = control;
  const [rows, keep] = useState(() => Object.entries(value ?? {}));
  const change = (next) => { keep(next); set(Object.fromEntries(next.filter(([name]) => name))); };
  const inner = asked.values === true ? {} : asked.values;
  return html`<ol class="items pairs">${rows.map(([name, part], index) => html`
    <li key=${index}><div class="pair">
      <input type="text" aria-label=${`name ${index + 1} in ${words}`} placeholder="name" value=${name} onInput=${(event) =>
        change(rows.map((row, at) => (at === index ? [event.currentTarget.value, row[1]] : row)))} />
      <${Field} given=${inner} root=${root} name=${name || "value"} label=${`value of ${name || "…"}`} bare required path=${`${path}.${name}`} value=${part} faults=${faults}
        set=${(next) => change(rows.map((row, at) => (at === index ? [row[0], next] : row)))} /></div>
      <button type="button" class="plain remove" aria-label=${`remove ${name || "row"}`} onClick=${() => change(rows.filter((_, at) => at !== index))}>✕</button></li>`)}</ol>
    <button type="button" class="small" onClick=${() => change([...rows, ["", blank(inner, root) ?? ""]])}>+ add</button>`;
}

function Json(control) {
  const { value, set } = control;
  const [typed, type] = useState(value === undefined ? "" : JSON.stringify(value, null, 2));
  const [wrong, mark] = useState("");
  return html`<textarea ...${ofControl(control)} class="code" rows="3" spellcheck=${false} placeholder="JSON" value=${typed} onInput=${(event) => {
    const words = event.currentTarget.value;
    type(words);
    try { set(words.trim() ? JSON.parse(words) : undefined); mark(""); } catch (error) { set(words); mark(error.message); }
  }}></textarea>${wrong && html`<p class="fault">${wrong}: sent as text</p>`}`;
}
