// The JSON API as the page speaks it: one function to ask, one to follow. What it refuses becomes a Problem.
import { signal } from "./ui.js";

/** Who looks: {name, role, groups}, null before the server said so, false where it does not know us. */
export const me = signal(null);
/** Whether the server can be reached. */
export const reached = signal(true);

const RANK = { viewer: 0, answerer: 1, operator: 2 };
export const may = (role) => Boolean(me.value) && (RANK[me.value.role] ?? 0) >= RANK[role];

export class Problem extends Error {
  constructor(status, body) {
    super(body.title || "the server refused this");
    this.status = status;
    this.detail = body.detail ?? "";
    this.errors = body.errors ?? [];
  }
}

/** Ask the server; the answer's JSON. Raises Problem with what is wrong and its cure. */
export async function call(method, path, body) {
  const asked = { method, credentials: "same-origin", headers: { accept: "application/json" } };
  if (body !== undefined || method !== "GET") {
    asked.headers["content-type"] = "application/json";
    asked.body = JSON.stringify(body ?? {});
  }
  let answer;
  try {
    answer = await fetch(path, asked);
  } catch {
    reached.value = false;
    throw new Problem(0, { title: "the server cannot be reached", detail: "is workflow serve still running?" });
  }
  reached.value = true;
  if (answer.ok) return answer.headers.get("content-type")?.includes("json") ? answer.json() : answer.text();
  if (answer.status === 401 && path !== "/api/session") me.value = false;
  const told = await answer.json().catch(() => ({}));
  throw new Problem(answer.status, { title: answer.statusText, ...told });
}

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body);
export const at = (...parts) => "/api/" + parts.map(encodeURIComponent).join("/");

/** Let the server know who we are: by the token of the address, which is taken out of it, or by the cookie. */
export async function enter() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) {
    history.replaceState(null, "", location.pathname + location.search + "#/runs");
    await post("/api/session", { token }).catch(() => null);
  }
  me.value = await get("/api/session").catch(() => false);
}

/**
 * Follow a stream of events until the returned function is called. The browser asks again from the last number it saw;
 * where it gives up, because the server was away or spoke something else, this begins anew.
 */
export function follow(path, kinds, told) {
  let source, timer, wait = 500, last = "", over = false;
  const open = () => {
    source = new EventSource(path + (last ? (path.includes("?") ? "&" : "?") + "after=" + encodeURIComponent(last) : ""));
    source.onopen = () => { wait = 500; reached.value = true; };
    source.onerror = () => {
      if (over || source.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(open, (wait = Math.min(wait * 2, 15000)));
    };
    for (const kind of kinds) {
      source.addEventListener(kind, (event) => {
        if (event.lastEventId) last = event.lastEventId;
        if (kind === "rest") stop();
        told(kind, event.data ? JSON.parse(event.data) : {});
      });
    }
  };
  const stop = () => { over = true; clearTimeout(timer); source?.close(); };
  open();
  return stop;
}
