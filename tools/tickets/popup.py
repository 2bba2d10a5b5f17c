"""Edge-popup (arXiv 1911.13299): the weights of a network stay a random draw, and what is trained is which are kept.

Every weight has a score. The weight that runs is a signed constant for the layer's largest scores and 0 elsewhere; the
gradient with respect to that weight goes straight through to the scores. Signs and scale are those of
docs/ticket-format.md, so that what was trained is exactly the ticket that is written.
"""
import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize

import ticket


class Kept(torch.autograd.Function):
    """1 at the `count` largest scores, 0 elsewhere; passes the gradient through."""

    @staticmethod
    def forward(context, scores, count):
        mask = torch.zeros_like(scores)
        mask.view(-1)[scores.view(-1).topk(count, sorted=False).indices] = 1
        return mask

    @staticmethod
    def backward(context, gradient):
        return gradient, None


class Popup(nn.Module):
    """Makes a layer's weight from its scores."""

    def __init__(self, shape, seed, share):
        """`shape`: (outputs, inputs...). `seed`: the tensor's, 64 bits. `share`: of the weights to be kept, 0 to 1."""
        super().__init__()
        count = int(np.prod(shape))
        self.seed, self.count = seed, max(1, round(share * count))
        # Kaiming's constant for as many inputs as are kept.
        self.scale = np.float32((2 * shape[0] / self.count) ** 0.5)
        drawn = ticket.expand("Signed", ticket.pack(np.ones(count)), seed, self.scale, shape)
        self.register_buffer("drawn", torch.from_numpy(drawn))

    def forward(self, scores):
        return self.drawn * Kept.apply(scores.abs(), self.count) + 0.0  # which makes negative zeros positive


def weighted(network):
    """The layers with weights, in order."""
    return [layer for layer in network.modules() if isinstance(layer, (nn.Linear, nn.Conv2d))]


def draw(network, seed, share):
    """Gives every layer of `network` a draw of the network seed `seed`; their weights become scores."""
    for index, layer in enumerate(weighted(network)):
        shape = tuple(layer.weight.shape)
        parametrize.register_parametrization(layer, "weight", Popup(shape, ticket.tensor_seed(seed, index), share))
    return network


def found(layer):
    """(mask of booleans, seed, scale) of a layer that `draw` was applied to; None for any other."""
    if not parametrize.is_parametrized(layer, "weight") or not isinstance(layer.parametrizations.weight[0], Popup):
        return None
    popup = layer.parametrizations.weight[0]
    return layer.weight.detach().numpy() != 0, popup.seed, popup.scale
