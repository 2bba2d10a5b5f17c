"""scikit-learn's handwritten digits, with the split and the distortions of samples/digits/train.py."""
import pathlib
import sys

import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "samples/digits"))
from train import data as split, distorted  # noqa: E402

SOURCE = "scikit-learn load_digits (UCI Optical Recognition of Handwritten Digits, CC BY 4.0)"


def deterministic(seed):
    """Training repeats on one machine; another processor may round differently and find other weights."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def load():
    """((ink, digit) to train with, (ink, digit) held out): float [n, 1, 8, 8] from 0 (paper) to 1, int64 [n]."""
    training, held_out = split()
    return [(torch.from_numpy(ink), torch.from_numpy(digit).long()) for ink, digit, *_ in (training, held_out)]
