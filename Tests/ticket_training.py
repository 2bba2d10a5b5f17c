#!/usr/bin/env python3
"""What tools/tickets trains is what it writes, and repeats. A few steps of each way, in seconds.

    Tests/ticket_training.py    needs torch, scikit-learn, pillow, onnx, onnxruntime; without them it says so and passes
"""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools/tickets"))
try:
    import numpy as np
    import onnx
    import onnxruntime
    import torch
    import classifier
    import digits
    import generator
    import magnitude
    import moments
    import popup
    import ticket
except ImportError as error:
    sys.exit(print(f"skipped: {error}"))

SEED, KEPT = 7, 0.1


def run(model, inputs):
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, inputs)[0]


def drawn_classifier(training):
    digits.deterministic(SEED)
    model = popup.draw(classifier.network(4), SEED, KEPT)
    classifier.train(model, *training, SEED, 1)
    return model


def the_weights_that_were_trained_are_the_ticket(model):
    for index, layer in enumerate(popup.weighted(model)):
        kept, seed, scale = popup.found(layer)
        assert seed == ticket.tensor_seed(SEED, index)
        assert kept.sum() == max(1, round(KEPT * kept.size)), f"layer {index} keeps {kept.sum()} of {kept.size}"
        written = ticket.expand("Signed", ticket.pack(kept), seed, scale, kept.shape)
        assert (written.view(np.uint32) == layer.weight.detach().numpy().view(np.uint32)).all()


def a_ticket_runs_as_its_dense_twin_and_as_it_was_trained(model, ink):
    results = [run(classifier.exported(model, {}, tickets), {"image": ink.numpy()}) for tickets in (True, False)]
    assert (results[0] == results[1]).all()
    with torch.no_grad():
        assert np.allclose(model(ink).softmax(1).numpy(), results[0], atol=1e-5)


def masks(model):
    return [popup.found(layer)[0] for layer in popup.weighted(model)]


def training_changes_the_masks_and_repeats(model, training):
    digits.deterministic(SEED)
    untrained = popup.draw(classifier.network(4), SEED, KEPT)
    assert any((a != b).any() for a, b in zip(masks(model), masks(untrained)))
    assert all((a == b).all() for a, b in zip(masks(model), masks(drawn_classifier(training))))


def pruning_keeps_the_share(training):
    digits.deterministic(SEED)
    model = magnitude.prune(classifier.network(4), lambda m: classifier.train(m, *training, SEED, 1), KEPT, 2)
    for layer in popup.weighted(model):
        count = int((layer.weight != 0).sum())
        assert count == max(1, round(KEPT * layer.weight.numel())), f"{count} of {layer.weight.numel()}"
        zero = layer.weight == 0
        assert not torch.signbit(layer.weight)[zero].any(), "negative zeros, which don't pack"


def the_data_have_their_own_moments(training):
    ink, digit = training
    order = torch.cat([torch.nonzero(digit == label).flatten()[:100] for label in range(moments.CLASSES)])
    target = moments.Moments(moments.Features(classifier.network(4)), ink[order], digit[order])
    assert abs(target.loss(ink[order])) < 1e-6
    assert target.loss(ink[order].flip(0)) > 1e-2


def a_generator_draws_pictures(training):
    digits.deterministic(SEED)
    model = popup.draw(generator.network(16), SEED, KEPT)
    generator.train(model, *training, SEED, 3)
    inputs = {"digit": np.array([3, 8]), "noise": np.zeros((2, generator.NOISE), np.float32)}
    results = [run(generator.exported(model, {}, tickets), inputs) for tickets in (True, False)]
    assert (results[0] == results[1]).all() and results[0].shape == (2, 1, 8, 8)
    assert (results[0][0] != results[0][1]).any()


def main():
    training, held_out = digits.load()
    training = [part[:640] for part in training]
    model = drawn_classifier(training)
    the_weights_that_were_trained_are_the_ticket(model)
    a_ticket_runs_as_its_dense_twin_and_as_it_was_trained(model, held_out[0][:50])
    training_changes_the_masks_and_repeats(model, training)
    pruning_keeps_the_share(training)
    the_data_have_their_own_moments(digits.load()[0])
    a_generator_draws_pictures(training)
    print("tickets: what is trained is what is written")


if __name__ == "__main__":
    main()
