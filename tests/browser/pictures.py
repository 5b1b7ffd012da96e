"""Takes the pictures of docs/pictures: the gallery, and some of what users get.

    pictures.py LOCAL FOLDER

LOCAL is the program `local`, FOLDER where the pictures go. The gallery shows a copy of tests/browser/project.
`make pictures` has all that it needs; another system has other fonts, and so other pictures.
"""

import contextlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page

from browser import Browser, preview, settled, show

LOCAL, FOLDER = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
# No picture is worth more to who clones this.
LARGEST = 150_000
# What the page says of when it has reloaded.
NOON = "2026-12-24T12:00:00Z"

# A template, its language and occasion; how wide it is shown, in which colours and to whom.
MAILS = [
    ("verification", "en", "sign-up", 700, "light", "somebody"),
    ("invitation", "de", "admin-create-user", 375, "light", "somebody"),
    ("sign-in-alert", "fr", "", 700, "dark", "somebody"),
    ("password-warning", "ja", "", 375, "dark", "another script"),
    ("win-back", "ar", "", 700, "light", "written from right to left"),
]
# Around a part of the page.
MARGIN = 20


@contextlib.contextmanager
def gallery():
    """A gallery and the folder it shows."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(Path(__file__).parent / "project", folder, dirs_exist_ok=True)
        command = [LOCAL, "gallery", "triggers.toml", "--port", "0"]
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
            try:
                line = process.stdout.readline().strip()
                if " is at " not in line:
                    sys.exit("the gallery does not start")
                yield line.split(" is at ")[1], Path(folder)
            finally:
                process.terminate()


def kept(name: str, picture: bytes) -> None:
    if len(picture) > LARGEST:
        (FOLDER / name).unlink(missing_ok=True)
        sys.exit(f"{name} has {len(picture)} bytes, and {LARGEST} are the most")
    (FOLDER / name).write_bytes(picture)
    print(f"{FOLDER / name}: {len(picture) // 1024} KB")


def opened(browser: Browser, url: str, scheme: str = "light", width: int = 1440, height: int = 860) -> Page:
    page = browser.page(width, height, color_scheme=scheme)
    page.clock.set_fixed_time(NOON)
    page.goto(f"{url}#scheme={scheme}")
    page.wait_for_selector("#list a[aria-current]")
    settled(page)
    return page


def whole(page: Page, name: str) -> None:
    """The window as it is, once the frames in it are there."""
    for width in (375, 700):
        preview(page, width)
    taken(page, name)


def taken(page: Page, name: str, **options) -> None:
    # Whoever clicked has left the mouse on what was clicked.
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement?.blur()")
    kept(name, page.screenshot(animations="disabled", **options))


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with gallery() as (url, folder), Browser() as browser:
        for scheme, name in (("light", "gallery.png"), ("dark", "gallery-dark.png")):
            page = opened(browser, url, scheme)
            show(page, "verification", "en", "sign-up", "")
            whole(page, name)

        page = opened(browser, url, width=1340, height=640)
        show(page, "win-back", "*")
        page.wait_for_load_state("networkidle")
        taken(page, "gallery-languages.png")

        for template, locale, occasion, width, scheme, user in MAILS:
            page = opened(browser, url, scheme)
            page.locator("#user").select_option(user)
            show(page, template, locale, occasion)
            source = preview(page, width).url
            page.set_viewport_size({"width": width, "height": 100})
            page.goto(source)
            parts = [template, locale, "phone" if width == 375 else "desktop", *(["dark"] if scheme == "dark" else [])]
            taken(page, f"{'-'.join(parts)}.png", full_page=True)

        page = opened(browser, url)
        show(page, "verification", "en", "sign-up", "")
        sms = page.locator('#main section[data-part="sms"]')
        sms.scroll_into_view_if_needed()
        box = sms.bounding_box()
        clip = {key: box[key] - MARGIN for key in ("x", "y")} | {key: box[key] + 2 * MARGIN for key in ("width", "height")}
        taken(page, "verification-en-sms.png", clip=clip)

        page = opened(browser, url, height=520)
        show(page, "greeting", "en", "resend-code", "")
        template = folder / "templates" / "greeting" / "each.html"
        template.write_text(template.read_text().replace("{{ code }}", "{{ cod }}"))
        page.wait_for_selector("#main [data-problem=error]")
        settled(page)
        taken(page, "gallery-problem.png")


if __name__ == "__main__":
    main()
