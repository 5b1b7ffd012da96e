// The gallery's page: what is chosen stands in the address, what is shown comes from the server.

import { exchange, exchangeKeepingFocus, make, prose } from "./elements.js";
import { called, card, mark, single } from "./views.js";

const OCCASIONS = {
  "sign-up": "Sign-up",
  "resend-code": "Code once more",
  "admin-create-user": "Invitation",
  "forgot-password": "Forgotten password",
  "update-user-attribute": "Changed address",
  "verify-user-attribute": "Address to confirm",
  "authentication": "Second factor",
};
const TYPING = 200;
const AGAIN = 1000;

const byId = (id) => document.getElementById(id);

/** What is chosen. `own` are the attributes if they were edited. */
const chosen = { message: "", locale: "", user: "", own: null, scheme: "light", codes: "example" };
/** What the server has: see `/api/list`. */
let there = null;
let page = null;

function readAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  chosen.message = parts.get("message") ?? "";
  chosen.locale = parts.get("locale") ?? "";
  chosen.user = parts.get("user") ?? "";
  chosen.scheme = parts.get("scheme") === "dark" ? "dark" : "light";
  chosen.codes = parts.get("codes") === "raw" ? "raw" : "example";
  chosen.own = null;
  try {
    const own = JSON.parse(parts.get("attributes") ?? "null");
    if (own !== null && typeof own === "object" && !Array.isArray(own)) {
      chosen.own = Object.fromEntries(Object.entries(own).map(([name, value]) => [name, String(value)]));
    }
  } catch {
    // Somebody shortened the link.
  }
}

function address(change = {}) {
  const now = { ...chosen, ...change };
  const parts = new URLSearchParams();
  if (now.message) parts.set("message", now.message);
  if (now.locale) parts.set("locale", now.locale);
  if (now.user && now.user !== there?.users[0]?.about) parts.set("user", now.user);
  if (now.own) parts.set("attributes", JSON.stringify(now.own));
  if (now.scheme !== "light") parts.set("scheme", now.scheme);
  if (now.codes !== "example") parts.set("codes", now.codes);
  return `#${parts}`;
}

/** Changes what is chosen. What is another message gets an entry of its own in the history. */
function choose(change, { anew = false } = {}) {
  Object.assign(chosen, change);
  const url = address();
  if (url === location.hash) return;
  if (anew) history.pushState(null, "", url);
  else history.replaceState(null, "", url);
}

const sample = () => there.users.find((user) => user.about === chosen.user) ?? there.users[0];
const attributes = () => chosen.own ?? sample().attributes;
const item = () => there.items.find((known) => known.id === chosen.message);

/** Which language of an item is shown: `*` stands for all. */
function shownLocale(known) {
  if (chosen.locale === "*" || known.languages.includes(chosen.locale)) return chosen.locale;
  if (known.languages.length === 0) return chosen.locale || "en";
  const near = known.languages.find((locale) => locale.split("-")[0] === chosen.locale.split("-")[0]);
  return near ?? (known.languages.includes("en") ? "en" : known.languages[0]);
}

function titleOf(known) {
  if (known.occasion) return OCCASIONS[known.occasion] ?? known.occasion;
  // What is one word in English stays one.
  const compounds = /\b(sign|log|win|not) (in|up|out|back|me)\b/g;
  const words = known.template.replaceAll(/[-_]+/g, " ").replaceAll(compounds, "$1-$2");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

// The list.

function drawList() {
  const link = (known, name, about) => make("a", {
    href: address({ message: known.id }),
    "aria-current": known.id === chosen.message ? "page" : null,
    "data-item": known.id,
    "data-kind": known.kind,
    "data-message": known.template,
    "data-occasion": known.occasion,
    "data-variant": known.variant,
    onclick: (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      choose({ message: known.id }, { anew: true });
      drawList();
      byId("list").querySelector("[aria-current]")?.focus();
      draw();
    },
  },
  make("span", { class: "entry" }, name && make("span", { class: "name" }, name), make("span", { class: "about" }, about)),
  mark(known.problems));
  const about = (known, isMessage) =>
    [isMessage && known.template, known.variant !== known.template && known.variant, known.pools.join(", ")].filter(Boolean).join(" · ");
  const entry = (found) => {
    const [one] = found;
    const isMessage = one.kind === "message";
    if (found.length === 1) return make("li", {}, link(one, titleOf(one), about(one, isMessage)));
    return make("li", {},
      make("p", { class: "name of-several" }, titleOf(one)),
      make("ul", { class: "several" }, found.map((known) =>
        make("li", {}, link(known, null, about(known, isMessage) || "otherwise")))));
  };
  const group = (title, kind) => {
    const found = there.items.filter((known) => known.kind === kind);
    const titles = new Map();
    for (const known of inOrder(found)) titles.set(titleOf(known), [...(titles.get(titleOf(known)) ?? []), known]);
    return found.length > 0 && [make("h2", {}, title, make("span", { class: "number" }, String(found.length))),
      make("ul", { "data-group": kind }, [...titles.values()].map(entry))];
  };
  const scrolled = byId("list").scrollTop;
  const groups = [group("Messages of Cognito", "message"), group("Mails", "mail")].filter(Boolean);
  if (groups.length === 0) groups.push(make("p", { class: "empty" }, there.problems.length > 0
    ? "Nothing can be shown until the configuration is mended."
    : "No rule sends a mail or words a message."));
  exchangeKeepingFocus(byId("list"), () => byId("list").replaceChildren(...groups.flat()));
  byId("list").scrollTop = scrolled;
}

/** Messages in the order in which a user meets them, the usual ones before their variants. */
function inOrder(found) {
  const occasions = Object.keys(OCCASIONS);
  const place = (known) => occasions.indexOf(known.occasion) * 2 + (known.occasion && known.variant ? 1 : 0);
  return found.toSorted((one, other) => place(one) - place(other));
}

function moveInList(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const entries = [...byId("list").querySelectorAll("a")];
  const next = entries[entries.indexOf(document.activeElement) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

// The user.

function drawUser() {
  const users = there.users.map((user) =>
    make("option", { value: user.about, selected: user.about === sample().about }, user.about));
  byId("user").replaceChildren(...users);
  byId("user").value = sample().about;
  byId("edited").textContent = chosen.own ? "edited" : "";
  byId("back").disabled = !chosen.own;
  byId("edit").classList.toggle("changed", Boolean(chosen.own));
}

/** What an input cannot hold, such as line breaks, stays as it is until somebody types there. */
const untouched = new WeakMap();

function drawRows() {
  const row = (name, value) => {
    const line = make("div", { class: "row", "data-attribute": name },
      make("input", { class: "key", value: name, "aria-label": "Name of the attribute", spellcheck: "false", placeholder: "custom:plan", maxlength: "60" }),
      make("input", { class: "value", value, dir: "auto", "aria-label": `Value of ${name || "the attribute"}`, spellcheck: "false", maxlength: "2048" }),
      make("button", {
        type: "button", class: "remove", "aria-label": `Remove ${name || "the attribute"}`,
        onclick: () => {
          const next = line.nextElementSibling ?? line.previousElementSibling;
          line.remove();
          (next?.querySelector("input") ?? byId("add")).focus();
          edited();
        },
      }, "×"));
    untouched.set(line.querySelector(".value"), value);
    return line;
  };
  byId("rows").replaceChildren(...Object.entries(attributes()).map(([name, value]) => row(name, String(value))));
  byId("add").onclick = () => {
    const line = row("", "");
    byId("rows").append(line);
    line.querySelector("input").focus();
  };
}

/** Takes over what stands in the form. */
function edited() {
  const own = {};
  for (const line of byId("rows").children) {
    const [name, value] = line.querySelectorAll("input");
    line.dataset.attribute = name.value;
    if (name.value.trim()) own[name.value.trim()] = untouched.get(value) ?? value.value;
  }
  choose({ own });
  drawUser();
  drawList();
  later();
}

// The message.

let waiting = 0;
let asked = null;

function later() {
  clearTimeout(waiting);
  waiting = setTimeout(draw, TYPING);
}

async function draw() {
  clearTimeout(waiting);
  asked?.abort();
  const known = item();
  const main = byId("main");
  if (!known) {
    main.replaceChildren();
    delete main.dataset.shown;
    main.setAttribute("aria-busy", "false");
    return;
  }
  document.title = `${titleOf(known)} – Gallery`;
  const locale = shownLocale(known);
  const asking = (asked = new AbortController());
  main.setAttribute("aria-busy", "true");
  let made;
  try {
    const answer = await fetch("/api/render", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        message: known.id,
        locale: locale === "*" ? null : locale,
        user: attributes(),
        examples: chosen.codes === "example",
      }),
      signal: asking.signal,
    });
    if (!answer.ok) throw new Error(await answer.text());
    made = await answer.json();
  } catch (error) {
    if (asking.signal.aborted) return;
    main.setAttribute("aria-busy", "false");
    if (error instanceof TypeError) return; // The server is away, which is said elsewhere.
    main.replaceChildren(make("p", { class: "banner wrong", role: "alert" }, error.message));
    delete main.dataset.shown;
    return;
  }
  const holder = make("div", { class: locale === "*" ? "views all" : "views" });
  const told = { kind: known.kind, scheme: chosen.scheme, href: (locale) => address({ locale }), open: show };
  holder.append(...made.views.map((view) => (locale === "*" ? card(view, told) : single(view, told))));
  const shown = `${known.id} ${locale}`;
  const old = main.dataset.shown === shown ? main.querySelector(".views") : null;
  if (old) {
    // Frames that are moved load again. So they stay where they are, and what is around them is made like the new.
    exchangeKeepingFocus(main, () => main.querySelector(".heading").replaceWith(heading(known, locale)));
    exchange(old, holder);
  } else {
    exchangeKeepingFocus(main, () => main.replaceChildren(heading(known, locale), holder));
    main.scrollTop = 0;
  }
  main.dataset.shown = shown;
  main.dataset.scheme = chosen.scheme;
  main.dataset.version = made.version;
  main.setAttribute("aria-busy", "false");
}

/** Shows a language, or all of them. */
function show(locale) {
  choose({ locale }, { anew: true });
  drawList();
  draw();
}

function heading(known, locale) {
  const kind = known.kind === "mail" ? "Mail" : `Message · ${known.occasion}`;
  const where = known.folder ? make("code", {}, known.folder) : "built in";
  const pick = (value, text, title, problems) => make("button", {
    type: "button", "aria-pressed": String(value === locale), title, "data-locale": value,
    lang: "en",
    onclick: () => show(value),
  }, text, mark(problems));
  const of = (value) => known.problems.filter((problem) => problem.locale === value);
  const offered = known.languages.includes(locale) || locale === "*" ? known.languages : [...known.languages, locale];
  const languages = make("div", { class: "languages", role: "group", "aria-label": "Language" },
    pick("*", "All languages", "Side by side", []),
    offered.map((value) => pick(value, value, called(value), of(value))));
  return make("header", { class: "heading", "data-selected": known.id },
    make("p", { class: "eyebrow" }, `${kind} · ${known.rule}`),
    make("h2", {}, titleOf(known), known.variant && make("span", { class: "variant" }, known.variant)),
    make("p", { class: "where" }, "Template ", make("code", {}, known.template), ", ", where,
      known.pools.length > 0 ? `, of ${known.pools.join(", ")}` : null),
    languages);
}

// The server.

function say(state, text) {
  byId("live").dataset.live = state;
  byId("live").textContent = text;
}

async function load() {
  const answer = await fetch("/api/list");
  if (!answer.ok) throw new Error(await answer.text());
  there = await answer.json();
  if (page !== null && page !== there.page) return location.reload();
  page = there.page;
  byId("configuration").textContent = there.configuration;
  byId("built-in").hidden = !there.builtIn;
  const broken = byId("broken");
  broken.hidden = there.problems.length === 0;
  broken.replaceChildren(...there.problems.map((problem) => make("p", {}, prose(problem))));
  if (!item() && there.items.length > 0) choose({ message: first().id });
  drawUser();
  drawList();
  await draw();
}

/** What is shown to begin with: the first of the list. */
function first() {
  return inOrder(there.items.filter((known) => known.kind === "message"))[0] ?? there.items[0];
}

function listen() {
  const events = new EventSource("/api/events");
  let wasAway = byId("live").dataset.live === "away";
  events.addEventListener("version", async ({ data }) => {
    const [version, pageThere] = data.split(" ");
    if (page !== null && pageThere && pageThere !== page) return location.reload();
    if (there === null || (version && version !== there.version)) {
      const isFirst = there === null;
      if (isFirst) say("waiting", "reading the templates");
      try {
        await load();
      } catch (error) {
        return say("away", `The list cannot be had: ${error.message}`);
      }
      say("live", isFirst ? "live" : `reloaded ${new Date().toLocaleTimeString("en-GB")}`);
    } else if (wasAway || byId("live").dataset.live === "waiting") {
      say("live", wasAway ? `back at ${new Date().toLocaleTimeString("en-GB")}` : "live");
    }
    wasAway = false;
  });
  events.addEventListener("error", () => {
    // Browsers differ in how long they go on trying, so this is done here.
    events.close();
    say("away", "The gallery has ended. Start it again, and this page goes on.");
    setTimeout(listen, AGAIN);
  });
}

function takeOver() {
  readAddress();
  for (const name of ["scheme", "codes"]) {
    const input = document.querySelector(`input[name="${name}"][value="${chosen[name]}"]`);
    if (input) input.checked = true;
  }
}

for (const input of document.querySelectorAll(".choice input")) {
  input.addEventListener("change", () => {
    choose({ [input.name]: input.value });
    drawList();
    draw();
  });
}
byId("user").addEventListener("change", () => {
  choose({ user: byId("user").value, own: null });
  drawUser();
  drawRows();
  drawList();
  draw();
});
byId("edit").addEventListener("click", () => {
  const form = byId("attributes");
  form.hidden = !form.hidden;
  byId("edit").setAttribute("aria-expanded", String(!form.hidden));
  if (!form.hidden) drawRows();
});
byId("back").addEventListener("click", () => {
  choose({ own: null });
  drawUser();
  drawRows();
  drawList();
  draw();
});
byId("rows").addEventListener("input", ({ target }) => {
  untouched.delete(target);
  edited();
});
byId("list").addEventListener("keydown", moveInList);
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
addEventListener("popstate", () => {
  takeOver();
  if (there === null) return;
  drawUser();
  if (!byId("attributes").hidden) drawRows();
  drawList();
  draw();
});

takeOver();
listen();
