// Small parts that several views show: a status, a problem, a moment, a word to screen readers.
import { classes, html, signal, useEffect } from "./ui.js";
import { SIGNS, clock, since, status } from "./words.js";

/** What screen readers were told last: a live region of the page reads what is added. */
export const said = signal([]);
let count = 0;
export const say = (words) => { said.value = [...said.value, [count++, words]].slice(-3); };

/** Ticks every second while somebody looks, for "3 s ago". */
const tick = signal(0);
setInterval(() => { if (!document.hidden) tick.value++; }, 1000);
export const ticking = () => tick.value;

export function Status({ run, big = false }) {
  const [colour, words] = status(run);
  return html`<span class=${classes("status", colour, big && "big")}><span class="sign" aria-hidden="true">${SIGNS[colour]}</span> ${words}</span>`;
}

export const Dot = ({ run }) => {
  const [colour, words] = status(run);
  return html`<span class=${`dot ${colour}`} title=${words}><span aria-hidden="true">${SIGNS[colour]}</span><span class="unseen">${words}</span></span>`;
};

export const Moment = ({ at }) => {
  ticking();
  return at ? html`<time datetime=${at} title=${clock(at)}>${since(at)}</time>` : null;
};

export const Trouble = ({ problem }) => problem && html`
  <div class="trouble" role="alert"><strong>${problem.message}</strong>${problem.detail && html`<p>${problem.detail}</p>`}</div>`;

/** A view's heading, which is given the focus when the view is entered. */
export function Heading({ children, title }) {
  useEffect(() => { document.title = `${title} · Workflows`; }, [title]);
  return html`<h1 tabindex="-1" id="heading">${children}</h1>`;
}

export const Empty = ({ children }) => html`<p class="empty">${children}</p>`;
