"""Works on the hub as two people do, in a headless Chromium.

    browse_hub.py ADDRESS PASSWORD_FILE CHOICES NOTEBOOK WORDS SCREENSHOTS KERNEL...

ann logs in and finds CHOICES, separated by commas, on the spawn page, the first of them chosen. The
second does not start, and a page shows WORDS, the end of its output. She takes the last and finds
the kernels named in the launcher; NOTEBOOK in her home is opened and all its cells are run. bob may
not enter her server. The picture of the README, docs/hub.png, is the spawn page,
target/tmp/hub/spawn.png.
"""

import sys
from pathlib import Path

from browse_lab import LIMIT, kernels, run_all_cells, save
from browser import start, told
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as until
from selenium.webdriver.support.wait import WebDriverWait

# Width and height of the README's picture, with the window's borders.
PICTURE = (1000, 700)


def log_in(browser, address, user, password):
    browser.get(f"{address}hub/login")
    for field, text in (("username_input", user), ("password_input", password)):
        found = (By.ID, field)
        WebDriverWait(browser, LIMIT).until(until.visibility_of_element_located(found))
        browser.find_element(*found).send_keys(text)
    browser.find_element(By.ID, "login_submit").click()
    WebDriverWait(browser, LIMIT).until(lambda it: "/login" not in it.current_url)


def choices_of(browser, address):
    """Opens the spawn page, and returns the boxes of all choices."""
    browser.get(f"{address}hub/spawn")
    boxes = (By.CSS_SELECTOR, "input[name=choice]")
    WebDriverWait(browser, LIMIT).until(until.presence_of_element_located(boxes))
    return browser.find_elements(*boxes)


def spawn(browser, box):
    box.click()
    browser.find_element(By.CSS_SELECTOR, "#spawn_form [type=submit]").click()


def spawn_last(browser, address, folder):
    """Starts the last server of the spawn page, and returns all, the chosen one marked."""
    found = choices_of(browser, address)
    size = browser.get_window_size()
    browser.set_window_size(*PICTURE)
    browser.save_screenshot(str(folder / "spawn.png"))
    browser.set_window_size(size["width"], size["height"])
    res = [it.get_attribute("value") + "*" * it.is_selected() for it in found]
    spawn(browser, found[-1])
    WebDriverWait(browser, LIMIT).until(lambda it: "/user/ann/" in it.current_url)
    return res


def look(browser, address, password, choices, notebook, words, folder, expected):
    browser.get(f"{address}hub/login")
    browser.save_screenshot(str(folder / "login.png"))
    log_in(browser, address, "ann", password)
    spawn(browser, choices_of(browser, address)[1])
    WebDriverWait(browser, LIMIT).until(lambda it: words in it.page_source, "no reason is shown")
    browser.save_screenshot(str(folder / "failed.png"))
    offered = spawn_last(browser, address, folder)
    first, *others = choices.split(",")
    if offered != [f"{first}*", *others]:
        yield f"the spawn page offers {offered}, and not {choices}"
    found = kernels(browser)
    browser.save_screenshot(str(folder / "launcher.png"))
    if found != sorted(expected):
        yield f"the launcher offers {found}, and not {expected}"
    browser.get(f"{address}user/ann/lab/tree/{notebook}")
    try:
        run_all_cells(browser, expected[0])
        save(browser)
    finally:
        browser.save_screenshot(str(folder / "notebook.png"))
    # Those of all paths.
    browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
    log_in(browser, address, "bob", password)
    browser.get(f"{address}user/ann/api/kernels")
    refused = "bob is not refused"
    WebDriverWait(browser, LIMIT).until(lambda it: "Forbidden" in it.page_source, refused)


def main(address, password, choices, notebook, words, folder, *expected):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    browser = start("window-size=1280,2400")
    password = Path(password).read_text()
    return told(
        browser, lambda it: look(it, address, password, choices, notebook, words, folder, expected)
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
