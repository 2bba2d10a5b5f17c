"""Servers of static files for tests and measurements: nginx, python3 -m http.server, and one with faults on demand."""
import http.server
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Process:
    """A server that is a program: it can be killed and started again at the same address."""

    def __init__(self, folder):
        self.folder, self.port, self.process = folder, free_port(), None

    def command(self):
        raise NotImplementedError

    def start(self):
        self.process = subprocess.Popen(self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                return socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"{self.command()[0]} doesn't start")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def url(self, name):
        return f"http://127.0.0.1:{self.port}/{name}"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()


class Plain(Process):
    """python3 -m http.server: knows no ranges."""

    def command(self):
        return [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", self.folder, str(self.port)]


class Nginx(Process):
    """nginx as one process, with a configuration of its own; `rate`: limit_rate."""

    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")

    def __init__(self, folder, state, rate="0"):
        super().__init__(folder)
        self.log, self.configuration = os.path.join(state, "access.log"), os.path.join(state, "nginx.conf")
        temporary = "".join(f"{k}_temp_path {state}/{k};" for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(self.configuration, "w") as f:
            f.write(
                f"daemon off; master_process off; pid {state}/nginx.pid; error_log {state}/error.log;\n"
                "events { worker_connections 64; }\n"
                f"http {{ {temporary} log_format ranges '$args $http_range $status $body_bytes_sent';\n"
                f"access_log {self.log} ranges;\n"
                f"server {{ listen 127.0.0.1:{self.port}; root {folder}; limit_rate {rate}; }} }}\n"
            )

    def command(self):
        return [self.program, "-c", self.configuration, "-e", self.configuration + ".errors"]

    def requests(self):
        """(arguments, range or '-', status, bytes sent) of each request that has ended."""
        with open(self.log) as f:
            return [line.split() for line in f]


class Faulty(http.server.BaseHTTPRequestHandler):
    """Serves `files`, contents by name; class variables say how many of the next answers are cut or damaged somewhere,
    and how many bytes a second are sent."""

    protocol_version = "HTTP/1.0"
    files = {}
    cuts, damages, rate = 0, 0, None

    def do_GET(self):
        body = self.files.get(self.path.strip("/"))
        if body is None:
            return self.send_error(404)
        start, end = 0, len(body) - 1
        asked = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked:
            start, end = int(asked[1]), min(int(asked[2] or end), end)
            if start > end:
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(end + 1 - start))
        self.end_headers()
        data = bytearray(body[start : end + 1])
        if len(data) > 100 and Faulty.damages > 0:  # a damaged header is no container: that ends a watch
            Faulty.damages -= 1
            data[random.randrange(100, len(data))] ^= 1 << random.randrange(8)
        if len(data) > 100 and Faulty.cuts > 0:
            Faulty.cuts -= 1
            data = data[: random.randrange(len(data))]
        try:
            self.send(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def send(self, data):
        # Every 5 ms what is due; all at once without a rate.
        piece = int(self.rate / 200) + 1 if self.rate else len(data)
        begun = time.monotonic()
        for at in range(0, len(data), piece or 1):
            self.wfile.write(data[at : at + piece])
            if self.rate:
                time.sleep(max(0.0, begun + min(at + piece, len(data)) / self.rate - time.monotonic()))

    def log_message(self, *_):
        pass

    @classmethod
    def serve(cls):
        """Starts serving; returns the address of the server."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), cls)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/"
