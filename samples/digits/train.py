#!/usr/bin/env python3
"""Trains model.onnx, the digit classifier of this sample, and writes images/ and expected.txt.

The data are the 1,797 handwritten digits of 8x8 pixels that come with scikit-learn (the test part of the UCI set
"Optical Recognition of Handwritten Digits", CC BY 4.0). A third of them, drawn with a fixed seed so that every class
keeps its share, is held out: nothing is chosen by looking at it, and onnxruntime classifies it once, with the finished
file.

    pip install torch --index-url https://download.pytorch.org/whl/cpu
    pip install scikit-learn onnx onnxruntime pillow
    python3 train.py

Takes half a minute. Training repeats on one machine; another processor may round differently and find other weights.
"""
import pathlib
import time

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
SEED = 20
EPOCHS = 120
BATCH = 64
OPERATORS = {nn.Conv2d: "Conv", nn.ReLU: "Relu", nn.MaxPool2d: "MaxPool", nn.Flatten: "Flatten", nn.Linear: "Gemm"}


def data():
    """Ink from 0 (paper) to 1 as (n, 1, 8, 8), the digits drawn, and which of the set they are; training part first."""
    digits = load_digits()
    ink = (digits.images / 16).astype(np.float32)[:, None]
    order = np.arange(len(ink))
    training, held_out = train_test_split(order, test_size=1 / 3, stratify=digits.target, random_state=SEED)
    return (ink[training], digits.target[training]), (ink[held_out], digits.target[held_out], held_out)


def network():
    return nn.Sequential(
        nn.Conv2d(1, 24, 3, padding=1), nn.ReLU(),
        nn.Conv2d(24, 32, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 48, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Dropout(0.4),
        nn.Linear(48 * 4 * 4, 64), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(64, 10))


def distorted(ink, generator):
    """Each image turned by up to 12 degrees, scaled and slanted by up to 12 %, moved by up to 0.7 pixels."""
    n = len(ink)
    def uniform(bound):
        return (torch.rand(n, generator=generator) * 2 - 1) * bound
    angle, slant = uniform(12 * np.pi / 180), uniform(0.12)
    width, height = 1 + uniform(0.12), 1 + uniform(0.12)
    cos, sin = angle.cos(), angle.sin()
    move = 0.7 / 4  # the grid spans -1 to 1, over 8 pixels
    matrix = torch.stack([
        torch.stack([width * cos, slant - sin, uniform(move)], 1),
        torch.stack([sin, height * cos, uniform(move)], 1)], 1)
    grid = nn.functional.affine_grid(matrix, list(ink.shape), align_corners=False)
    return nn.functional.grid_sample(ink, grid, align_corners=False)


def train(ink, digit):
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(SEED)
    ink, digit = torch.from_numpy(ink), torch.from_numpy(digit).long()
    model = network()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    steps = EPOCHS * -(-len(ink) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=steps)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.02)
    started = time.time()
    for epoch in range(EPOCHS):
        total = 0.0
        for batch in torch.randperm(len(ink), generator=generator).split(BATCH):
            loss = loss_of(model(distorted(ink[batch], generator)), digit[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(batch)
        seconds = time.time() - started
        print(f"\repoch {epoch + 1}/{EPOCHS}  loss {total / len(ink):.4f}  {seconds:.0f} s ", end="", flush=True)
    print()
    return model.eval()


def exported(model):
    """The network as ONNX: image float[batch,1,8,8] -> probabilities float[batch,10]."""
    nodes, weights, value = [], [], "image"
    layers = [layer for layer in model if not isinstance(layer, nn.Dropout)]
    for index, layer in enumerate(layers, 1):
        kind = OPERATORS[type(layer)]
        attributes = {"Conv": {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]},
                      "MaxPool": {"kernel_shape": [2, 2], "strides": [2, 2]}, "Gemm": {"transB": 1}}.get(kind, {})
        name = f"{kind.lower()}_{index}"
        inputs = [value]
        for key, parameter in layer.named_parameters():
            inputs.append(f"{name}.{key}")
            weights.append(numpy_helper.from_array(parameter.detach().numpy(), inputs[-1]))
        value = name + "_out"
        nodes.append(helper.make_node(kind, inputs, [value], name, **attributes))
    nodes.append(helper.make_node("Softmax", [value], ["probabilities"], "softmax", axis=1))
    graph = helper.make_graph(
        nodes, "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8], "ink from 0 (paper) to 1")],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10], "one for each digit")],
        weights)
    result = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
                               producer_name="samples/digits/train.py", doc_string="Classifies handwritten digits")
    onnx.checker.check_model(result, full_check=True)
    return result


def probabilities(model, ink):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": ink})[0]


def write_images(ink, digit, number, answers):
    """The first held-out digit of each class, and the first two that are left, as grey PNG: black ink on white paper.
    expected.txt: file, the digit drawn, the probability that the model gives it with onnxruntime."""
    chosen = [int(np.flatnonzero(digit == d)[0]) for d in range(10)]
    chosen += [i for i in range(len(digit)) if i not in chosen][:2]
    folder = HERE / "images"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    lines = []
    for i in sorted(chosen, key=lambda i: (digit[i], number[i])):
        name = f"{digit[i]}-scan{number[i]:04}.png"
        Image.fromarray(np.rint(255 * (1 - ink[i, 0])).astype(np.uint8)).save(folder / name, optimize=True)
        lines.append(f"{name} {digit[i]} {answers[i, digit[i]]:.4f}\n")
    (HERE / "expected.txt").write_text("".join(lines))


def main():
    (ink, digit), (held_ink, held_digit, held_number) = data()
    model = exported(train(ink, digit))
    answers = probabilities(model, held_ink)
    right = int((answers.argmax(1) == held_digit).sum())
    accuracy = f"{right} of {len(held_digit)} held-out digits ({100 * right / len(held_digit):.2f} %)"
    helper.set_model_props(model, {
        "accuracy": accuracy,
        "data": "scikit-learn load_digits (UCI Optical Recognition of Handwritten Digits, CC BY 4.0)",
        "script": "samples/digits/train.py",
        "seed": str(SEED),
    })
    onnx.save(model, HERE / "model.onnx")
    write_images(held_ink, held_digit, held_number, answers)
    print(f"{accuracy}; {(HERE / 'model.onnx').stat().st_size} bytes")


if __name__ == "__main__":
    main()
