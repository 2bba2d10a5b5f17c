"""Resampling and geometry: Resize, Upsample, GridSample, AffineGrid, NonMaxSuppression."""
import struct
import zlib

import numpy as np

from cases import COMMON, family, i64

COORDINATES = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"]


@family(380)
def resize(c):
  mode = c.pick(["nearest", "linear", "cubic"])
  rank = c.integer(1, 4) if mode != "cubic" else c.pick([2, 4])
  spatial = c.integer(1, min(rank, 3)) if mode != "cubic" else 2
  s = tuple(c.integer(1, 3) for _ in range(rank - spatial)) + tuple(c.integer(1, 8) for _ in range(spatial))
  dtype = c.pick([np.float32] * 5 + ([np.uint8, np.int8, np.int32, np.float64] if mode == "nearest" else [np.float32]))
  x = c.data(s, dtype)
  transform = c.pick(COORDINATES)
  since = 19 if transform == "half_pixel_symmetric" else 11
  attributes = {"mode": mode, "coordinate_transformation_mode": transform if transform != "half_pixel" or c.flag() else None}
  roi = None
  if transform == "tf_crop_and_resize":
    low = [float(c.rng.random() * 0.4) if k >= rank - spatial else 0.0 for k in range(rank)]
    high = [float(1.2 - c.rng.random() * 0.6) if k >= rank - spatial else 1.0 for k in range(rank)]
    roi = np.array(low + high, np.float32)
    attributes["extrapolation_value"] = c.pick([None, 5.0])
  if mode == "nearest":
    attributes["nearest_mode"] = c.pick(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil", None])
  if mode == "cubic":
    attributes["cubic_coeff_a"] = c.pick([None, -0.5])
    attributes["exclude_outside"] = c.pick([None, 0, 1])
  if mode != "nearest" and c.chance(0.3) and transform != "tf_crop_and_resize":
    attributes["antialias"], since = 1, max(since, 18)
  axes = None
  kept = list(range(rank))
  if c.chance(0.25) and spatial < rank:
    kept = list(range(rank - spatial, rank))
    axes, since = [k - rank if c.chance(0.3) and roi is None else k for k in kept], max(since, 18)
    if roi is not None:
      roi = roi.reshape(2, rank)[:, kept].ravel()
  scales = sizes = None
  if c.flag():
    scales = np.array([c.pick([0.5, 2.0, 1.0, 1.5, 0.6, 3.0, 2.3, 0.35]) if k >= rank - spatial else 1.0 for k in kept], np.float32)
    scales = np.array([v if int(s[k] * v) > 0 else 1.0 for k, v in zip(kept, scales)], np.float32)
  else:
    # The reference evaluator begins one element at -0.5 where pytorch_half_pixel says 0.
    least = 2 if transform == "pytorch_half_pixel" else 1
    sizes = i64(*[c.integer(least, 14) if k >= rank - spatial else s[k] for k in kept])
    if c.chance(0.2):
      attributes["keep_aspect_ratio_policy"], since = c.pick(["not_larger", "not_smaller", "stretch"]), max(since, 18)
      if attributes["keep_aspect_ratio_policy"] != "stretch":
        kept = list(range(rank - spatial, rank))
        axes, sizes = kept, i64(*[c.integer(2, 12) for _ in kept])
        if roi is not None and roi.size != 2 * len(kept):
          roi = roi.reshape(2, rank)[:, kept].ravel()
  attributes["axes"] = axes = [a % rank for a in axes] if axes and scales is not None else axes
  # With scales the specification's length_resized is the exact product, as the suite's cases have it; onnxruntime
  # rounds it, and so it does where the aspect ratio is kept. The reference evaluator knows no negative axes and no
  # loops. It begins at -0.5 where pytorch_half_pixel says 0 for an output of one element.
  exact = scales is None or transform in ("pytorch_half_pixel", "half_pixel_symmetric") or axes is not None and min(axes) < 0
  c.node("Resize", [x, roi, scales, sizes], since=since, attributes=attributes, constants=None if c.flag() else (1, 2, 3),
         only=None if exact else "reference", loops=scales is None and "keep_aspect_ratio_policy" not in attributes)


@family(20)
def resize_10(c):
  x = c.data([1, c.integer(1, 2), c.integer(1, 6), c.integer(1, 6)])
  scales = np.array([1, 1, c.pick([0.5, 2, 1.5]), c.pick([0.5, 2, 3])], np.float32)
  if x.shape[2] * scales[2] < 1 or x.shape[3] * scales[3] < 1:
    scales[2:] = 2
  c.node("Resize", [x, scales], since=10, until=10, mode=c.pick(["nearest", "linear"]), only="onnxruntime")


@family(40)
def upsample(c):
  x = c.data([1, c.integer(1, 2), c.integer(1, 6), c.integer(1, 6)])
  scales = [1.0, 1.0, c.pick([1.0, 2.0, 1.5]), c.pick([1.0, 2.0, 3.0])]
  mode = c.pick(["nearest", "linear", None])
  if c.flag():
    c.node("Upsample", [x], since=7, until=8, mode=mode, scales=scales, only="onnxruntime")
  else:
    c.node("Upsample", [x, np.array(scales, np.float32)], since=9, until=9, mode=mode, only="onnxruntime")


@family(140)
def grid_sample(c):
  d = c.pick([2, 2, 3])
  mode = c.pick(["linear", "nearest", "cubic"]) if d == 2 else c.pick(["linear", "nearest"])
  dtype = c.pick([np.float32] * 4 + [np.float64])
  x = c.data([c.integer(1, 2), c.integer(1, 3), *[c.integer(1, 6) for _ in range(d)]], dtype)
  grid = (c.rng.random([x.shape[0], *[c.integer(1, 5) for _ in range(d)], d]) * 2.8 - 1.4).astype(dtype)
  padding = c.pick(["zeros", "border", "reflection", None])
  # onnxruntime clamps the position itself at a border, also for cubic weights.
  old = d == 2 and c.chance(0.3) and (mode, padding) != ("cubic", "border")
  names = {"linear": "bilinear", "cubic": "bicubic"} if old else {}
  c.node("GridSample", [x, grid], loops=(mode, padding) != ("cubic", "border"), since=16 if old else 20, until=19 if old else 28, mode=names.get(mode, mode),
         padding_mode=padding, align_corners=c.pick([None, 0, 1]),
         # The references have positions in float32 whatever the type is.
         tolerance=None if dtype == np.float32 else (1e-4, 1e-4))


@family(20)
def grid_sample_complex(c):
  """Complex numbers: real and imaginary parts by themselves."""
  x = c.data([c.integer(1, 2), c.integer(1, 2), c.integer(1, 5), c.integer(1, 5)], np.complex64)
  grid = (c.rng.random([x.shape[0], c.integer(1, 4), c.integer(1, 4), 2]) * 2.4 - 1.2).astype(np.float32)
  c.node("GridSample", [x, grid], since=20, mode=c.pick(["linear", "nearest"]), padding_mode=c.pick(["zeros", "border"]),
         align_corners=c.flag(), only="reference", form="node")


@family(40)
def affine_grid(c):
  d, n = c.pick([2, 3]), c.integer(1, 3)
  theta = c.data([n, d, d + 1], c.pick([np.float32, np.float64]))
  size = i64(n, c.integer(1, 3), *[c.integer(2, 6) for _ in range(d)])
  # The reference evaluator computes in float32 whatever theta is.
  c.node("AffineGrid", [theta, size], since=20, until=COMMON, align_corners=c.pick([None, 0, 1]), trust="onnxruntime")


@family(90)
def non_max_suppression(c):
  n, classes, boxes = c.integer(1, 3), c.integer(1, 3), c.integer(1, c.pick([8, 30]))
  centre = c.pick([None, 0, 1])
  a = c.rng.random((n, boxes, 2)) * 10
  b = c.rng.random((n, boxes, 2)) * 6 + 0.1
  pairs = [a, b] if centre == 1 else [a, a + b]
  x = np.concatenate(pairs, -1).astype(np.float32)
  if centre != 1 and c.chance(0.3):
    # Corners in any order.
    x = x[..., [2, 3, 0, 1]]
  scores = (c.rng.permutation(n * classes * boxes) / (n * classes * boxes)).reshape(n, classes, boxes).astype(np.float32)
  limit = i64(c.pick([0, 1, 3, 100])) if c.chance(0.9) else None
  iou = np.array([c.pick([0.0, 0.3, 0.5, 1.0])], np.float32) if c.chance(0.8) else None
  score = np.array([c.pick([0.0, 0.4])], np.float32) if c.flag() else None
  c.node("NonMaxSuppression", [x, scores, limit, iou, score], since=10, center_point_box=centre, trust="onnxruntime")


def png(pixels):
  """A PNG file of [height, width, 1 or 3] bytes."""
  h, w, channels = pixels.shape
  def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
  header = struct.pack(">IIBBBBB", w, h, 8, 2 if channels == 3 else 0, 0, 0, 0)
  lines = b"".join(b"\0" + row.tobytes() for row in pixels)
  return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def bmp(pixels):
  """A BMP file of 24 bits, from the bottom up."""
  h, w, _ = pixels.shape
  pad = b"\0" * (-3 * w % 4)
  lines = b"".join(row[:, ::-1].tobytes() + pad for row in pixels[::-1])
  return b"BM" + struct.pack("<IHHI", 54 + len(lines), 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, w, h, 1, 24, 0, len(lines), 0, 0, 0, 0) + lines


def pnm(pixels, kind):
  """P1 to P6; bitmaps of what is above 127."""
  h, w, channels = pixels.shape
  black = (pixels[..., 0] < 128).astype(np.uint8)
  head = f"P{kind}\n# a comment\n{w} {h}\n" + ("" if kind in (1, 4) else "255\n")
  values = black if kind in (1, 4) else pixels
  if kind < 4:
    return (head + " ".join(map(str, values.ravel().tolist()))).encode()
  return head.encode() + (np.packbits(black, axis=1) if kind == 4 else values).tobytes()


@family(40)
def image_decoder(c):
  h, w = c.integer(1, 9), c.integer(1, 20)
  kind = c.pick(["png", "png grey", "bmp", 1, 2, 3, 4, 5, 6, "cut off", "no image"])
  pixels = c.rng.integers(0, 256, (h, w, 1 if kind in ("png grey", 1, 2, 4, 5) else 3)).astype(np.uint8)
  form = c.pick(["RGB", "BGR", "Grayscale", None])
  if kind == "bmp":
    stream = bmp(pixels)
  elif isinstance(kind, int):
    stream = pnm(pixels, kind)
  else:
    stream = png(pixels) if kind.startswith("png") else pnm(pixels, 6)[: -1] if kind == "cut off" else b"no image"
  if kind in (1, 4):
    pixels = np.where(pixels < 128, 0, 255).astype(np.uint8)
  rgb = np.broadcast_to(pixels, (h, w, 3))
  grey = (rgb.astype(np.int64) @ [19595, 38470, 7471] + 0x8000) >> 16
  y = grey[..., None].astype(np.uint8) if form == "Grayscale" else rgb[..., ::-1] if form == "BGR" else rgb
  if kind in ("cut off", "no image"):
    # What can't be decoded gives an empty matrix.
    y = np.zeros((0, 0, y.shape[2]), np.uint8)
  c.node("ImageDecoder", [np.frombuffer(stream, np.uint8)], since=20, pixel_format=form, dynamic=False, expect=[np.ascontiguousarray(y)])
