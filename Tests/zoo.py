#!/usr/bin/env python3
"""Runs `swiftlet run` on a zoo of models and compares the outputs with references.

  zoo.py TOOL ROOT [--light DIR] [--level plain|avx2|avx512] [--only TEXT]... [--skip TEXT]... [--threads N] [--json FILE]

ROOT holds <name>.onnx and <name>/case<i>/{in_<k>.npy, out_<k>.npy, io.json}, io.json naming the inputs and outputs.
With --light DIR, models that are not in ROOT are made from DIR/light/<name> by DIR/materialize.py and DIR/reference.py, one
at a time, and removed afterwards (these scripts need onnx and onnxruntime; --python says which Python has them).

An output passes when its largest absolute error is at most 1e-3 of the reference's largest magnitude; integers, bools and
strings must be equal. A model passes when all outputs of all its cases do. The last line is
"N passed, N failed, N skipped". Needs numpy only.
"""
import argparse, contextlib, json, os, re, subprocess, sys, tempfile, time
import numpy as np

PASSES = 1e-3
CLOSE = 1e-4


class Failure(Exception):
    pass


def error(got, ref):
    """The largest absolute error as a share of the reference's largest magnitude; exact kinds give 0 or inf."""
    if isinstance(ref, (list, dict, str)) or ref.dtype.kind in "OUS":
        return structure_error(got, ref.tolist() if isinstance(ref, np.ndarray) else ref)
    if not isinstance(got, np.ndarray):
        raise Failure(f"{type(got).__name__} instead of an array")
    if got.shape != ref.shape or got.dtype != ref.dtype:
        raise Failure(f"{got.dtype}{list(got.shape)} instead of {ref.dtype}{list(ref.shape)}")
    if ref.dtype.kind not in "fc":
        different = int((got != ref).sum())
        if different:
            raise Failure(f"{different} of {ref.size} {ref.dtype} values differ")
        return 0.0
    if ref.size == 0:
        return 0.0
    a, b = ref.astype(np.float64), got.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    finite = np.isfinite(a)
    if not (same | (finite & np.isfinite(b))).all():
        raise Failure("infinities or NaN differ")
    if not finite.any():
        return 0.0
    largest = np.abs(a[finite]).max()
    worst = np.abs(np.where(same, 0, b - np.where(finite, a, 0))).max()
    return float(worst / largest) if largest > 0 else (0.0 if worst == 0 else float("inf"))


def structure_error(got, ref):
    """Sequences, maps and strings: outputs in JSON."""
    if isinstance(ref, dict):
        keys = {str(k): v for k, v in ref.items()}
        if not isinstance(got, dict) or set(got) != set(keys):
            raise Failure("a map with other keys")
        return max([structure_error(got[k], v) for k, v in keys.items()] or [0.0])
    if isinstance(ref, (list, tuple)):
        if not isinstance(got, list) or len(got) != len(ref):
            raise Failure("a sequence of another length")
        return max([structure_error(g, r) for g, r in zip(got, ref)] or [0.0])
    if isinstance(ref, np.ndarray):
        return error(np.asarray(got, ref.dtype), ref)
    if isinstance(ref, (str, bool, int)):
        if got != ref:
            raise Failure(f"{got!r} instead of {ref!r}")
        return 0.0
    return abs(float(got) - float(ref)) / max(abs(float(ref)), 1e-30) if float(got) != float(ref) else 0.0


def load(folder, name):
    path = os.path.join(folder, re.sub(r"[^A-Za-z0-9._-]", "_", name))
    if os.path.exists(path + ".npy"):
        return np.load(path + ".npy")
    if os.path.exists(path + ".json"):
        with open(path + ".json") as f:
            return json.load(f)
    raise Failure(f"there is no output '{name}'")


def run_case(a, model, case):
    """The largest error over the outputs of one case."""
    with open(os.path.join(case, "io.json")) as f:
        names = json.load(f)
    with tempfile.TemporaryDirectory() as out:
        command = [a.tool, "run", model, "--out", out, "--threads", str(a.threads)]
        for k, name in enumerate(names["inputs"]):
            command += ["--in", f"{name}={case}/in_{k}.npy"]
        environment = dict(os.environ, SWIFT_BACKTRACE="enable=no")
        if a.level:
            environment["SWIFTLET_CPU"] = a.level
        try:
            r = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=a.timeout, env=environment)
        except subprocess.TimeoutExpired:
            raise Failure(f"took longer than {a.timeout:g} s")
        if r.returncode:
            told = [x for x in r.stderr.splitlines() if "Fatal error" in x] or [" ".join(r.stderr.split())]
            ending = f"signal {-r.returncode}" if r.returncode < 0 else f"exit {r.returncode}"
            raise Failure(f"{ending}: {told[0][:400]}")
        worst = 0.0
        for k, name in enumerate(names["outputs"]):
            try:
                e = error(load(out, name), np.load(os.path.join(case, f"out_{k}.npy"), allow_pickle=True))
            except Failure as f:
                raise Failure(f"output '{name}': {f}")
            worst = max(worst, e)
        return worst


@contextlib.contextmanager
def files(a, name):
    """(model file, folder of cases), made for the while if need be; None when they can't be had."""
    model, folder = os.path.join(a.root, name + ".onnx"), os.path.join(a.root, name)
    if os.path.exists(model) and os.path.isdir(folder):
        yield model, folder
        return
    light = a.light and os.path.join(a.light, "light", name)
    if not light or not os.path.isdir(light):
        yield None
        return
    with tempfile.TemporaryDirectory() as work:
        model, folder = os.path.join(work, name + ".onnx"), os.path.join(work, name)
        for command in (["materialize.py", light, model], ["reference.py", light, folder, "--mat", model]):
            subprocess.run([a.python, os.path.join(a.light, command[0]), *command[1:]], check=True, stdout=subprocess.DEVNULL)
        yield model, folder


def names(a):
    found = {f[:-5] for f in os.listdir(a.root) if f.endswith(".onnx")} if os.path.isdir(a.root) else set()
    if a.light:
        found |= set(os.listdir(os.path.join(a.light, "light")))
    wanted = lambda n: (not a.only or any(t in n for t in a.only)) and not any(t in n for t in a.skip)
    return sorted(filter(wanted, found))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("tool")
    p.add_argument("root")
    p.add_argument("--light", help="folder with light/, materialize.py and reference.py")
    p.add_argument("--python", default=sys.executable)
    p.add_argument("--level", choices=["plain", "avx2", "avx512"])
    p.add_argument("--only", action="append", default=[], help="models whose name contains this")
    p.add_argument("--skip", action="append", default=[])
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--timeout", type=float, default=300)
    p.add_argument("--json", help="write the results of all models")
    a = p.parse_args()
    passed = failed = skipped = close = 0
    rows = []
    print(f"{'model':48} {'error':>9} {'seconds':>8}  result")
    for name in names(a):
        start, worst, reason = time.time(), 0.0, ""
        with files(a, name) as at:
            if at is None:
                status, reason = "skipped", "there are no references"
            else:
                try:
                    cases = sorted(c for c in os.listdir(at[1]) if c.startswith("case"))
                    for c in cases:
                        worst = max(worst, run_case(a, at[0], os.path.join(at[1], c)))
                    status = "passed" if worst <= PASSES else "failed"
                except Failure as f:
                    status, reason = "failed", str(f)
        seconds = time.time() - start
        passed, failed, skipped = passed + (status == "passed"), failed + (status == "failed"), skipped + (status == "skipped")
        close += status == "passed" and worst <= CLOSE
        shown = f"{worst:9.1e}" if not reason else f"{'-':>9}"
        print(f"{name:48} {shown} {seconds:8.1f}  {status}{': ' + reason if reason else ''}", flush=True)
        rows.append(dict(name=name, status=status, reason=reason, error=worst, seconds=round(seconds, 3)))
    if a.json:
        with open(a.json, "w") as f:
            json.dump(dict(level=a.level, passed=passed, failed=failed, skipped=skipped, close=close, models=rows), f, indent=1)
    print(f"{close} models within {CLOSE:g} of the largest magnitude")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
