"""Iterative magnitude pruning (arXiv 1803.03635): train, drop each layer's smallest weights, start again from the first
weights with what is left. For comparison with tickets: these weights are trained, and have to be stored."""
import copy

import torch
from torch import nn
from torch.nn.utils import parametrize

import popup


class Masked(nn.Module):
    def __init__(self, mask):
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight):
        return weight * self.mask + 0.0  # which makes negative zeros positive


def prune(network, train, share, rounds):
    """The network after `rounds` rounds and a last training, `share` (0 to 1) of each layer's weights kept.
    `train(network)` trains in place."""
    start = copy.deepcopy(network.state_dict())
    masks = [torch.ones_like(layer.weight) for layer in popup.weighted(network)]
    for step in range(1, rounds + 1):
        train(network)
        sizes = [(layer.weight * mask).detach().abs() for layer, mask in zip(popup.weighted(network), masks)]
        masks = [popup.Kept.apply(size, max(1, round(share ** (step / rounds) * size.numel()))) for size in sizes]
        network = copy.deepcopy(fresh(network, start))
        for layer, mask in zip(popup.weighted(network), masks):
            parametrize.register_parametrization(layer, "weight", Masked(mask))
    train(network)
    return network


def fresh(network, start):
    """The network as it was at the start, without masks."""
    for layer in popup.weighted(network):
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight")
    network.load_state_dict(start)
    return network
