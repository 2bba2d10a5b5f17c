#!/usr/bin/env python3
"""watch.py TOOL [KILLS]: `swiftlet watch` over HTTP against servers that cut connections, send damaged bytes or don't know
ranges, and with kill -9 at KILLS (200) random moments. Every watch goes on from its cache, and the end is exact."""
import http.server
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DIGITS = os.path.join(HERE, "..", "..", "samples", "digits", "model.onnx")
random.seed(4)


class Server(http.server.BaseHTTPRequestHandler):
    """Serves `body`; class variables choose the faults."""

    body = b""
    ranges, cut, damage, rate = True, 0.0, 0.0, None
    requests = 0

    def do_GET(self):
        Server.requests += 1
        start, end = 0, len(self.body) - 1
        asked = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if self.ranges and asked:
            start, end = int(asked[1]), min(int(asked[2] or end), end)
            if start > end:
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(self.body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(end + 1 - start))
        self.end_headers()
        data = bytearray(self.body[start : end + 1])
        if random.random() < self.damage:
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        if random.random() < self.cut:
            data = data[: random.randrange(len(data) + 1)]
        try:
            for at in range(0, len(data), 4096):
                self.wfile.write(data[at : at + 4096])
                if self.rate:
                    time.sleep(4096 / self.rate)
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.close_connection = True

    def log_message(self, *_):
        pass


def npy(path, values, shape):
    import array
    import struct

    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + array.array("f", values).tobytes())


def main():
    tool, kills = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 200
    with tempfile.TemporaryDirectory() as folder:
        packed, cache, ink = (os.path.join(folder, n) for n in ("m.swl", "cache.swl", "ink.npy"))
        subprocess.run([tool, "pack", DIGITS, "-o", packed], check=True, stdout=subprocess.DEVNULL)
        npy(ink, [random.random() for _ in range(64)], (1, 1, 8, 8))
        with open(packed, "rb") as f:
            Server.body = f.read()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/m.swl"
        command = [tool, "watch", url, "--in", f"image={ink}"]

        def watch(*more):
            done = subprocess.run([*command, *more], capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stderr
            assert done.stdout.rstrip().endswith("exact"), done.stdout
            return done.stdout

        def cached():
            with open(cache, "rb") as f:
                return f.read()

        watch()
        for name, faults in [("cuts", {"cut": 0.8}), ("no ranges", {"ranges": False}), ("damage", {"damage": 0.5, "cut": 0.3})]:
            for key, value in faults.items():
                setattr(Server, key, value)
            for _ in range(5):
                if os.path.exists(cache):
                    os.remove(cache)
                watch("--cache", cache)
                assert cached() == Server.body, name
            for key in faults:
                setattr(Server, key, Server.__dict__["defaults"][key])
            print(f"{name}: exact")

        with open(cache, "r+b") as f:
            f.seek(len(Server.body) // 2)
            f.write(b"damaged on disk")
        watch("--cache", cache)
        assert cached() == Server.body
        print("a cache that was damaged on disk: exact")

        os.remove(cache)
        Server.rate, resumed = 150_000, 0
        for _ in range(kills):
            process = subprocess.Popen([*command, "--cache", cache], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(random.uniform(0.02, 0.5))
            process.kill()
            process.wait()
            known = cached() if os.path.exists(cache) else b""
            assert Server.body.startswith(known), "the cache isn't a beginning of the container"
            resumed += 0 < len(known) < len(Server.body)
            if len(known) == len(Server.body):
                os.remove(cache)
        Server.rate = None
        watch("--cache", cache)
        assert cached() == Server.body
        print(f"{kills} kills, {resumed} resumed: exact")


Server.defaults = {"cut": 0.0, "damage": 0.0, "ranges": True}

if __name__ == "__main__":
    main()
