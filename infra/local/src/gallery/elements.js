// Elements, and how one is made like another without being made anew.

/** An element with attributes, and children that are elements or text. */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Text in which what stands between backquotes is code. */
export function prose(text) {
  return text.split("`").map((part, index) => (index % 2 === 1 ? make("code", {}, part) : part));
}

/** Exchanges what stands in an element. What had the focus has it again, if it is still there. */
export function exchangeKeepingFocus(element, exchange) {
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset : null;
  const key = ["item", "locale"].find((name) => focused?.[name] !== undefined);
  const value = key && focused[key];
  exchange();
  if (key) element.querySelector(`[data-${key}="${CSS.escape(value)}"]`)?.focus({ preventScroll: true });
}

/** Makes the children of one element like those of another, leaving frames where they are. */
export function exchange(old, fresh) {
  const [before, after] = [[...old.childNodes], [...fresh.childNodes]];
  for (let at = 0; at < Math.max(before.length, after.length); at += 1) {
    const [one, other] = [before[at], after[at]];
    if (!other) one.remove();
    else if (!one) old.append(other);
    else if (one.nodeName !== other.nodeName || one.dataset?.key !== other.dataset?.key) one.replaceWith(other);
    else if (one.nodeType === Node.TEXT_NODE) { if (one.data !== other.data) one.data = other.data; }
    else {
      for (const { name } of [...one.attributes]) if (!other.hasAttribute(name) && name !== "style") one.removeAttribute(name);
      // The policy of the page takes styles from scripts, but not as an attribute.
      for (const { name, value } of [...other.attributes]) {
        if (name !== "style" && one.getAttribute(name) !== value) one.setAttribute(name, value);
      }
      if (other.style?.cssText) one.style.cssText = other.style.cssText;
      if (one.nodeName !== "IFRAME") exchange(one, other);
    }
  }
}
