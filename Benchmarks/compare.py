#!/usr/bin/env python3
"""Measures Swiftlet beside onnxruntime: loading, first run, latency, memory, cold start.

    Benchmarks/compare.py MODEL_OR_FOLDER... [--threads 1] [--rounds 5] [--seconds 0.5] [--json FILE]

MODEL_OR_FOLDER: ONNX files, or folders whose ONNX files are all taken. Inputs come from NAME/case0 beside NAME.onnx
(io.json, in_0.npy, ...), or from test_data_set_0/input_*.pb beside the model, or are made up: small random numbers,
with 1 for extents that the model leaves open.

What is compared: bench.c runs each model in a process of its own, alternately with libswiftlet and with the
libonnxruntime of the wheel that is installed from PyPI, both through their C interfaces with default settings and the
same number of threads, on the same processors. No Python is in those processes. Per process: `load` from the path to a
session that is ready (the library's own start is not in it); `first` run; `latency`, the median of the runs that follow
for --seconds (three or more); `memory`, the process's peak resident set (VmHWM), library, mapped model and inputs
included. Each figure in the table is the median over --rounds processes; the model's file is in the page cache.
Ratios: load, first and latency are theirs / ours (2 is twice as fast); memory is ours / theirs (0.5 is half as much).
Cold start is the wall time of a whole process, from its creation to its end, for one digit: samples/digits and, beside
it, bench.c with onnxruntime and the same model.

Needs: numpy, onnxruntime (onnx too for .pb inputs), a C compiler, build/libswiftlet.so and build/samples/digits.
"""
import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import math
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
# Element types: numbers of ONNX's TensorProto.DataType.
TYPES = {"float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7, "bool": 9, "float16": 10,
         "float64": 11, "uint32": 12, "uint64": 13}
LARGE = 50e6  # bytes: models for which the load ratio is shown apart
COLUMNS = ("load", "first", "median", "peak")


class Failure(Exception):
    pass


def progress(text):
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        print(f"\r{text[:width]:{width}}", end="" if text else "\r", file=sys.stderr, flush=True)


# Finding things

def ort_library():
    spec = importlib.util.find_spec("onnxruntime")
    found = sorted(pathlib.Path(spec.submodule_search_locations[0], "capi").glob("libonnxruntime.so*")) if spec else []
    if not found:
        sys.exit("compare: onnxruntime isn't installed for this Python (pip install onnxruntime)")
    return found[0]


def models_of(arguments):
    for argument in map(pathlib.Path, arguments):
        if argument.is_dir():
            yield from sorted(argument.glob("*.onnx"))
        elif argument.exists():
            yield argument
        else:
            sys.exit(f"compare: {argument} isn't there")


def build_bench(folder):
    program = folder / "bench"
    sources = [HERE / name for name in ("bench.c", "engine_swiftlet.c", "engine_ort.c")]
    command = [os.environ.get("CC", "cc"), "-O2", f"-I{ROOT / 'include'}", *sources, "-o", program, "-ldl"]
    subprocess.run(command, check=True)
    return program


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


# Inputs

def case_inputs(model):
    case = model.with_suffix("") / "case0"
    if not (case / "io.json").exists():
        return None
    names = json.loads((case / "io.json").read_text())["inputs"]
    return {name: np.load(case / f"in_{i}.npy") for i, name in enumerate(names)}


def data_set_inputs(model):
    files = sorted((model.parent / "test_data_set_0").glob("input_*.pb"))
    if not files:
        return None
    import onnx
    values = []
    for file in files:
        tensor = onnx.TensorProto()
        tensor.ParseFromString(file.read_bytes())
        values.append(onnx.numpy_helper.to_array(tensor))
    graph = onnx.load(str(model), load_external_data=False).graph
    constants = {tensor.name for tensor in graph.initializer}
    return dict(zip((value.name for value in graph.input if value.name not in constants), values))


def made_up_inputs(model):
    import onnxruntime
    onnxruntime.set_default_logger_severity(3)
    numbers, result = np.random.default_rng(0), {}
    try:
        session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own kinds have no common base
        raise Failure(f"onnxruntime: {str(error).splitlines()[0]}") from error
    for value in session.get_inputs():
        shape = [extent if isinstance(extent, int) and extent > 0 else 1 for extent in value.shape]
        kind = {"float": "float32", "double": "float64"}.get(value.type[7:-1], value.type[7:-1])
        if kind not in TYPES:
            raise Failure(f"input {value.name} is a {value.type}")
        if kind.startswith("float"):
            result[value.name] = (numbers.random(shape) - 0.5).astype(kind)
        else:
            result[value.name] = np.ones(shape, kind)
    return result


def write_inputs(model, folder):
    """The arguments that tell bench.c the inputs."""
    arguments = []
    inputs = next(found for found in (read(model) for read in (case_inputs, data_set_inputs, made_up_inputs))
                  if found is not None)
    for i, (name, array) in enumerate(inputs.items()):
        if str(array.dtype) not in TYPES:
            raise Failure(f"input {name} is of {array.dtype}")
        path = folder / f"in_{i}"
        path.write_bytes(np.ascontiguousarray(array).tobytes())
        shape = "x".join(map(str, array.shape)) or "scalar"
        arguments += [name, str(TYPES[str(array.dtype)]), shape, str(path)]
    return arguments


# Measuring

class Bench:
    def __init__(self, program, libraries, threads, cpus, seconds):
        self.program, self.libraries, self.threads, self.seconds = program, libraries, threads, seconds
        self.cpus = cpus

    def command(self, engine, model, seconds, inputs):
        return list(map(str, [self.program, engine, self.libraries[engine], model, self.threads, seconds, *inputs]))

    def pin(self):
        os.sched_setaffinity(0, self.cpus)

    def measure(self, engine, model, inputs):
        done = subprocess.run(self.command(engine, model, self.seconds, inputs), capture_output=True, text=True,
                              preexec_fn=self.pin)
        if done.returncode != 0:
            why = done.stderr.strip().splitlines()
            raise Failure(f"{engine}: {why[-1] if why else f'ended with {done.returncode}'}")
        return json.loads(done.stdout)

    def wall_ms(self, command, times):
        """Median wall time of a process, created and waited for `times` times."""
        null = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
        before = os.sched_getaffinity(0)
        self.pin()
        taken = []
        try:
            for _ in range(times + 3):  # the first ones warm up
                start = time.perf_counter()
                child = os.posix_spawn(command[0], command, os.environ, file_actions=null)
                status = os.waitpid(child, 0)[1]
                taken.append((time.perf_counter() - start) * 1e3)
                if status != 0:
                    raise Failure(f"{pathlib.Path(command[0]).name} failed")
        finally:
            os.sched_setaffinity(0, before)
        return statistics.median(taken[3:])


def compare(bench, model, rounds, folder):
    """One row: medians of both, and ratios."""
    size = model.stat().st_size
    inputs = write_inputs(model, folder)
    with open(model, "rb") as file:  # into the page cache
        while file.read(1 << 24):
            pass
    got = {"swiftlet": [], "onnxruntime": []}
    for _ in range(rounds):
        for engine in got:
            got[engine].append(bench.measure(engine, model, inputs))
    row = {"model": model.parent.name if model.stem == "model" else model.stem, "bytes": size}
    for engine, runs in got.items():
        row[engine] = {column: statistics.median(run[column] for run in runs) for column in COLUMNS}
    ours, theirs = row["swiftlet"], row["onnxruntime"]
    row["ratio"] = {column: theirs[column] / ours[column] for column in ("load", "first", "median")}
    row["ratio"]["peak"] = ours["peak"] / theirs["peak"]
    return row


def cold_start(bench, digits, times, folder):
    sample = ROOT / "samples" / "digits"
    picture = sorted((sample / "images").glob("*.png"))[0]
    command = bench.command("onnxruntime", sample / "model.onnx", 0, write_inputs(sample / "model.onnx", folder))
    return {"times": times, "swiftlet": bench.wall_ms([str(digits), str(sample / "model.onnx"), str(picture)], times),
            "onnxruntime": bench.wall_ms(command, times), "empty program": bench.wall_ms(["/bin/true"], times)}


# Telling

def geometric_mean(values):
    values = list(values)
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def summary(rows):
    result = {column: geometric_mean(row["ratio"][column] for row in rows) for column in COLUMNS}
    result["load of large models"] = geometric_mean(row["ratio"]["load"] for row in rows if row["bytes"] >= LARGE)
    return result


def print_header(width):
    print(f"{'':{width}} {'':>7} {'load ms':>24} {'first run ms':>24} {'latency ms':>24} {'memory MB':>22}")
    group = f"{'ours':>8} {'theirs':>8} {'ratio':>6}"
    print(f"{'model':{width}} {'MB':>7} {group} {group} {group} {'ours':>7} {'theirs':>7} {'ratio':>6}")


def number(value):
    return f"{value:.3f}" if value < 10 else f"{value:.1f}" if value < 1000 else f"{value:.0f}"


def print_row(row, width):
    cells = [f"{row['model']:{width}} {row['bytes'] / 1e6:7.1f}"]
    for column in COLUMNS:
        ours, theirs, ratio = row["swiftlet"][column], row["onnxruntime"][column], row["ratio"][column]
        cells.append(f"{ours / 1024:7.1f} {theirs / 1024:7.1f} {ratio:6.2f}" if column == "peak"
                     else f"{number(ours):>8} {number(theirs):>8} {ratio:6.2f}")
    print(" ".join(cells), flush=True)


def print_summary(means, rows):
    print(f"\n{len(rows)} models; geometric means of the ratios")
    print(f"  load     {means['load']:6.2f} times as fast")
    if means["load of large models"]:
        print(f"           {means['load of large models']:6.2f} for models of {LARGE / 1e6:.0f} MB or more")
    print(f"  first    {means['first']:6.2f} times as fast")
    print(f"  latency  {means['median']:6.2f} times as fast")
    print(f"  memory   {means['peak']:6.2f} of theirs")


def print_cold(cold):
    print(f"cold start, process to answer, median of {cold['times']}: {cold['swiftlet']:.2f} ms; onnxruntime "
          f"{cold['onnxruntime']:.1f} ms; an empty program {cold['empty program']:.2f} ms")


def main():
    parser = argparse.ArgumentParser(description="Measures Swiftlet beside onnxruntime; the file's head says how.")
    parser.add_argument("models", nargs="*", help="ONNX files, or folders of them; none: cold start only")
    parser.add_argument("--threads", type=int, default=1, help="threads of both, each on a processor of its own (1)")
    parser.add_argument("--rounds", type=int, default=5, help="processes of each for each model (5)")
    parser.add_argument("--seconds", type=float, default=0.5, help="how long each process repeats the run (0.5)")
    parser.add_argument("--json", type=pathlib.Path, help="also writes all figures there")
    parser.add_argument("--library", type=pathlib.Path, default=ROOT / "build" / "libswiftlet.so")
    parser.add_argument("--digits", type=pathlib.Path, default=ROOT / "build" / "samples" / "digits",
                        help="the sample whose cold start is measured")
    arguments = parser.parse_args()
    models = list(models_of(arguments.models))
    cpus = sorted(os.sched_getaffinity(0))[-arguments.threads:]
    libraries = {"swiftlet": arguments.library.resolve(), "onnxruntime": ort_library()}
    if not libraries["swiftlet"].exists():
        sys.exit(f"compare: {libraries['swiftlet']} isn't there (make)")
    rows, failures, cold = [], {}, None
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        bench = Bench(build_bench(folder), libraries, arguments.threads, cpus, arguments.seconds)
        width = max([len(model.stem) for model in models] + [12])
        print(f"{processor()}, {arguments.threads} thread(s); onnxruntime {importlib.metadata.version('onnxruntime')}")
        if models:
            print_header(width)
        for index, model in enumerate(models, 1):
            progress(f"{index}/{len(models)} {model.stem}")
            try:
                row = compare(bench, model, arguments.rounds, folder)
            except Failure as failure:
                failures[str(model)] = str(failure)
                continue
            progress("")
            rows.append(row)
            print_row(row, width)
        progress("cold start")
        if arguments.digits.exists():
            try:
                cold = cold_start(bench, arguments.digits, 50, folder)
            except Failure as failure:
                failures["cold start"] = str(failure)
        progress("")
    means = summary(rows) if rows else None
    if means:
        print_summary(means, rows)
    if cold:
        print_cold(cold)
    for name, why in failures.items():
        print(f"failed  {name}: {why}")
    if arguments.json:
        facts = {"date": datetime.date.today().isoformat(), "processor": processor(), "threads": arguments.threads,
                 "rounds": arguments.rounds, "onnxruntime": importlib.metadata.version("onnxruntime"), "models": rows,
                 "geometric means": means, "cold start": cold, "failures": failures}
        arguments.json.write_text(json.dumps(facts, indent=1) + "\n")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
