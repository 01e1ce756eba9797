// The page: who looks, where they are, and the frame around every view.
import { enter, me, reached } from "./api.js";
import { Inbox } from "./inbox.js";
import { Metrics } from "./metrics.js";
import { Dot, Heading, said } from "./parts.js";
import { link, place } from "./route.js";
import { RunView } from "./run.js";
import { Runs } from "./runs.js";
import { Start } from "./start.js";
import { begin, inbox, latest, workflows } from "./store.js";
import { ThemeButton } from "./theme.js";
import { html, render, useEffect } from "./ui.js";

const PLACES = [["runs", "Runs"], ["inbox", "Inbox"], ["start", "Start a run"], ["metrics", "Metrics"]];

function View() {
  const [first = "runs", second] = place.value.path;
  if (first === "runs" && second) return html`<${RunView} key=${second} id=${second} />`;
  switch (first) {
    case "inbox": return html`<${Inbox} />`;
    case "start": return html`<${Start} />`;
    case "metrics": return html`<${Metrics} />`;
    default: return html`<${Runs} />`;
  }
}

function Side() {
  const [first = "runs", second] = place.value.path;
  return html`<div class="side"><p class="brand"><img src="page/icon.svg" alt="" width="22" height="22" /> Workflows</p>
    <nav aria-label="places"><ul>${PLACES.map(([name, words]) => html`<li><a href=${link(name)} aria-current=${first === name && !(name === "runs" && second) ? "page" : undefined}>${words}
      ${name === "inbox" && inbox.value > 0 && html`<span class="badge" aria-label=${`${inbox.value} open`}>${inbox.value}</span>`}</a></li>`)}
      ${workflows.value.some((each) => each.chat) && html`<li><a href="chat">Chat</a></li>`}</ul></nav>
    ${latest.value.length > 0 && html`<nav aria-labelledby="latest" class="latest"><h2 id="latest">Latest runs</h2><ul>${latest.value.map((each) => html`
      <li key=${each.run}><a href=${link("runs", each.run)} aria-current=${second === each.run ? "page" : undefined}><${Dot} run=${each} /><span class="names"><code>${each.run}</code><span class="quiet">${each.workflow}</span></span></a></li>`)}</ul></nav>`}
    <footer><${ThemeButton} /><p class="quiet">${me.value.name}<br />${me.value.role}</p></footer></div>`;
}

/** When the place changes, people who cannot see it are taken to its heading; when only its query does, they stay. */
function Focus() {
  const name = place.value.path.slice(0, 2).join("/");
  useEffect(() => {
    if (!document.querySelector("#view :focus")) document.getElementById("view")?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [name]);
  return null;
}

function Page() {
  if (me.value === null) return html`<p class="empty" role="status">Loading…</p>`;
  if (me.value === false) {
    return html`<main class="stranger"><${Heading} title="Who are you?">This page does not know you<//>
      <p>Open the address that <code>workflow serve</code> printed: it ends in <code>#token=…</code>. A token of your own comes from <code>workflow people add NAME</code>.</p></main>`;
  }
  return html`<a class="skip" href="#view" onClick=${(event) => { event.preventDefault(); document.getElementById("view").focus(); }}>Skip to the view</a>
    <${Side} /><main id="view" tabindex="-1">${!reached.value && html`<p class="away" role="status">The server cannot be reached; the page goes on as soon as it is back.</p>`}<${View} /></main>
    <div class="unseen" role="status" aria-live="polite" aria-atomic="false">${said.value.map(([number, words]) => html`<p key=${number}>${words}</p>`)}</div><${Focus} />`;
}

addEventListener("keydown", (event) => {
  // "/" finds, as on many pages; never while somebody types.
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.closest?.("input, textarea, select, dialog")) return;
  const search = document.getElementById("search");
  if (search) { event.preventDefault(); search.focus(); }
});

render(html`<${Page} />`, document.getElementById("page"));
enter().then(() => { if (me.value) begin(); });
