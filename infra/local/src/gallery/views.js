// What one mail or message looks like, alone and among its languages.

import { make, prose } from "./elements.js";

const PARTS = { subject: "Subject", html: "Page", text: "Text", sms: "SMS", words: "Words" };

// Names of languages, in English as everything here.
const languages = new Intl.DisplayNames(["en"], { type: "language", fallback: "code" });
export function called(locale) {
  try {
    return languages.of(locale);
  } catch {
    return locale;
  }
}

function count(problems) {
  return {
    error: problems.filter((problem) => problem.severity === "error").length,
    warning: problems.filter((problem) => problem.severity !== "error").length,
  };
}

/** A red or amber mark with a number, or nothing. */
export function mark(problems) {
  const { error, warning } = count(problems);
  if (error + warning === 0) return null;
  const worst = error > 0 ? "error" : "warning";
  const told = [error && `${error} ${error === 1 ? "error" : "errors"}`, warning && `${warning} to look at`];
  const text = told.filter(Boolean).join(", ");
  return make("span", { class: `mark ${worst}`, title: text, "data-mark": worst, "data-count": error + warning },
    make("span", { "aria-hidden": "true" }, String(error + warning)), make("span", { class: "unseen" }, text));
}

function troubles(view) {
  if (view.problems.length === 0) return null;
  return make("ul", { class: "problems", "aria-label": "Problems" }, view.problems.map((problem) =>
    make("li", {
      class: problem.severity, "data-problem": problem.severity, "data-part": problem.part, "data-locale": problem.locale ?? view.locale,
    },
    make("strong", {}, [problem.severity === "error" ? "Error" : "Worth a look", PARTS[problem.part]].filter(Boolean).join(" · ")),
    make("span", { class: "told" }, prose(problem.text)),
    problem.file && make("code", { class: "place" }, problem.line ? `${problem.file}:${problem.line}` : problem.file))));
}

/** How much of something is used up. */
function bar(length, most, unit, near = 0.9) {
  const state = length > most ? "over" : length > most * near ? "near" : "fine";
  const fill = make("span", { class: "fill" });
  fill.style.width = `${Math.min(100, (length / most) * 100).toFixed(1)}%`;
  const number = (value) => value.toLocaleString("en-GB");
  return make("p", { class: `bar ${state}`, "data-length": length, "data-most": most },
    make("span", { class: "track", "aria-hidden": "true" }, fill),
    make("span", { class: "numbers" }, `${number(length)} / ${number(most)} ${unit}`));
}

function frame(view, scheme, width, title) {
  return make("iframe", {
    src: `/preview/${view.html.preview}?scheme=${scheme}`,
    sandbox: "", width, title, "data-key": `${view.locale} ${width}`, loading: "lazy", referrerpolicy: "no-referrer",
  });
}

function subject(view, kind) {
  if (!view.subject) return null;
  const { text, length, most } = view.subject;
  return make("section", { class: "subject", "data-part": "subject" },
    make("h3", {}, "Subject"),
    make("p", { class: "line", dir: "auto", lang: view.locale }, text),
    bar(length, most, kind === "mail" ? "characters that are seen" : "characters", kind === "mail" ? 1 : 0.9));
}

function bubble(view) {
  const { text, length, most, count: told } = view.sms;
  const segments = `${told.segments} ${told.segments === 1 ? "segment" : "segments"}`;
  return make("section", {
    class: "sms", "data-part": "sms", "data-segments": told.segments, "data-encoding": told.encoding, "data-units": told.units,
  },
  make("h3", {}, "SMS"),
  make("div", { class: "phone" }, make("p", { class: "bubble", dir: "auto", lang: view.locale }, text)),
  bar(length, most, "characters"),
  make("p", { class: told.segments > 1 ? "count several" : "count" },
    make("strong", {}, segments), ` in ${told.encoding}, ${told.units} / ${told.room} units`,
    told.beyond && make("span", { class: "beyond" }, " because of ", make("bdi", {}, told.beyond))));
}

/** Alone. */
export function single(view, { kind, scheme }) {
  const html = view.html;
  return make("article", { class: "view", "data-view": view.locale, "data-locale": view.locale, "data-key": view.locale },
    make("div", { "data-key": "problems" }, troubles(view)),
    make("div", { "data-key": "subject" }, subject(view, kind)),
    make("div", { "data-key": `page ${Boolean(html)}` }, html && make("section", { class: "page", "data-part": "html" },
      make("div", { class: "stage" },
        make("figure", { class: "small" }, make("figcaption", {}, "Phone, 375 px"), make("div", { class: "device" }, frame(view, scheme, 375, "The page on a phone"))),
        make("figure", {}, make("figcaption", {}, "Desktop, 700 px"), make("div", { class: "device" }, frame(view, scheme, 700, "The page on a desktop")))),
      make("div", { class: "sizes" },
        bar(html.length, html.most, html.unit === "bytes" ? "bytes of page before Gmail clips it" : "characters of page", html.unit === "bytes" ? 90 / 102 : 0.9),
        view.size && make("p", { class: "whole" }, `${view.size.toLocaleString("en-GB")} bytes in all`)),
      html.pictures > 0 && make("p", { class: "hint" }, `${html.pictures} ${html.pictures === 1 ? "picture is" : "pictures are"} fetched from elsewhere, which the gallery does not do.`))),
    make("div", { class: "below", "data-key": "below" },
      view.sms && bubble(view),
      view.text && make("section", { class: "text", "data-part": "text" }, make("h3", {}, "Text"), make("pre", { dir: "auto", lang: view.locale, tabindex: "0" }, view.text)),
      view.headers.length > 0 && make("section", { class: "headers", "data-part": "headers" }, make("h3", {}, "Headers"),
        make("dl", {}, view.headers.map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]).flat()))));
}

/** Among its languages. `open` shows it alone, which is at the address `href`. */
export function card(view, { scheme, href, open }) {
  return make("article", { class: "card", "data-view": view.locale, "data-locale": view.locale, "data-key": view.locale },
    make("h3", {}, make("a", {
      href: href(view.locale),
      onclick: (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        open(view.locale);
      },
    }, called(view.locale), make("span", { class: "code" }, view.locale)), mark(view.problems)),
    make("div", { "data-key": "problems" }, troubles(view)),
    view.subject && make("p", { class: "line", dir: "auto", lang: view.locale, "data-part": "subject" }, view.subject.text),
    view.html && make("div", { class: "shrunk", "data-part": "html" }, frame(view, scheme, 375, `The page in ${called(view.locale)}`)),
    view.sms && make("div", { class: "phone", "data-part": "sms", "data-segments": view.sms.count.segments, "data-encoding": view.sms.count.encoding },
      make("p", { class: "bubble", dir: "auto", lang: view.locale }, view.sms.text)),
    make("p", { class: "facts" }, [
      view.subject && `subject ${view.subject.length} / ${view.subject.most}`,
      view.html && `page ${view.html.length.toLocaleString("en-GB")} ${view.html.unit}`,
      view.sms && `SMS ${view.sms.length} / ${view.sms.most}, ${view.sms.count.segments} × ${view.sms.count.encoding}`,
    ].filter(Boolean).join(" · ")));
}
