"""Moment matching with moving averages, as arXiv 2212.08311 trains generators: no discriminator, but a network that was
trained on the same data, and the mean and variance of each of its features over real and over generated pictures."""
import torch
from torch import nn

CLASSES = 10
DECAY = 0.9


class Features(nn.Module):
    """Pixels, and what comes out of each activation of a trained network: a list of float [n, features]."""

    def __init__(self, network):
        super().__init__()
        self.network = network.eval().requires_grad_(False)

    def forward(self, value):
        result = [value.flatten(1)]
        for index, layer in enumerate(self.network):
            value = layer(value)
            if isinstance(layer, nn.ReLU) or index + 1 == len(self.network):
                result.append(value.flatten(1))
        return result


class Moments:
    """How far the moments of what is generated are from those of the data, class by class."""

    def __init__(self, features, ink, digit):
        self.features, self.steps = features, 0
        with torch.no_grad():
            real = features(ink)
        # Features that hardly vary in the data don't weigh more than 20 times the one that varies most.
        self.units = [part.std(0) + 0.05 * part.std(0).max() for part in real]
        self.real = [moments([part[digit == label] / unit for label in range(CLASSES)])
                     for part, unit in zip(real, self.units)]
        self.average = [torch.zeros_like(part) for part in self.real]

    def loss(self, ink):
        """`ink`: pictures of each class in turn, as many of each. A batch is small: so the difference is averaged over
        the last ones, and the gradient is that of half its square with the batch's moments as what varies."""
        self.steps += 1
        total = 0
        for part, unit, real, average in zip(self.features(ink), self.units, self.real, self.average):
            difference = moments((part / unit).unflatten(0, (CLASSES, -1))) - real
            average.lerp_(difference.detach(), 1 - DECAY)
            total = total + (average / (1 - DECAY ** self.steps) * difference).mean()
        return total


def moments(classes):
    """Mean and variance of each class's [n, features]: [2, classes, features]."""
    return torch.stack([torch.stack([part.mean(0), part.var(0)]) for part in classes], 1)
