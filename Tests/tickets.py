#!/usr/bin/env python3
"""Tickets: onnxruntime, the ONNX reference evaluator and Swiftlet get the weights of docs/ticket-format.md, bit for bit.

    Tests/tickets.py [build/swiftlet]       needs numpy, onnx and onnxruntime; without them it says so and passes
"""
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


def due(model):
    parts = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    low, high = map(int, parts["w0.seed"])
    return ticket.expand(parts["w0.mask"], low | high << 32, parts["w0.scale"], parts["w0.shape"])


def vectors():
    page = (ROOT / "docs/ticket-format.md").read_text()
    for seed in (0, 1, 0x0123456789ABCDEF):
        line = f"seed {seed:#018x}: " + " ".join(f"{w:08x}" for w in ticket.words(seed, 0, 4))
        assert line in page, f"docs/ticket-format.md lacks '{line}'"
    assert " ".join(f"{ticket.tensor_seed(7, i):#018x}" for i in range(3)) in page


def statistics():
    """Signs are balanced and independent of their neighbours, of neighbouring seeds, and in each bit of a word."""
    words = ticket.words(3, 0, 1 << 20)
    bits = np.unpackbits(words.view(np.uint8), bitorder="little").reshape(-1, 32)
    sigma = 0.5 / len(bits) ** 0.5
    assert abs(bits.mean(0) - 0.5).max() < 5 * sigma
    flat = bits.ravel().astype(bool)
    for lag in (1, 2, 31, 32, 33, 64, 4096):
        assert abs((flat[lag:] ^ flat[:-lag]).mean() - 0.5) < 5 * 0.5 / (len(flat) - lag) ** 0.5, lag
    for seed in (2, 4, 3 + (1 << 32)):
        assert abs((flat ^ ticket.signs(seed, len(flat))).mean() - 0.5) < 5 * 0.5 / len(flat) ** 0.5, seed


def run_swiftlet(tool, path, x, folder):
    np.save(folder / "x.npy", x)
    subprocess.run([tool, "run", path, "--in", f"x={folder / 'x.npy'}", "--out", folder / "out"], check=True,
                   stdout=subprocess.DEVNULL)
    return np.load(folder / "out/y.npy"), np.load(folder / "out/w0.npy")


def main():
    tool = sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/swiftlet"
    vectors()
    statistics()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for share in (0, 0.3, 1):
            # 95 columns: neither bytes nor words end with a row.
            model = ticket.sample(outputs=95, share=share)
            onnx.checker.check_model(model)
            onnx.save(model, folder / "ticket.onnx")
            x = np.random.default_rng(0).random((3, 256), np.float32)
            want = due(model)
            engines = {
                "reference": lambda: ReferenceEvaluator(model).run(None, {"x": x}),
                "onnxruntime": lambda: onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x}),
                "swiftlet": lambda: run_swiftlet(tool, folder / "ticket.onnx", x, folder),
            }
            results = {engine: run() for engine, run in engines.items()}
            for engine, (y, w) in results.items():
                assert (w.view(np.uint32) == want.view(np.uint32)).all(), f"{engine}: other weights at {share}"
                assert np.allclose(y, results["reference"][0], rtol=1e-4, atol=1e-4), f"{engine}: other results at {share}"
    print("tickets: the same bits in onnxruntime, the reference evaluator and Swiftlet")


if __name__ == "__main__":
    main()
