// The chat: each message is a run, and its stream tells what becomes of it. Texts are set as texts, never as markup.
const KINDS = ["run_started", "text_delta", "text_dropped", "tool_started", "tool_completed", "question", "question_closed", "run_completed", "error"];
const $ = (id) => document.getElementById(id);
const name = () => crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint32Array(4)), (each) => each.toString(36)).join("");
let session = sessionStorage.getItem("chat") ?? name();
sessionStorage.setItem("chat", session);

function made(kind, className, text) {
  const element = document.createElement(kind);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

async function ask(method, path, body) {
  const options = { method, credentials: "same-origin", headers: { accept: "application/json" } };
  if (body) { options.headers["content-type"] = "application/json"; options.body = JSON.stringify(body); }
  const answer = await fetch(path, options);
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error([told.title ?? answer.statusText, told.detail].filter(Boolean).join(": ")), { status: answer.status });
  return told;
}

const tell = (text) => { $("state").textContent = text; };
const down = () => { $("talk").scrollTop = $("talk").scrollHeight; };

async function enter() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) {
    history.replaceState(null, "", location.pathname);
    await ask("POST", "/api/session", { token }).catch(() => null);
  }
  const chats = (await ask("GET", "/api/workflows")).filter((each) => each.chat);
  for (const each of chats) $("to").append(new Option(each.title ? `${each.name}: ${each.title}` : each.name, each.name));
  const usable = chats.length > 0;
  $("send").disabled = $("words").disabled = !usable;
  tell(usable ? "Enter sends, Shift+Enter begins a new line." : "No workflow that is served is a chat: declare chat=Chat(\"question\", reply=\"answer\").");
  if (usable) $("words").focus();
}

function said(words) {
  const mine = made("li", "mine");
  mine.append(made("p", "words", words));
  const theirs = made("li", "coming");
  const text = made("p", "words", "");
  theirs.append(text);
  $("talk").append(mine, theirs);
  down();
  return { theirs, text };
}

function say(words) {
  const { theirs, text } = said(words);
  const calls = new Map(), questions = new Map();
  // The message's name makes sending it again, by whomever, the same run; the browser says where it left off.
  const query = new URLSearchParams({ query: words, workflow: $("to").value, session, message: name() });
  const source = new EventSource(`/api/chat/sse?${query}`);
  const over = (words) => {
    source.close();
    theirs.classList.remove("coming");
    $("send").disabled = false;
    tell(words);
    down();
  };
  const goesOn = () => tell([...questions.values()].some((each) => each.isConnected) ? "Waiting for a person." : "Working…");
  const heard = {
    run_started: ({ run }) => {
      goesOn();
      if (theirs.querySelector(".of")) return;
      const link = made("a", "", "its run");
      link.href = `./#/runs/${encodeURIComponent(run)}`;
      const of = made("p", "of");
      of.append(link);
      theirs.append(of);
    },
    text_delta: (data) => { text.textContent += data.text; },
    text_dropped: () => { text.textContent = ""; },
    tool_started: (data) => {
      if (calls.has(data.call)) return;
      const uses = made("p", "uses", "↻ uses ");
      uses.append(made("code", "", `${data.tool} ${data.arguments}`));
      calls.set(data.call, uses);
      theirs.insertBefore(uses, text);
    },
    tool_completed: (data) => {
      const uses = calls.get(data.call);
      if (uses) uses.firstChild.textContent = data.error === undefined ? "✔ used " : "✖ could not use ";
    },
    question: (data) => {
      if (questions.has(data.question)) return;
      const asks = made("p", "asks", `‖ A person is asked: ${data.title || data.message} `);
      const link = made("a", "", "answer");
      link.href = "." + data.link;
      asks.append(link);
      questions.set(data.question, asks);
      theirs.insertBefore(asks, text);
      tell("Waiting for a person.");
    },
    question_closed: (data) => { questions.get(data.question)?.remove(); goesOn(); },
    run_completed: (data) => { text.textContent = data.reply; over(""); },
    error: (data) => { text.textContent = data.message; theirs.classList.add("broken"); over(`The run ${data.status}.`); },
  };
  for (const kind of KINDS) {
    source.addEventListener(kind, (event) => {
      if (event.data === undefined) return; // the browser's own "error": the connection broke, and it comes back by itself
      heard[kind](JSON.parse(event.data));
      down();
    });
  }
  source.addEventListener("error", (event) => {
    if (event.data !== undefined) return;
    if (source.readyState !== EventSource.CLOSED) { tell("The connection broke; trying again…"); return; }
    theirs.classList.add("broken");
    // A refused stream tells nothing of itself to a script: asking once more, by another way, says why.
    ask("GET", "/api/session").then(() => { text.textContent = "The server refused this message."; over("Is it too long, or sent too often?"); },
      (problem) => { text.textContent = problem.message; over(""); });
  });
}

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const words = $("words").value.trim();
  if (!words || $("send").disabled) return;
  $("words").value = "";
  $("send").disabled = true;
  say(words);
});
$("words").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); $("say").requestSubmit(); }
});
$("anew").addEventListener("click", () => {
  session = name();
  sessionStorage.setItem("chat", session);
  $("talk").replaceChildren();
  $("words").focus();
});

enter().catch((problem) => { tell(problem.status === 401 ? "Nobody knows you here: open the address that workflow serve printed, with /chat before its #." : problem.message); });
