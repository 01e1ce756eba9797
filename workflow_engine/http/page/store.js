// What every view shares: the workflows that are served, the latest runs, the size of the inbox, and what changes them.
import { follow, get } from "./api.js";
import { say } from "./parts.js";
import { signal } from "./ui.js";
import { several } from "./words.js";

export const workflows = signal([]);
export const latest = signal([]);
export const inbox = signal(null);
/** Grows when a run changed: lists read anew. `changed` names those of the last time. */
export const moves = signal(0);

/** At most one question at a time, and one more afterwards if it was asked meanwhile: a burst of events is one look. */
export function coalesced(ask, pause = 120) {
  let busy = false, again = false;
  return async function look() {
    if (busy) { again = true; return; }
    busy = true;
    try { await ask(); } catch { /* it is asked again when something happens */ }
    setTimeout(() => { busy = false; if (again) { again = false; look(); } }, pause);
  };
}

const look = coalesced(async () => { latest.value = (await get("/api/runs?limit=8")).items; }, 400);

export function begin() {
  get("/api/workflows").then((found) => { workflows.value = found; }, () => {});
  look();
  follow("/api/events", ["changed"], (_, told) => {
    if (inbox.value !== null && told.inbox > inbox.value) say(`${several(told.inbox, "question")} in the inbox`);
    inbox.value = told.inbox;
    moves.value++;
    look();
  });
}

export const workflowOf = (name) => workflows.value.find((each) => each.name === name);
