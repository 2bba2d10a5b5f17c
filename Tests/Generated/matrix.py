"""Matrix products, Einsum, determinants, quantised products."""
import numpy as np

from cases import BFLOAT16, FLOAT8, FLOATS, family


@family(140)
def mat_mul(c):
  m, k, n = (c.integer(1, c.pick([5, 40])) for _ in range(3))
  if c.chance(0.05):
    m, k, n = c.pick([(0, k, n), (m, 0, n), (m, k, 0)])
  batch = c.shape(0, 3, zero=0, largest=3)
  part = lambda: tuple(1 if c.chance(0.3) else d for d in batch)[c.integer(0, len(batch)) if c.chance(0.4) else 0:]
  dtype = c.pick([np.float32] * 4 + [np.float64, np.float16, np.int32, np.int64, np.uint32])
  a, b = c.data((*part(), m, k), dtype, scale=1), c.data((*part(), k, n), dtype, scale=1)
  if c.chance(0.15):
    a = c.data((k,), dtype)
  if c.chance(0.15):
    b = c.data((k,), dtype)
  c.node("MatMul", [a, b], since=9)


@family(120)
def gemm(c):
  m, k, n = (c.integer(1, c.pick([5, 40])) for _ in range(3))
  dtype = c.pick([np.float32] * 4 + [np.float64, np.float16, np.int32, np.int64])
  a_t, b_t = c.flag(), c.flag()
  a, b = c.data((k, m) if a_t else (m, k), dtype, scale=1), c.data((n, k) if b_t else (k, n), dtype, scale=1)
  bias = c.data(c.pick([(m, n), (n,), (1, n), (m, 1), (1,), ()]), dtype) if c.chance(0.7) else None
  whole = dtype in FLOATS
  factor = lambda: c.pick([None, 0.5, 2.0, -1.25, 0.0] if whole else [None, 1.0, 2.0])
  c.node("Gemm", [a, b, bias], transA=a_t or None, transB=b_t or None, alpha=factor(), beta=factor(), since=11 if bias is None else 9)


EQUATIONS = ["ij,jk->ik", "bij,bjk->bik", "ij->ji", "ii->i", "ii", "i,i->", "i,j->ij", "ij,ij->", "...ij,...jk->...ik", "...i->...",
             "bhqd,bhkd->bhqk", "bqhd,bkhd->bhqk", "ijk,ilm,njm->kln", "ij,kj", "abc->cab", "a...b->b...a", "ij,j->i", "...,...->...",
             "iij->ij", "ab,bc,cd->ad", "i...,...j->...ij", "b n h w, n d -> b d h w", "ij,", "a,a,a->a", "aab,b->a", "ij->", "...ii->...i"]


@family(120)
def einsum(c):
  equation = c.pick(EQUATIONS)
  terms = equation.split("->")[0].replace(" ", "").split(",")
  sizes = {s: c.integer(1, 4) for s in "abcdefghijklmnopqrstuvwxyz"}
  dots = c.shape(0, 2, zero=0, largest=3)
  def operand(term):
    s = []
    head, _, tail = term.partition("...")
    spread = tuple(d if c.chance(0.8) else 1 for d in dots)[c.integer(0, len(dots)) if c.chance(0.2) else 0:] if "..." in term else ()
    return tuple(sizes[x] for x in head) + spread + tuple(sizes[x] for x in tail)
  dtype = c.pick([np.float32] * 3 + [np.float64, np.int32, np.int64])
  x = [c.data(operand(t), dtype, scale=1) for t in terms]
  if "" in terms:
    x = [e if t else c.data((), dtype) for e, t in zip(x, terms)]
  c.node("Einsum", x, equation=equation, since=12)


@family(30)
def det(c):
  n = c.integer(1, 5)
  c.node("Det", [c.data(c.shape(0, 2, zero=0) + (n, n), c.pick([np.float32, np.float64]), scale=1)], since=11, tolerance=(1e-3, 1e-4))


def quantized(c, shape, dtype):
  info = np.iinfo(dtype)
  return c.rng.integers(info.min, info.max + 1, shape).astype(dtype)


@family(80)
def mat_mul_integer(c):
  m, k, n = (c.integer(1, c.pick([5, 70])) for _ in range(3))
  batch = c.shape(0, 2, zero=0, largest=3)
  at, bt = c.pick([np.uint8, np.int8]), c.pick([np.uint8, np.int8])
  a, b = quantized(c, (*batch, m, k), at), quantized(c, (*(batch if c.flag() else ()), k, n), bt)
  az = quantized(c, (), at) if c.chance(0.6) else None
  bz = quantized(c, c.pick([(), (n,)]), bt) if c.chance(0.6) else None
  c.node("MatMulInteger", [a, b, az, bz], since=10)


@family(80)
def q_linear_mat_mul(c):
  m, k, n = (c.integer(1, c.pick([5, 70])) for _ in range(3))
  batch = c.shape(0, 2, zero=0, largest=3)
  at, bt = c.pick([(np.uint8, np.uint8), (np.uint8, np.int8), (np.int8, np.int8)])
  scale = lambda s=(): np.asarray(c.rng.random(s) * 0.1 + 0.01, np.float32)
  columns = (n,) if c.chance(0.3) else ()
  c.node("QLinearMatMul", [quantized(c, (*batch, m, k), at), scale(), quantized(c, (), at), quantized(c, (k, n), bt), scale(columns),
                           quantized(c, columns, bt), np.asarray(scale() * 50, np.float32), quantized(c, (), at)],
         since=10, tolerance=(0, 1), trust="onnxruntime")


def rows_of(a, zero):
  """Zero points or scales of A as they broadcast: a vector has one for each row."""
  return zero if zero is None or zero.ndim != 1 else zero[:, None]


@family(60)
def quantized_rows(c):
  """Zero points and scales for each row of A and each column of B, also N-D ones, and 8-bit floats."""
  m, k, n = c.integer(1, 6), c.integer(1, 9), c.integer(1, 6)
  batch = c.shape(0, 2, zero=0, largest=3)
  rows = c.pick([(), (*batch, m, 1), (m,) if not batch else ()])
  columns = c.pick([(), (*batch, 1, n), (n,)])
  types = [np.uint8, np.int8]
  at, bt, yt = c.pick(types), c.pick(types), c.pick(types)
  a, b = quantized(c, (*batch, m, k), at), quantized(c, (*batch, k, n), bt)
  az, bz = quantized(c, rows, at), quantized(c, columns, bt)
  wide = lambda x: x.astype(np.int64)
  sums = np.matmul(wide(a) - wide(rows_of(a, az)), wide(b) - wide(bz))
  if c.flag():
    return c.node("MatMulInteger", [a, b, az, bz], since=10, expect=[sums.astype(np.int32)])
  scale = lambda s: np.asarray(c.rng.random(s) * 0.1 + 0.01, np.float32)
  sa, sb, sy = scale(rows), scale(columns), np.asarray(scale(()) * 30, np.float32)
  yz = quantized(c, (), yt)
  y = np.rint(sums * (rows_of(a, sa) * sb / sy)) + wide(yz)
  info = np.iinfo(yt)
  c.node("QLinearMatMul", [a, sa, az, b, sb, bz, sy, yz], since=10, expect=[np.clip(y, info.min, info.max).astype(yt)], tolerance=(0, 1))


@family(30)
def float8_mat_mul(c):
  m, k, n = c.integer(1, 5), c.integer(1, 6), c.integer(1, 5)
  at, bt, yt = (c.pick(FLOAT8) for _ in range(3))
  a, b = c.data((m, k), at, scale=1), c.data((k, n), bt, scale=1)
  scale = lambda: np.asarray(c.rng.random() + 0.2, np.float32)
  sa, sb, sy = scale(), scale(), scale()
  wide = lambda x: x.astype(np.float64)
  y = (np.matmul(wide(a), wide(b)) * np.float64(sa * sb / sy)).astype(np.float32)
  zero = lambda t: np.asarray(0).astype(t)
  c.node("QLinearMatMul", [a, sa, zero(at), b, sb, zero(bt), sy, zero(yt)], since=21, expect=[y.astype(yt)], form="node", tolerance=(0.3, 0.1))
