// Light or dark: as the system has it, until somebody says otherwise.
import { html, signal } from "./ui.js";

const kept = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
const system = matchMedia("(prefers-color-scheme: dark)");
const dark = signal((kept() ?? (system.matches ? "dark" : "light")) === "dark");

function show() {
  document.documentElement.dataset.theme = dark.value ? "dark" : "light";
}
show();
system.addEventListener("change", () => { if (!kept()) { dark.value = system.matches; show(); } });

function turn() {
  dark.value = !dark.value;
  try { localStorage.setItem("theme", dark.value ? "dark" : "light"); } catch { /* private windows keep nothing */ }
  show();
}

export const theme = () => (dark.value ? "dark" : "light");
export const ThemeButton = () => html`
  <button type="button" class="plain" aria-pressed=${dark.value} onClick=${turn}>
    <span aria-hidden="true">${dark.value ? "☾" : "☀"}</span> Dark
  </button>`;
