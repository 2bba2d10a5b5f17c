"""scikit-learn's handwritten digits, with the split and the distortions of samples/digits/train.py."""
import pathlib
import sys

import numpy as np
import torch
from sklearn.model_selection import train_test_split

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "samples/digits"))
from train import data as split, distorted  # noqa: E402

SOURCE = "scikit-learn load_digits (UCI Optical Recognition of Handwritten Digits, CC BY 4.0)"


def deterministic(seed):
    """Training repeats on one machine; another processor may round differently and find other weights."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def load(third=0):
    """((ink, digit) to train with, (ink, digit) held out): float [n, 1, 8, 8] from 0 (paper) to 1, int64 [n].

    Third 0 is held out by all that chooses anything (widths, rates, the share that is kept); thirds 1 and 2 are for
    figures: what chose nothing.
    """
    parts = [(part[0], part[1]) for part in split()]
    if third:
        (ink, digit), chose = parts
        halves = train_test_split(np.arange(len(ink)), test_size=0.5, stratify=digit, random_state=0)
        test, rest = ((ink[i], digit[i]) for i in (halves if third == 1 else halves[::-1]))
        parts = [tuple(map(np.concatenate, zip(rest, chose))), test]
    return [(torch.from_numpy(ink), torch.from_numpy(digit).long()) for ink, digit in parts]
