// Figures and statuses in words: the same on every view.

export const SIGNS = {
  queued: "◌", running: "▶", waiting: "❚❚", succeeded: "✔", failed: "✖", cancelled: "⊘", interrupted: "↯",
  finished: "✔", done: "✔", looping: "↻", withdrawn: "⊘", asked: "❚❚", answered: "✔", open: "❚❚", "not reached": "○",
};
export const STATUSES = ["running", "waiting", "queued", "failed", "succeeded", "cancelled"];

const WHY = { person: "waiting for a person", signal: "waiting for a signal", time: "waiting for its time" };

/** A run's status as one looks at it: [the word for its colour, the words people read]. */
export function status(run) {
  if (run.interrupted || run.reason === "interrupted") return ["interrupted", "interrupted"];
  if (run.status === "waiting") return ["waiting", WHY[run.reason] ?? "waiting"];
  return [run.status, run.status === "queued" && run.reason ? `queued · ${run.reason}` : run.status];
}

const round = (value, digits) => value.toFixed(digits).replace(/\.0+$/, "");

/** 34 ms, 4.5 s, 6 m 41 s, 2 h 5 m, 3 d 4 h. */
export function duration(seconds) {
  if (seconds == null) return "";
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${round(seconds, 1)} s`;
  const parts = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
  const whole = Math.round(seconds);
  const first = parts.findIndex(([, size]) => whole >= size);
  const [big, small] = [parts[first], parts[first + 1]];
  const rest = Math.floor((whole % big[1]) / small[1]);
  return `${Math.floor(whole / big[1])} ${big[0]}` + (rest ? ` ${rest} ${small[0]}` : "");
}

export const cost = (dollars) => (dollars ? `$${dollars.toFixed(dollars < 0.01 ? 4 : 2)}` : "");
export const tokens = (count) => !count ? "" : count < 1000 ? `${count} tokens` : `${round(count / 1000, 1)}k tokens`;
export const several = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

export function used(usage) {
  if (!usage) return [];
  return [tokens((usage.input_tokens ?? 0) + (usage.output_tokens ?? 0)), cost(usage.cost)].filter(Boolean);
}

const seconds = (moment) => (Date.parse(moment) - Date.now()) / 1000;
/** "3 m 2 s ago", "in 58 m": how a moment lies to now. */
export function since(moment) {
  if (!moment) return "";
  const away = seconds(moment);
  if (Math.abs(away) < 1) return "now";
  const words = duration(Math.abs(away) < 60 ? Math.round(Math.abs(away)) : Math.abs(away));
  return away < 0 ? `${words} ago` : `in ${words}`;
}
export const clock = (moment) => (moment ? new Date(moment).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" }) : "");

/** snake_case and camelCase as people write: "max_tokens" is "Max tokens". */
export function spoken(name) {
  const words = String(name).replace(/([a-z])([A-Z])/g, "$1 $2").replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
