"""Operators on strings."""
import numpy as np

from cases import family

WORDS = ["Monday", "tuesday", "WEDNESDAY", "", "é", "straße", "a,b;c", "  x y ", "123", "a1b2", "naïve", "日本", "one two three", "x"]


def words(c, shape, some=WORDS):
  return np.array([c.pick(some) for _ in range(int(np.prod(shape)))], object).reshape(shape)


@family(40)
def string_concat(c):
  full = c.shape(0, 4)
  part = lambda: tuple(1 if c.chance(0.3) else d for d in full)[c.integer(0, len(full)) if c.chance(0.3) else 0:]
  c.node("StringConcat", [words(c, part()), words(c, part())], since=20)


@family(60)
def string_split(c):
  c.node("StringSplit", [words(c, c.shape(0, 3))], outputs=2, delimiter=c.pick([None, "", ",", " ", "b", "no"]),
         maxsplit=c.pick([None, 1, 2]), since=20,
         # onnxruntime splits "" into nothing whatever the delimiter is; the reference evaluator as Python does.
         only="reference", loops=False)


@family(60)
def string_normalizer(c):
  plain = ["Monday", "tuesday", "WEDNESDAY", "x", "Abc", "monday"]
  n = c.integer(1, 6)
  x = words(c, (n,) if c.flag() else (1, n), plain)
  stopwords = [c.pick(plain) for _ in range(c.integer(1, 3))] if c.chance(0.6) else None
  c.node("StringNormalizer", [x], case_change_action=c.pick([None, "LOWER", "UPPER", "NONE"]), is_case_sensitive=c.pick([None, 0, 1]),
         stopwords=stopwords, since=10, only="onnxruntime")


@family(20)
def string_normalizer_accents(c):
  """Letters beyond ASCII change case by Unicode, whatever locales the machine has."""
  some = ["Élan", "ÀÉÎ", "straße", "ñandú", "ΑΒΓ", "где"]
  x = words(c, (c.integer(1, 4),), some)
  action = c.pick(["LOWER", "UPPER"])
  c.node("StringNormalizer", [x], case_change_action=action, is_case_sensitive=1, locale=c.pick([None, "en_US", "nowhere"]), since=10,
         expect=[np.array([s.lower() if action == "LOWER" else s.upper() for s in x], object)], form="node")


PATTERNS = [r"\d+", r"[a-z]*", r"(Mon|tues)day", r".*", r"", r"a.b.*", r"\w+", r"[^0-9]+", r"x?y*", r"\s*x\sy\s*", r"a{1,2}\d", r"(?i)monday",
            r"[[:alpha:]]+", r"one\b.*", r"^x$", r"\p{L}+", r"\W*"]


@family(60)
def regex_full_match(c):
  c.node("RegexFullMatch", [words(c, c.shape(0, 3))], pattern=c.pick(PATTERNS), since=20, trust="onnxruntime", only="onnxruntime")


@family(80)
def tf_idf(c):
  of_words = c.flag()
  pool = ["a", "b", "c", "d"] if of_words else [1, 2, 3, 4]
  n1, n2, n3 = c.integer(1, 4), c.integer(0, 3), c.integer(0, 2)
  grams = [(pool[i],) for i in c.permutation(4)[:n1]]
  pairs = {(c.pick(pool), c.pick(pool)) for _ in range(n2)}
  triples = {(c.pick(pool), c.pick(pool), c.pick(pool)) for _ in range(n3)}
  levels = [sorted(grams), sorted(pairs), sorted(triples)]
  flat = [v for level in levels for g in level for v in g]
  count = sum(len(level) for level in levels)
  starts = [0, len(levels[0]), len(levels[0]) + 2 * len(levels[1])][: c.integer(1, 3)]
  if len(starts) < 3:
    levels = levels[: len(starts)]
    flat = [v for level in levels for g in level for v in g]
    count = sum(len(level) for level in levels)
  longest = c.integer(1, len(starts))
  # The i-th weight is the i-th n-gram's; the reference evaluator takes it for the i-th column's.
  shape = (c.integer(1, 8),) if c.flag() else (c.integer(1, 3), c.integer(1, 8))
  x = np.array([c.pick(pool + (["z"] if of_words else [9])) for _ in range(int(np.prod(shape)))], object if of_words else c.pick([np.int32, np.int64]))
  c.node("TfIdfVectorizer", [x.reshape(shape)], since=9, mode=c.pick(["TF", "IDF", "TFIDF"]), min_gram_length=c.integer(1, longest),
         max_gram_length=longest, max_skip_count=c.integer(0, 2), ngram_counts=starts, ngram_indexes=c.permutation(count),
         weights=[float(w) for w in c.rng.random(count)] if c.flag() else None,
         pool_strings=flat if of_words else None, pool_int64s=None if of_words else flat, only="onnxruntime",
         form=c.pick(["node", "if"]))
