"""Linear attention, causal convolutions with state, SwiGLU."""
import numpy as np

from cases import family


@family(60)
def linear_attention(c):
  rule = c.pick(["linear", "gated", "delta", "gated_delta"])
  n, t, dk, dv = c.integer(1, 2), c.integer(1, 5), c.integer(1, 4), c.integer(1, 4)
  kv = c.integer(1, 2)
  heads = kv * c.integer(1, 2)
  small = lambda *s: c.data(s, scale=0.7)
  decay = -c.data((n, t, kv * c.pick([1, dk])), positive=True) if "gated" in rule else None
  beta = (c.rng.random((n, t, c.pick([1, kv]))) * 0.9).astype(np.float32) if "delta" in rule else None
  past = small(n, kv, dk, dv) if c.flag() else None
  c.node("LinearAttention", [small(n, t, heads * dk), small(n, t, kv * dk), small(n, t, kv * dv), past, decay, beta], outputs=2, since=27,
         q_num_heads=heads, kv_num_heads=kv, update_rule=rule, scale=c.pick([None, 0.5]), form="node")


@family(40)
def causal_conv_with_state(c):
  n, ch, length, k = c.integer(1, 2), c.integer(1, 4), c.integer(1, 6), c.integer(1, 4)
  past = c.data((n, ch, k - 1)) if c.flag() else None
  bias = c.data((ch,)) if c.flag() else None
  c.node("CausalConvWithState", [c.data((n, ch, length)), c.data((ch, 1, k)), bias, past], outputs=2, since=27,
         activation=c.pick([None, "none", "silu", "swish"]), form="node")


@family(20)
def swi_glu(c):
  s = c.shape()
  dtype = c.pick([np.float32, np.float64])
  c.node("SwiGLU", [c.data(s, dtype), c.data(s, dtype)], since=28, alpha=c.pick([None, 0.5, 1.7]))
