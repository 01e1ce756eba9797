// Where the page is: the location's fragment as a path and a query. Links are plain links.
import { signal } from "./ui.js";

const read = () => {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { path: path.split("/").filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(query) };
};

export const place = signal(read());
addEventListener("hashchange", () => { place.value = read(); });

export const link = (...parts) => "#/" + parts.map((part) => encodeURIComponent(part)).join("/");

export function go(address, { replace = false } = {}) {
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  place.value = read();
}

/** The same place with other words in its query; empty ones are left out. */
export function asking(changes) {
  const query = new URLSearchParams(place.value.query);
  for (const [name, value] of Object.entries(changes)) value ? query.set(name, value) : query.delete(name);
  const text = query.toString();
  return link(...place.value.path) + (text ? "?" + text : "");
}
