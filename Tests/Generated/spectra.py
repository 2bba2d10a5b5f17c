"""Fourier transforms, windows, mel weights."""
import numpy as np

from cases import family


@family(120)
def dft(c):
  n = c.integer(1, c.pick([8, 40]))
  inverse, onesided = c.pick([None, 0, 1]), c.pick([None, 0, 1])
  parts = 1 if onesided == 1 and inverse != 1 else c.pick([1, 2])
  if onesided == 1 and inverse == 1:
    onesided = 0
  rank = c.integer(1, 3)
  s = [c.integer(1, 4) for _ in range(rank)]
  # The batch axis, then signal axes, then the parts.
  shape = [c.integer(1, 3), *s, parts]
  axis = c.integer(1, rank)
  shape[axis] = n
  length = np.array(c.integer(1, 12), np.int64) if c.chance(0.3) else None
  x = c.data(shape, c.pick([np.float32, np.float32, np.float64]))
  if c.flag():
    c.node("DFT", [x, length], since=17, until=19, axis=axis, inverse=inverse, onesided=onesided)
  else:
    at = np.array(axis - len(shape) if c.flag() else axis, np.int64)
    c.node("DFT", [x, length, at], since=20, inverse=inverse, onesided=onesided)


@family(60)
def dft_exact(c):
  """Whole numbers, whose transforms have zeros: what stands there is the rounding of the reference evaluator's transform."""
  n = c.integer(1, c.pick([16, 60, 200]))
  x = np.asarray(c.rng.integers(-9, 10, [1, n, c.integer(1, 2), 2])).astype(np.float32)
  inverse = c.flag()
  c.node("DFT", [x, None, np.array(1, np.int64)], since=20, inverse=inverse, only="reference", loops=False,
         # Bluestein's algorithm isn't the same to the last bit.
         tolerance=(1e-6, 1e-7 if n < 50 else 1e-5))


@family(40)
def dft_real(c):
  """Half spectra and back."""
  n = c.integer(2, c.pick([9, 40]))
  dtype = c.pick([np.float32, np.float64])
  length = np.array(c.integer(2, 24), np.int64) if c.flag() else None
  x = c.data([c.integer(1, 3), n, 2 if (inverse := c.flag()) else 1], dtype)
  c.node("DFT", [x, length, np.array(1, np.int64)], since=20, inverse=inverse, onesided=1, only="reference" if inverse else None, loops=not inverse)


@family(60)
def stft(c):
  n, size, step = c.integer(1, 3), c.integer(10, 40), c.integer(1, 5)
  frame = c.integer(2, 9)
  dtype = c.pick([np.float32, np.float32, np.float64])
  window = c.data([frame], dtype) if c.chance(0.7) else None
  parts = c.pick([1, 1, 2])
  x = c.data([n, size, parts], dtype)
  c.node("STFT", [x, np.array(step, np.int64), window, np.array(frame, np.int64) if window is None or c.flag() else None],
         onesided=0 if parts == 2 else c.pick([None, 0, 1]), since=17)


@family(40)
def window(c):
  op = c.pick(["HannWindow", "HammingWindow", "BlackmanWindow"])
  # onnxruntime computes in float.
  c.node(op, [np.array(c.integer(1, 20), c.pick([np.int32, np.int64]))], periodic=c.pick([None, 0, 1]),
         output_datatype=c.pick([None, 1, 11]), since=17, loops=False)


@family(20)
def mel_weight_matrix(c):
  rate = c.pick([8000, 16000])
  x = [np.array(v, np.int64) for v in (c.integer(2, 12), c.pick([16, 64, 257]), rate)]
  x += [np.array(v, np.float32) for v in (c.pick([0.0, 20.0, 300.0]), rate / c.pick([2, 4]))]
  c.node("MelWeightMatrix", x, since=17)
