#!/usr/bin/env python3
"""Tickets: onnxruntime, the reference evaluator and Swiftlet get the weights of docs/ticket-format.md, bit for bit.

    Tests/tickets.py [build/swiftlet]       needs numpy, onnx and onnxruntime; without them it says so and passes
"""
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools/tickets"))
try:
    import numpy as np
    import onnx
    import onnxruntime
    from onnx.reference import ReferenceEvaluator
    import ticket
except ImportError as error:
    sys.exit(print(f"skipped: {error}"))

KINDS = ("Signed", "Coated", "Ternary", "Uniform")


def due(model, name):
    """The weight that the specification wants."""
    parts = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    call = next(n for n in model.graph.node if n.output[0] == name)
    return ticket.expand(call.op_type, *(parts[i] for i in call.input))


def vectors():
    page = (ROOT / "docs/ticket-format.md").read_text()
    for seed in (0, 1, 0x0123456789ABCDEF):
        line = f"seed {seed:#018x}: " + " ".join(f"{w:08x}" for w in ticket.blocks(seed, 2).ravel()[[0, 1, 7, 8]])
        assert line in page, f"docs/ticket-format.md lacks '{line}'"
    assert " ".join(f"{ticket.tensor_seed(7, i):#018x}" for i in range(3)) in page
    assert " ".join(f"{w:08x}" for w in ticket.philox(0, 4)) in page
    # The published vectors of Random123 for Philox4x32-10.
    assert [f"{w:08x}" for w in ticket.philox(0, 4)] == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]


def statistics():
    """Signs are balanced; any two of a block, of neighbouring blocks and of neighbouring seeds are independent."""
    count = 1 << 17
    sign = {seed: 1 - 2 * ticket.signs(seed, (count, 256)).astype(np.float32) for seed in (3, 4, 3 + (1 << 32))}
    own, limit = sign[3], 6.5 * count**-0.5
    assert abs(own.mean(0)).max() < limit
    pairs = own.T @ own / count - np.eye(256)
    assert abs(pairs).max() < limit, "two bits of a block"
    assert abs(own[1:].T @ own[:-1] / count).max() < limit, "neighbouring blocks"
    for seed in (4, 3 + (1 << 32)):
        assert abs((own * sign[seed]).mean(0)).max() < limit, "neighbouring seeds"
    # As random as a random matrix: no direction of 1024x1024 signs stands out.
    largest = np.linalg.norm(ticket.signs(3, (1024, 1024)) * -2.0 + 1, 2)
    assert 62 < largest < 66, largest


def run_swiftlet(tool, path, feeds, outputs, folder):
    arguments = []
    for name, value in feeds.items():
        np.save(folder / f"{name}.npy", value)
        arguments += ["--in", f"{name}={folder / name}.npy"]
    subprocess.run([tool, "run", path, *arguments, "--out", folder / "out"], check=True, stdout=subprocess.DEVNULL)
    return [np.load(folder / "out" / f"{name}.npy") for name in outputs]


def run_all(tool, model, feeds, folder):
    """The outputs of each engine."""
    onnx.checker.check_model(model)
    path, outputs = folder / "ticket.onnx", [o.name for o in model.graph.output]
    onnx.save(model, path)
    return {
        "reference": ReferenceEvaluator(model).run(None, feeds),
        "onnxruntime": onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds),
        "swiftlet": run_swiftlet(tool, path, feeds, outputs, folder),
    }


def check_sample(tool, kind, share, folder):
    # 95 columns: neither bytes nor words end with a row.
    model = ticket.sample(kind, outputs=95, share=share)
    want = due(model, "w0")
    results = run_all(tool, model, {"x": np.random.default_rng(0).random((3, 256), np.float32)}, folder)
    for engine, (y, w) in results.items():
        case = f"{engine}: {kind}, {share} kept"
        assert (w.view(np.uint32) == want.view(np.uint32)).all(), f"{case}: other weights"
        assert np.allclose(y, results["reference"][0], rtol=1e-4, atol=1e-4), f"{case}: other results"


def check_shapes(tool, kind, folder):
    """Weights alone, of all ranks and of no elements."""
    helper, random = onnx.helper, np.random.default_rng(2)
    for shape in ((), (7,), (300,), (2, 600), (3, 40, 5, 3), (2, 3, 0, 4), (4, 0), (0, 4)):
        bits = ticket.pack(random.random(shape) < 0.5)
        own = bits & ticket.pack(random.random(shape) < 0.5) if kind == "Ternary" else 5 << 32 | 9
        scale = 0.25
        if kind == "Coated":
            bits, scale = np.stack([bits, bits, ticket.pack(random.random(shape) < 0.5)]), [0, 1, 2, 0.5, 4, 5, 6, 7]
        call, values = ticket.node(kind, "w", bits, own, scale, shape)
        graph = helper.make_graph([call], "w", [], [helper.make_tensor_value_info("w", 1, shape)], values)
        model = ticket.model(graph)
        want = due(model, "w")
        for engine, (w,) in run_all(tool, model, {}, folder).items():
            assert w.shape == shape and (w.view(np.uint32) == want.view(np.uint32)).all(), f"{engine}: {kind} {shape}"


def network(kind):
    """Tickets large enough to stay tickets: Conv, BatchNormalization, Relu, Gemm, MatMul behind a Transpose."""
    helper, random = onnx.helper, np.random.default_rng(5)
    nodes, values = [], []
    for i, shape in enumerate(((64, 32, 3, 3), (300, 64 * 25), (301, 300))):
        bits = ticket.pack(random.random(shape) < 0.4)
        own, scale = ticket.tensor_seed(11, i), (2 / np.prod(shape[1:])) ** 0.5
        if kind == "Ternary":
            own = bits & ticket.pack(random.random(shape) < 0.5)
        if kind == "Coated":
            bits, scale = np.stack([bits, bits & ticket.pack(random.random(shape) < 0.5)]), [0, scale, 0, 2 * scale]
        call, parts = ticket.node(kind, f"w{i}", bits, own, scale, shape)
        nodes.append(call)
        values += parts
    for name in ("scale", "shift", "mean", "variance"):
        values.append(onnx.numpy_helper.from_array(random.random(64, np.float32) + np.float32(0.5), name))
    make = helper.make_node
    nodes += [make("Conv", ["x", "w0"], ["c"], pads=[1] * 4),
              make("BatchNormalization", ["c", "scale", "shift", "mean", "variance"], ["n"]), make("Relu", ["n"], ["r"]),
              make("Flatten", ["r"], ["f"]), make("Gemm", ["f", "w1"], ["g"], transB=1),
              make("Transpose", ["w2"], ["t"], perm=[1, 0]), make("MatMul", ["g", "t"], ["y"])]
    value = helper.make_tensor_value_info
    return ticket.model(helper.make_graph(nodes, "network", [value("x", 1, ["n", 32, 5, 5])],
                                          [value("y", 1, ["n", 301])], values))


def check_network(tool, kind, folder):
    model = network(kind)
    for batch in (1, 3, 40):
        x = np.random.default_rng(batch).random((batch, 32, 5, 5), np.float32)
        results = run_all(tool, model, {"x": x}, folder)
        for engine, (y,) in results.items():
            worst = abs(y - results["reference"][0]).max()
            assert worst < 1e-4, f"{engine}: {kind} network of {batch}: {worst}"
    shown = subprocess.run([tool, "inspect", folder / "ticket.onnx", "--json"], check=True, capture_output=True, text=True)
    kernels = {k["operator"]: k["kernel"] for k in json.loads(shown.stdout)["kernels"]}
    if kind != "Uniform":
        for operator in ("TicketConv", "TicketMatMul"):
            assert kernels[f"ai.swiftlet.{operator}"].startswith("ticket, "), kernels


def check_tool(tool, kind, folder):
    """`swiftlet ticket` tells, verifies, and expands to a model with the same results."""
    model = network(kind)
    onnx.save(model, folder / "t.onnx")
    command = lambda *a: subprocess.run([tool, "ticket", *a], capture_output=True, text=True)
    shown = json.loads(command("inspect", folder / "t.onnx", "--json").stdout)
    assert [s["shape"] for s in shown] == [[64, 32, 3, 3], [300, 1600], [301, 300]] and shown[0]["kind"] == kind
    verified = command("verify", folder / "t.onnx")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert command("expand", folder / "t.onnx", "-o", folder / "dense.onnx").returncode == 0
    dense = onnx.load(folder / "dense.onnx")
    onnx.checker.check_model(dense)
    assert not dense.functions and {n.domain for n in dense.graph.node} == {""} and len(dense.opset_import) == 1
    weights = {i.name: onnx.numpy_helper.to_array(i) for i in dense.graph.initializer}
    for name in ("w0", "w1", "w2"):
        assert (weights[name].view(np.uint32) == due(model, name).view(np.uint32)).all()
    assert len(weights) == 7
    # A function that makes something else, and a scale that isn't one.
    wrong = network(kind)
    where = [n for n in wrong.functions[0].node if n.op_type == "Where"][-1]
    where.input[0], where.input[1] = where.input[0], where.input[2]
    onnx.save(wrong, folder / "t.onnx")
    verified = command("verify", folder / "t.onnx")
    assert verified.returncode == 1 and "another element" in verified.stdout, verified.stdout + verified.stderr
    if kind != "Coated":
        wrong = network(kind)
        scale = next(i for i in wrong.graph.initializer if i.name == "w1.scale")
        scale.raw_data = np.float32(np.nan).tobytes()
        onnx.save(wrong, folder / "t.onnx")
        assert command("verify", folder / "t.onnx").returncode == 1
        assert "the scale is nan" in subprocess.run([tool, "run", folder / "t.onnx"], capture_output=True, text=True).stderr


def main():
    tool = sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/swiftlet"
    vectors()
    statistics()
    with tempfile.TemporaryDirectory() as name:
        for kind in KINDS:
            for share in (0, 0.3, 1):
                check_sample(tool, kind, share, pathlib.Path(name))
            check_shapes(tool, kind, pathlib.Path(name))
            check_network(tool, kind, pathlib.Path(name))
            check_tool(tool, kind, pathlib.Path(name))
    print("tickets: the same bits in onnxruntime, the reference evaluator and Swiftlet")


if __name__ == "__main__":
    main()
