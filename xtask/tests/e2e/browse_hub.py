"""Works on the hub as two people do, in a headless Chromium.

    browse_hub.py ADDRESS PASSWORD_FILE MISSION NOTEBOOK SCREENSHOTS KERNEL...

ann logs in, chooses MISSION on the spawn page and finds the kernels named in the launcher; NOTEBOOK
in her home is opened and all its cells are run. bob may not enter her server.
"""

import sys
from pathlib import Path

from browse_lab import LIMIT, kernels, run_all_cells, save
from browser import start, told
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as until
from selenium.webdriver.support.wait import WebDriverWait


def log_in(browser, address, user, password):
    browser.get(f"{address}hub/login")
    for field, text in (("username_input", user), ("password_input", password)):
        found = (By.ID, field)
        WebDriverWait(browser, LIMIT).until(until.visibility_of_element_located(found))
        browser.find_element(*found).send_keys(text)
    browser.find_element(By.ID, "login_submit").click()
    WebDriverWait(browser, LIMIT).until(lambda it: "/login" not in it.current_url)


def spawn(browser, address, mission, folder):
    browser.get(f"{address}hub/spawn")
    choice = (By.CSS_SELECTOR, f"input[name=choice][value='{mission}']")
    WebDriverWait(browser, LIMIT).until(until.presence_of_element_located(choice))
    browser.save_screenshot(str(folder / "spawn.png"))
    browser.find_element(*choice).click()
    browser.find_element(By.CSS_SELECTOR, "#spawn_form [type=submit]").click()
    WebDriverWait(browser, LIMIT).until(lambda it: "/user/ann/" in it.current_url)


def look(browser, address, password, mission, notebook, folder, expected):
    browser.get(f"{address}hub/login")
    browser.save_screenshot(str(folder / "login.png"))
    log_in(browser, address, "ann", password)
    spawn(browser, address, mission, folder)
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


def main(address, password, mission, notebook, folder, *expected):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    browser = start("window-size=1280,2400")
    password = Path(password).read_text()
    return told(
        browser, lambda it: look(it, address, password, mission, notebook, folder, expected)
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
