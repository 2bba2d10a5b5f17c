#!/usr/bin/env python3
"""screenshots.py PROGRAM CONTAINER PICTURE FOLDER: the page at 10 %, 20 % and 100 % of the bytes as headless Chromium
shows it, in FOLDER/10.png, 20.png and 100.png; fails if the page fails or, at the end, shows no boxes. Says so and ends
with 0 where Chromium isn't installed."""
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time


class Browser:
    """Chromium, spoken to by its DevTools protocol through descriptors 3 and 4."""

    def __init__(self, program, profile):
        commands, self.commands = os.pipe()
        self.answers, answers = os.pipe()
        command = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                   "--window-size=1200,900", f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
        self.process = subprocess.Popen(
            ["sh", "-c", f'exec "$@" 3<&{commands} 4>&{answers}', "sh", *command], pass_fds=(commands, answers),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(commands), os.close(answers)
        self.pending, self.number, self.session = b"", 0, None
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self.session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def __call__(self, method, **parameters):
        """The result of a command."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def read(self):
        while b"\0" not in self.pending:
            more = os.read(self.answers, 1 << 16)
            if not more:
                raise RuntimeError("Chromium has ended")
            self.pending += more
        text, self.pending = self.pending.split(b"\0", 1)
        return json.loads(text)

    def value(self, expression):
        return self("Runtime.evaluate", expression=expression)["result"].get("value")

    def close(self):
        self.process.kill()
        self.process.wait()


def shot(browser, address, percent, path):
    browser("Page.navigate", url=f"{address}?rate=300000&until={percent / 100}")
    deadline = time.monotonic() + 60
    while (state := browser.value("document.body?.dataset.state")) != "ended":
        if state == "failed" or time.monotonic() > deadline:
            raise RuntimeError(f"at {percent} %: {state}: {browser.value('document.body.innerText')}")
        time.sleep(0.05)
    time.sleep(0.2)
    with open(path, "wb") as f:
        f.write(base64.b64decode(browser("Page.captureScreenshot")["data"]))
    boxes = browser.value("document.querySelectorAll('#frame rect').length")
    status = browser.value("document.getElementById('status').textContent")
    print(f"{percent:3} %: {boxes} boxes; {status}")
    return boxes


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    program, container, picture, folder = sys.argv[1:]
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        return print("skipped: Chromium isn't installed")
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, subprocess.Popen(
            [program, "--port", "0", container, picture], stdout=subprocess.PIPE, text=True) as server:
        address = server.stdout.readline().strip()
        browser = Browser(chromium, profile)
        try:
            boxes = [shot(browser, address, part, os.path.join(folder, f"{part}.png")) for part in (10, 20, 100)]
        finally:
            browser.close()
            server.kill()
    sys.exit(boxes[-1] == 0)


if __name__ == "__main__":
    main()
