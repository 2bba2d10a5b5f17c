#!/usr/bin/env python3
"""watch.py TOOL [--kills N] [--only NAME]: `swiftlet watch` against servers of static files that are cut off, slow,
replaced, send damaged bytes or don't know ranges, and with kill -9 at N (20) random moments. Every watch goes on from
its cache, fetching nothing twice, and the end is exact. Tests against nginx are skipped where that isn't installed."""
import argparse
import array
import concurrent.futures
import os
import random
import struct
import subprocess
import sys
import tempfile
import time

from memory import model
from servers import Faulty, Nginx, Plain

HERE = os.path.dirname(os.path.abspath(__file__))
DIGITS = os.path.join(HERE, "..", "..", "samples", "digits", "model.onnx")


def npy(path, values, shape):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        f.write(array.array("f", values).tobytes())


def contents(path):
    if not os.path.exists(path):
        return b""
    with open(path, "rb") as f:
        return f.read()


class Watches:
    """A folder `served` with a packed model m.swl, and what is needed to watch it."""

    def __init__(self, tool, folder, kills):
        self.tool, self.folder, self.kills = tool, folder, kills
        self.served = os.path.join(folder, "served")
        os.mkdir(self.served)
        self.cache, self.ink = os.path.join(folder, "cache.swl"), os.path.join(folder, "ink.npy")
        npy(self.ink, [random.random() for _ in range(64)], (1, 1, 8, 8))
        self.body = self.publish("sensitivity")

    def publish(self, order):
        """Puts a container in place of the one that is served."""
        path = os.path.join(self.served, "m.swl")
        command = [self.tool, "pack", DIGITS, "--order", order, "-o", path + ".new"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        os.rename(path + ".new", path)
        return contents(path)

    def start(self, url, *more, cache=True):
        cached = ["--cache", self.cache] if cache else []
        return subprocess.Popen(
            [self.tool, "watch", url, "--in", f"image={self.ink}", *cached, *more],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self, process):
        """Waits for a watch that has to go well; what it said on standard error."""
        try:
            out, errors = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError("it doesn't end: {} {}".format(*process.communicate()))
        assert process.returncode == 0, errors
        assert out.rstrip().endswith("exact"), out
        return errors

    def watch(self, url, *more, **options):
        return self.end(self.start(url, *more, **options))

    def refused(self, url):
        process = self.start(url, cache=False)
        begun = time.monotonic()
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 1 and time.monotonic() - begun < 5, "it isn't refused at once"
        return errors

    def forget(self):
        if os.path.exists(self.cache):
            os.remove(self.cache)

    def cached(self):
        return contents(self.cache)

    def has_cached_some(self):
        deadline = time.monotonic() + 20
        while not self.cached() and time.monotonic() < deadline:
            time.sleep(0.01)
        return 0 < len(self.cached()) < len(self.body)


def faults(w):
    """cuts and damage"""
    url = Faulty.serve() + "m.swl"
    Faulty.files = {"m.swl": w.body}
    w.watch(url, cache=False)
    for cuts, damages in [(6, 0), (0, 4), (4, 4)] * 3:
        Faulty.cuts, Faulty.damages = cuts, damages
        w.forget()
        w.watch(url)
        assert w.cached() == w.body
        Faulty.cuts = Faulty.damages = 0
    with open(w.cache, "r+b") as f:
        f.seek(len(w.body) // 2)
        f.write(b"damaged on disk")
    w.watch(url)
    assert w.cached() == w.body
    Faulty.files = {"m.swl": b"<!DOCTYPE html><html><body>Please log in.</body></html>"}
    assert "no progressive model" in w.refused(url)


def plain(w):
    """python3 -m http.server, which knows no ranges"""
    with Plain(w.served) as server:
        w.watch(server.url("m.swl"), cache=False)
        process = w.start(server.url("m.swl"), "--rate", "100kB/s")
        assert w.has_cached_some()
        server.kill()
        time.sleep(0.3)
        server.start()
        w.end(process)
        assert w.cached() == w.body
        assert "404" in w.refused(server.url("other.swl"))


def small(w):
    """a model that is too small for a container"""
    path, packed, x = (os.path.join(w.served, name) for name in ("small.onnx", "small.swl", "x.npy"))
    with open(path, "wb") as f:
        f.write(model(b""))
    subprocess.run([w.tool, "pack", path, "-o", packed], check=True, stdout=subprocess.DEVNULL)
    assert contents(packed) == contents(path)
    npy(x, [1, 2, 3, 4], (4,))
    with Plain(w.served) as server, open(packed, "rb") as pipe:
        for source, stdin in [(server.url("small.swl"), None), (packed, None), ("-", pipe)]:
            command = [w.tool, "watch", source, "--in", f"x={x}", *(["--cache", w.cache] if stdin is None and source != packed else [])]
            done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0 and "-1 -2 -3 -4" in done.stdout and done.stdout.rstrip().endswith("exact"), done
    with open(packed, "wb") as f:
        f.write(contents(path)[:40])
    done = subprocess.run([w.tool, "watch", packed, "--in", f"x={x}"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done


def cut(w):
    """nginx, slow, cut off and back again"""
    with Nginx(w.served, w.folder, rate="60k") as server:
        process = w.start(server.url("m.swl"))
        assert w.has_cached_some()
        server.kill()
        time.sleep(0.5)
        known = len(w.cached())
        server.start()
        assert "trying again" in w.end(process)
        assert w.cached() == w.body
        # Of the first request nothing is in the log: it was killed with the server.
        assert server.requests()[-1][1] == f"bytes={known}-{len(w.body) - 1}", server.requests()


def late(w):
    """nginx, started after the watch"""
    server = Nginx(w.served, w.folder)
    process = w.start(server.url("m.swl"))
    time.sleep(0.5)
    with server:
        assert "trying again" in w.end(process)
        assert "404" in w.refused(server.url("other.swl"))


def changed(w):
    """nginx, whose file is replaced"""
    with Nginx(w.served, w.folder, rate="60k") as server:
        process = w.start(server.url("m.swl"))
        assert w.has_cached_some()
        w.body = w.publish("planes")
        server.kill()
        server.start()
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 1 and "has changed" in errors, errors
        # What came of the old one is of no use: between watches that goes without saying.
        w.watch(server.url("m.swl"))
        assert w.cached() == w.body
        w.body = w.publish("sensitivity")
        w.watch(server.url("m.swl"))
        assert w.cached() == w.body


def killed(w):
    """nginx, kill -9 of the watch at random moments"""
    with Nginx(w.served, w.folder) as server:
        before, resumed = [], 0
        for k in range(w.kills):
            before.append(len(w.cached()))
            process = w.start(server.url(f"m.swl?{k}"), "--rate", "150kB/s")
            time.sleep(random.uniform(0.02, 0.5))
            process.kill()
            process.communicate()
            assert w.body.startswith(w.cached()), "the cache isn't a beginning of the container"
            resumed += 0 < len(w.cached()) < len(w.body)
            if len(w.cached()) == len(w.body):
                w.forget()
        before.append(len(w.cached()))
        w.watch(server.url(f"m.swl?{w.kills}"))
        assert w.cached() == w.body
        time.sleep(0.2)
        asked = [(int(arguments), wanted) for arguments, wanted, *_ in server.requests()]
        assert len(asked) >= w.kills // 2
        for k, wanted in asked:
            allowed = [f"bytes={before[k]}-{len(w.body) - 1}", "bytes=0-31"] if before[k] else ["bytes=0-"]
            assert wanted in allowed, f"{wanted} where {before[k]} bytes were on disk"
        return f"{w.kills} kills, {resumed} times a part was on disk, {len(asked)} requests: none for what was there"


def main():
    tests = [faults, plain, small, cut, late, changed, killed]
    parser = argparse.ArgumentParser()
    parser.add_argument("tool"), parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--only", choices=[t.__name__ for t in tests])
    parser.add_argument("--seed", type=int, default=4)
    a = parser.parse_args()
    random.seed(a.seed)

    def outcome(test):
        if test in (cut, late, changed, killed) and not Nginx.program:
            return f"skipped  {test.__doc__}: nginx isn't installed"
        try:
            with tempfile.TemporaryDirectory() as folder:
                more = test(Watches(os.path.abspath(a.tool), folder, a.kills))
            return f"passed   {test.__doc__}" + (f": {more}" if more else "")
        except (AssertionError, RuntimeError, OSError, subprocess.SubprocessError) as error:
            line = error.__traceback__.tb_next.tb_lineno
            return f"failed   {test.__doc__}, line {line}: {type(error).__name__} {error}"

    chosen = [t for t in tests if a.only in (None, t.__name__)]
    # Most of their time they wait.
    with concurrent.futures.ThreadPoolExecutor(len(chosen)) as pool:
        lines = list(pool.map(outcome, chosen))
    print("\n".join(lines))
    sys.exit(any(line.startswith("failed") for line in lines))


if __name__ == "__main__":
    main()
