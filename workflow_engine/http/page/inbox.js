// The inbox: the questions that wait for an answer, and the one that is looked at.
import { get, me } from "./api.js";
import { Empty, Heading, Moment, Trouble } from "./parts.js";
import { asking, go, link, place } from "./route.js";
import { Question } from "./question.js";
import { moves } from "./store.js";
import { html, useEffect, useState } from "./ui.js";

export function Inbox() {
  const { path, query } = place.value;
  const id = path[1];
  const mine = query.get("mine") ?? "";
  const [items, show] = useState(null);
  const [problem, complain] = useState(null);
  const [again, look] = useState(0);
  useEffect(() => {
    let here = true;
    get(`/api/inbox${mine ? "?mine=true" : ""}`).then((found) => { if (here) { show(found); complain(null); } }, (error) => here && complain(error));
    return () => { here = false; };
  }, [mine, moves.value, again]);
  const answered = () => { look(again + 1); go(link("inbox")); document.getElementById("heading")?.focus(); };
  return html`<section class=${id ? "view split" : "view"}><div>
    <header class="view-head"><${Heading} title="Inbox">Inbox<//>
      <label class="tick"><input type="checkbox" checked=${Boolean(mine)} onChange=${(event) => go(asking({ mine: event.currentTarget.checked ? "true" : "" }), { replace: true })} /> only mine</label></header>
    <${Trouble} problem=${problem} />
    ${items && (items.length ? html`<ul class="cards">${items.map((each) => html`
      <li key=${each.question}><a class=${`card ${each.question === id ? "chosen" : ""}`} aria-current=${each.question === id ? "true" : undefined} href=${link("inbox", each.question)}>
        <span class="card-head"><span class="status waiting"><span class="sign" aria-hidden="true">❚❚</span></span> <strong>${each.title || each.message}</strong></span>
        <span class="clip">${each.message}</span>
        <span class="quiet">${each.run} · ${each.node}${each.to ? ` · ${each.to === me.value?.name ? "for you" : `for ${each.to}`}` : ""}${each.due && html` · due <${Moment} at=${each.due} />`}</span></a></li>`)}</ul>`
    : html`<${Empty}>Nobody is asked anything.<//>`)}</div>
    ${id && html`<aside class="panel" aria-label="question"><${Question} key=${id} id=${id} linked focus done=${answered} /></aside>`}</section>`;
}
