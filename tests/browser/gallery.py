"""Looks at a running gallery as people do, in a browser, and says what is not as it should be.

    gallery.py URL FOLDER PROCESS

URL is where the gallery is, FOLDER the copy of tests/browser/project that it shows, whose files are saved anew here, and PROCESS
its id: it is ended with Ctrl-C at the end. The test `gallery` in tests/end_to_end starts both.
"""

import contextlib
import os
import re
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

from playwright.sync_api import Page, expect

from browser import PATIENCE, Browser, preview, scheme, settled, show

URL, FOLDER, PROCESS = sys.argv[1].rstrip("/"), Path(sys.argv[2]), int(sys.argv[3])
GREETING = FOLDER / "templates" / "greeting"

MAILS = {"welcome-email", "admin-notice", "sign-in-alert", "not-me-notice", "password-warning", "win-back", "win-back-absent"}
MESSAGES = {
    ("sign-up", "verification"),
    ("resend-code", "greeting"),
    ("admin-create-user", "invitation"),
    ("forgot-password", "forgotten-password"),
    ("forgot-password", "birthday"),
    ("update-user-attribute", "attribute-change"),
    ("verify-user-attribute", "attribute-change"),
    ("authentication", "mfa"),
    ("authentication", "birthday"),
}
LANGUAGES = {"en", "de", "fr", "es", "pl", "ja", "ar"}
HARM = '<img src="/harm" onerror="alert(1)">'


def the_list_shows_every_mail_and_every_message(page: Page) -> None:
    entries = page.locator("#list a").evaluate_all("all => all.map(it => ({ ...it.dataset }))")
    mails = {it["message"] for it in entries if it["kind"] == "mail"}
    messages = {(it["occasion"], it["message"]) for it in entries if it["kind"] == "message"}
    same(mails, MAILS)
    same(messages, MESSAGES)
    # A digest is a mail of its own.
    holds(any(it["message"] == "admin-notice" and "digest" in it["variant"] for it in entries), "no digest of admin-notice")
    same(page.locator("#list [data-mark=error]").count(), 0)


def what_is_built_in_speaks_seven_languages(page: Page) -> None:
    for template in ("verification", "win-back"):
        show(page, template, "en")
        offered = page.locator("#main .languages [data-locale]").evaluate_all("all => all.map(it => it.dataset.locale)")
        same(set(offered) - {"*"}, LANGUAGES)


def a_message_shows_its_subject_and_how_long_it_may_be(page: Page) -> None:
    show(page, "greeting", "en")
    part = page.locator('#main [data-part="subject"]')
    text = "A code for Anni"
    same(part.locator(".line").inner_text(), text)
    bar = part.locator("[data-length]")
    same((bar.get_attribute("data-length"), bar.get_attribute("data-most")), (str(len(text)), "140"))
    filled = bar.evaluate("bar => { const [track, fill] = [bar.querySelector('.track'), bar.querySelector('.fill')]"
                          ".map(it => it.getBoundingClientRect().width); return fill / track; }")
    holds(abs(filled - len(text) / 140) < 0.02, f"the bar is filled to {filled:.0%}")


def a_page_is_as_wide_as_on_a_phone_and_as_on_a_desktop(page: Page) -> None:
    show(page, "verification", "en")
    for width in (375, 700):
        frame = preview(page, width)
        same(frame.evaluate("[innerWidth, document.documentElement.clientWidth]"), [width, width])
        same(frame.evaluate("document.documentElement.scrollWidth"), width)
        holds("123456" in frame.locator("body").inner_text(), "the preview does not show the code")


def light_and_dark_differ(page: Page) -> None:
    for template in ("verification", "greeting"):
        show(page, template, "en")
        grounds = {}
        for name in ("light", "dark"):
            scheme(page, name)
            grounds[name] = eventually(lambda: brightness(preview(page, 700)), lambda it: (it < 90) == (name == "dark"))
        scheme(page, "light")
        holds(grounds["light"] > 180 and grounds["dark"] < 90, f"{template}: the grounds are as bright as {grounds}")


def arabic_runs_from_right_to_left(page: Page) -> None:
    for template in ("verification", "win-back", "greeting"):
        show(page, template, "ar")
        same(preview(page, 375).evaluate("getComputedStyle(document.querySelector('p')).direction"), "rtl")
    same(page.locator("#main .bubble").evaluate("it => getComputedStyle(it).direction"), "rtl")
    show(page, "verification", "de")
    same(preview(page, 375).evaluate("getComputedStyle(document.querySelector('p')).direction"), "ltr")


def an_sms_is_counted_as_phones_are_sent_it(page: Page) -> None:
    show(page, "greeting", "en")
    sms = page.locator('#main section[data-part="sms"]')
    text = "123456 is the code for Anni."
    same(sms.locator(".bubble").inner_text(), text)
    same(counted(sms), ("1", "GSM-7", str(len(text))))
    # One letter that GSM does not have, and there is room for 70.
    longer = "Proszę nie podawać go nikomu, kto o to pyta."
    with saved(GREETING / "en.toml", lambda words: words.replace(" is the code", f" {longer} is the code")):
        expect(sms).to_have_attribute("data-segments", "2")
        same(counted(sms), ("2", "UCS-2", str(len(text) + len(longer) + 1)))
        expect(sms.locator(".count")).to_contain_text("2 segments")
        expect(sms.locator(".beyond")).to_contain_text("ę")
    expect(sms).to_have_attribute("data-segments", "1")
    show(page, "greeting", "ar")
    same(counted(sms)[:2], ("1", "UCS-2"))


def a_code_is_shown_as_an_example_or_as_the_placeholder(page: Page) -> None:
    show(page, "greeting", "en")
    page.locator('input[name="codes"][value="raw"] + span').click()
    shows(page, 700, "{####}")
    page.locator('input[name="codes"][value="example"] + span').click()
    shows(page, 700, "123456")


def a_change_of_the_user_is_shown_and_markup_in_it_is_text(page: Page) -> None:
    show(page, "greeting", "en")
    subject = page.locator('#main [data-part="subject"] .line')
    page.locator("#edit").click()
    attribute(page, "given_name").fill("Zuzana")
    shows(page, 700, "Good morning, Zuzana!")
    for width in (375, 700):
        attribute(page, "nickname").fill(HARM)
        shows(page, width, f"You are known as {HARM}.")
        same(preview(page, width).locator("img, script").count(), 0)
    expect(subject).to_have_text(f"A code for {HARM}")
    expect(page.locator("#main .bubble")).to_contain_text(HARM)
    # What looks like more than a name is none, so the next best is taken.
    attribute(page, "given_name").fill(HARM)
    shows(page, 700, "Good morning, Anna Schmidt!")
    # The rest of the page, too: what is typed ends up in labels and in the address.
    page.locator("#add").click()
    page.locator("#rows .row").last.locator(".key").fill(f'">{HARM}')
    show(page, "verification", "*")
    same(page.locator("body img").count(), 0)
    page.locator("#back").click()
    show(page, "greeting", "en")
    shows(page, 700, "Good morning, Anna!")
    expect(subject).to_have_text("A code for Anni")
    page.locator("#edit").click()
    expect(page.locator("#attributes")).to_be_hidden()


def another_sample_user_is_shown(page: Page) -> None:
    show(page, "greeting", "en")
    page.locator("#user").select_option("another script")
    shows(page, 700, "Good morning, 雪子!")
    page.locator("#user").select_option("means harm")
    settled(page)
    shows(page, 700, "Good morning")
    same(preview(page, 700).locator("script, img").count(), 0)
    page.locator("#user").select_option("somebody")
    shows(page, 700, "Good morning, Anna!")


def a_file_that_is_saved_is_shown_without_a_reload(page: Page) -> None:
    show(page, "greeting", "en")
    page.evaluate("window.stillTheSame = true")
    with saved(GREETING / "each.html", lambda html: html.replace("</body>", "<p>Freshly saved</p></body>")):
        shows(page, 700, "Freshly saved")
        shows(page, 375, "Freshly saved")
    expect(page.frame_locator('#main iframe[width="700"]').locator("body")).not_to_contain_text("Freshly saved")
    # A language that was not there before.
    (GREETING / "nl.toml").write_text(
        'subject = "Een code"\ngreeting = "Goedemorgen {{ name }}!"\nknown = "Zo heet je."\nsms = "{{ code }} is de code."\n'
    )
    page.locator('#main .languages [data-locale="nl"]').click()
    shows(page, 700, "Goedemorgen Anna!")
    (GREETING / "nl.toml").unlink()
    expect(page.locator('#main .languages [data-locale="nl"]')).to_have_count(0)
    same(page.evaluate("window.stillTheSame"), True)


def a_broken_template_is_told_beside_it_and_others_go_on(page: Page) -> None:
    show(page, "greeting", "en")
    mark = page.locator('#list a[data-message="greeting"] [data-mark=error]')
    problem = page.locator("#main [data-problem=error]")
    line = (GREETING / "each.html").read_text().splitlines().index('<p class="code">{{ code }}</p>') + 1
    with saved(GREETING / "each.html", lambda html: html.replace("{{ code }}", "{{ user.gvien_name }}")):
        expect(problem.first).to_contain_text("gvien_name")
        expect(problem.locator(".place").first).to_have_text(re.compile(rf"templates/greeting/each\.html:{line}$"))
        expect(mark).not_to_have_count(0)
        same(page.locator("#list [data-mark=error]").count(), mark.count())
        show(page, "verification", "en")
        shows(page, 700, "123456")
        expect(problem).to_have_count(0)
        show(page, "greeting", "en")
        expect(problem.first).to_contain_text("gvien_name")
    expect(problem).to_have_count(0)
    expect(mark).to_have_count(0)
    shows(page, 700, "Good morning, Anna!")


def what_is_wrong_in_one_language_is_told_in_those_that_wait_for_it(page: Page) -> None:
    show(page, "greeting", "en")
    problem = page.locator("#main [data-problem=error] .place")
    with saved(GREETING / "ar.toml", lambda words: words.replace("known =", "unknown =")):
        expect(problem.first).to_have_text(re.compile(r"templates/greeting/ar\.toml:\d+$"))
    expect(problem).to_have_count(0)


def a_broken_configuration_is_told_and_mended(page: Page) -> None:
    show(page, "greeting", "en")
    banner = page.locator("#broken")
    with saved(FOLDER / "triggers.toml", lambda toml: toml + '\n[welcome-emial]\n'):
        expect(banner).to_be_visible()
        expect(banner).to_contain_text("welcome-emial")
    expect(banner).to_be_hidden()
    expect(page.locator("#list a")).not_to_have_count(0)
    show(page, "greeting", "en")
    shows(page, 700, "Good morning, Anna!")


def the_address_leads_back_to_what_was_shown(page: Page) -> None:
    show(page, "greeting", "ar")
    address = page.url
    show(page, "win-back", "de")
    page.go_back()
    page.go_back()
    settled(page)
    expect(page.locator("#main .view")).to_have_attribute("data-view", "ar")
    page.goto("about:blank")
    page.goto(address)
    shows(page, 375, "صباح الخير")


def tab_reaches_the_list_and_the_form(page: Page) -> None:
    show(page, "greeting", "en")
    page.goto("about:blank")
    page.goto(URL)
    settled(page)
    met = []
    for _ in range(60):
        page.keyboard.press("Tab")
        met.append(page.evaluate("""() => {
            const it = document.activeElement;
            const style = getComputedStyle(it);
            return { id: it.id, name: it.name ?? '', item: it.dataset.item ?? '', locale: it.dataset.locale ?? '',
                ringed: (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0)
                    || (it.nextElementSibling !== null && getComputedStyle(it.nextElementSibling).outlineStyle !== 'none') };
        }"""))
        if met[-1]["locale"]:
            break
    same(met[0]["id"], "skip")
    for wanted in ("user", "edit"):
        holds(any(it["id"] == wanted for it in met), f"Tab does not reach #{wanted}")
    holds(any(it["name"] == "scheme" for it in met), "Tab does not reach the colour scheme")
    holds(any(it["item"] for it in met), "Tab does not reach the list")
    holds(met[-1]["locale"] != "", "Tab does not reach the languages")
    unseen = [it for it in met if not it["ringed"]]
    holds(not unseen, f"one cannot see that it has the focus: {unseen}")
    entry = page.locator('#list a[data-message="win-back"]').first
    entry.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#main [data-selected]")).to_have_attribute("data-selected", re.compile("^mail/win-back"))
    page.keyboard.press("ArrowUp")
    holds(page.evaluate("document.activeElement.dataset.item ?? ''") != "", "an arrow leaves the list")
    page.locator("#edit").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#attributes")).to_be_visible()
    page.locator('input[name="codes"]:checked').focus()
    page.keyboard.press("Tab")
    same(page.evaluate("document.activeElement.closest('#rows') !== null"), True)


def a_page_runs_nothing_and_fetches_nothing(page: Page) -> None:
    """The last to be looked at: the browser says in the console what it has kept from happening."""
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        host = f"http://127.0.0.1:{elsewhere.getsockname()[1]}"
        wanted = (f'<img src="{host}/picture.png"><link rel="stylesheet" href="{host}/style.css">'
                  f'<script>document.body.append("Run"); fetch("{host}/script")</script><img src="data:," onerror="alert(1)">'
                  f'<p style="background: url({host}/ground.png)">Harmful</p></body>')
        with saved(GREETING / "each.html", lambda html: html.replace("</body>", wanted)):
            show(page, "greeting", "en")
            for width in (375, 700):
                shows(page, width, "Harmful")
                holds("Run" not in preview(page, width).locator("body").inner_text(), "a script of the mail has run")
            expect(page.locator("#main .hint")).to_contain_text("1 picture")
        expect(page.frame_locator('#main iframe[width="700"]').locator("body")).not_to_contain_text("Harmful")
        elsewhere.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            elsewhere.accept()
            raise AssertionError("the mail reached another server")


def ctrl_c_ends_the_gallery_and_the_page_says_so(page: Page) -> None:
    live = page.locator("#live")
    expect(live).to_have_attribute("data-live", "live")
    os.kill(PROCESS, signal.SIGINT)
    expect(live).to_have_attribute("data-live", "away")
    expect(live).to_contain_text("has ended")
    # What was shown stays.
    expect(page.frame_locator('#main iframe[width="700"]').locator("body")).to_contain_text("Good morning, Anna!")


CHECKS = [
    the_list_shows_every_mail_and_every_message,
    what_is_built_in_speaks_seven_languages,
    a_message_shows_its_subject_and_how_long_it_may_be,
    a_page_is_as_wide_as_on_a_phone_and_as_on_a_desktop,
    light_and_dark_differ,
    arabic_runs_from_right_to_left,
    an_sms_is_counted_as_phones_are_sent_it,
    a_code_is_shown_as_an_example_or_as_the_placeholder,
    a_change_of_the_user_is_shown_and_markup_in_it_is_text,
    another_sample_user_is_shown,
    a_file_that_is_saved_is_shown_without_a_reload,
    a_broken_template_is_told_beside_it_and_others_go_on,
    what_is_wrong_in_one_language_is_told_in_those_that_wait_for_it,
    a_broken_configuration_is_told_and_mended,
    the_address_leads_back_to_what_was_shown,
    tab_reaches_the_list_and_the_form,
]


def main() -> int:
    failed, fresh = 0, False
    asked, complaints = [], []

    with Browser() as browser:
        page = browser.page()
        page.context.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda it: it.type == "error" and complaints.append(f"{it.text} ({it.location})"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"a dialog: {dialog.message}"), dialog.dismiss()))

        def nobody_else_is_asked(_: Page) -> None:
            holds(len(asked) > 10, "the browser tells of no requests")
            same([url for url in asked if not url.startswith((f"{URL}/", "about:", "data:"))], [])
            same([url for url in asked if "harm" in url], [])

        def the_console_stays_empty(_: Page) -> None:
            same(complaints, [])

        last = [a_page_runs_nothing_and_fetches_nothing, ctrl_c_ends_the_gallery_and_the_page_says_so]
        for check in [*CHECKS, nobody_else_is_asked, the_console_stays_empty, *last]:
            started = time.monotonic()
            try:
                if not fresh:
                    afresh(page)
                    fresh = True
                check(page)
            except Exception as error:  # noqa: BLE001 - whatever it is, the others are still to be tried
                failed, fresh = failed + 1, False
                print(f"FAILED  {told(check)}: {why(error)}", flush=True)
            else:
                print(f"ok      {told(check)} ({time.monotonic() - started:.1f} s)", flush=True)
    return 1 if failed else 0


FILES = {file: file.read_bytes() for file in FOLDER.rglob("*") if file.is_file()}


def afresh(page: Page) -> None:
    """The files as they were at first, whatever a check has left, and the page as it is when it is opened."""
    for file in {*FILES, *GREETING.iterdir()}:
        if file not in FILES:
            file.unlink()
        elif not file.exists() or file.read_bytes() != FILES[file]:
            file.write_bytes(FILES[file])
    page.goto("about:blank")
    page.goto(f"{URL}/")
    page.wait_for_selector("#list a[aria-current]")
    settled(page)


def told(check) -> str:
    return check.__name__.replace("_", " ")


def why(error: Exception) -> str:
    """What was wrong, and in which line here."""
    here = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == __file__]
    places = ", ".join(str(frame.lineno) for frame in here[1:])
    # The whole page as Playwright sees it would bury what was wrong.
    said = str(error).split("Aria snapshot:")[0].strip()
    return f"line {places}: {type(error).__name__}: {said[:1500]}"


def same(is_: object, should: object) -> None:
    holds(is_ == should, f"it is {is_!r} and should be {should!r}")


def holds(condition: bool, otherwise: str) -> None:
    if not condition:
        raise AssertionError(otherwise)


def eventually(look, fits):
    """What is seen once it fits, or at last."""
    end = time.monotonic() + PATIENCE / 1000
    while True:
        with contextlib.suppress(Exception):  # A frame that loads anew is not there for a moment.
            seen = look()
            if fits(seen) or time.monotonic() > end:
                return seen
        if time.monotonic() > end:
            return look()


def attribute(page: Page, name: str):
    """Where the sample user's attribute is edited."""
    return page.locator(f'#rows [data-attribute="{name}"] .value')


def shows(page: Page, width: int, text: str) -> None:
    expect(page.frame_locator(f'#main iframe[width="{width}"]').locator("body")).to_contain_text(text)


def counted(sms) -> tuple:
    return tuple(sms.get_attribute(f"data-{name}") for name in ("segments", "encoding", "units"))


def brightness(frame) -> float:
    """How bright the ground is on which a page stands, from 0 to 255."""
    return frame.evaluate("""() => {
        for (const it of [document.body, document.documentElement]) {
            const [red, green, blue, alpha = 1] = getComputedStyle(it).backgroundColor.match(/[\\d.]+/g).map(Number);
            if (alpha > 0) return (red + green + blue) / 3;
        }
        return matchMedia('(prefers-color-scheme: dark)').matches ? 18 : 255;
    }""")


@contextlib.contextmanager
def saved(file: Path, change):
    """Saves a file as an editor does, and as it was before at the end."""
    before = file.read_text()
    changed = change(before)
    holds(changed != before, f"{file.name} is not changed")
    file.write_text(changed)
    try:
        yield
    finally:
        file.write_text(before)


if __name__ == "__main__":
    expect.set_options(timeout=PATIENCE)
    sys.exit(main())
