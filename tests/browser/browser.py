"""The system's Chromium, driven by the Playwright that `tools/install playwright` puts there, and a page of the gallery in it."""

import shutil
import sys

from playwright.sync_api import Frame, Page, sync_playwright

# tools/install looks for the same.
BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
# Nothing but what the page asks for; and no sandbox, which root has not.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# How long anything may take on a busy machine, in milliseconds; some hundredths of it are usual.
PATIENCE = 15_000


def chromium() -> str:
    """The program, or the end with what to do."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        sys.exit("there is no Chromium in PATH: run `make tools`")
    return found


class Browser:
    """A browser nobody has used before. It is gone with the `with` it was opened in."""

    def __enter__(self) -> "Browser":
        self.playwright = sync_playwright().start()
        self.browser = self.playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        return self

    def __exit__(self, *_) -> None:
        self.browser.close()
        self.playwright.stop()

    def page(self, width: int = 1500, height: int = 1000, **options) -> Page:
        """A tab of its own, with nothing kept from others."""
        context = self.browser.new_context(
            viewport={"width": width, "height": height}, device_scale_factor=1, locale="en-GB", timezone_id="UTC", **options
        )
        context.set_default_timeout(PATIENCE)
        return context.new_page()


def show(page: Page, template: str, locale: str, occasion: str = "", variant: str | None = None) -> None:
    """Chooses a message as somebody with a mouse would, and waits until it is there."""
    selector = f'#list a[data-message="{template}"]'
    if occasion:
        selector += f'[data-occasion="{occasion}"]'
    if variant is not None:
        selector += f'[data-variant="{variant}"]'
    language = page.locator(f'#main .languages [data-locale="{locale}"]')
    # What is chosen already is not loaded once more: frames are slow.
    if not page.locator(f"{selector}[aria-current]").count():
        page.locator(selector).first.click()
        settled(page)
    if language.get_attribute("aria-pressed") != "true":
        language.click()
        settled(page)
    page.wait_for_function(
        "locale => document.querySelector('#main [data-view]')?.dataset.view === locale || locale === '*'", arg=locale
    )


def settled(page: Page) -> None:
    """Waits until what was asked for last is shown."""
    page.wait_for_selector('#main[aria-busy="false"]')


def scheme(page: Page, name: str) -> None:
    """Light or dark previews."""
    page.locator(f'input[name="scheme"][value="{name}"] + span').click()
    settled(page)


def preview(page: Page, width: int) -> Frame:
    """What is in the frame of this width, once it is there."""
    element = page.wait_for_selector(f'#main iframe[width="{width}"]', state="attached")
    frame = element.content_frame()
    frame.wait_for_load_state()
    return frame
