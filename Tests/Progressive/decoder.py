#!/usr/bin/env python3
"""An independent decoder of progressive models (docs/progressive-format.md): standard library only, plain and slow.

decoder.py FILE OUT            writes the files of a container (cut short or not) to the folder OUT, as far as they are known;
                               a file that is a model already is copied
"""
import os
import struct
import sys

TYPES = {1: (23, 8), 10: (10, 5), 16: (7, 8), 11: (52, 11)}  # ONNX element type -> bits of mantissa, of exponent
REST = 1 << 20

_crc = []
for i in range(256):
    for _ in range(8):
        i = i >> 1 ^ 0x82F63B78 if i & 1 else i >> 1
    _crc.append(i)


def crc32c(data):
    c = 0xFFFFFFFF
    for b in data:
        c = c >> 8 ^ _crc[(c ^ b) & 255]
    return c ^ 0xFFFFFFFF


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if n > len(self.data) - self.at:
            raise ValueError("cut short")
        self.at += n
        return self.data[self.at - n : self.at]

    def unpack(self, form):
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))

    def varint(self):
        value = shift = 0
        while True:
            b = self.take(1)[0]
            value |= (b & 127) << shift
            shift += 7
            if b < 128:
                return value

    def string(self):
        return self.take(self.varint()).decode()


class Tensor:
    def __init__(self, r):
        self.name, self.file, self.offset, self.type = r.string(), r.varint(), r.varint(), r.varint()
        self.shape = [r.varint() for _ in range(r.varint())]
        self.count = 1
        for d in self.shape:
            self.count *= d
        self.encoding, parameters = r.varint(), Reader(r.take(r.varint()))
        if self.encoding == 2:
            self.width, self.segment = 1, 1 << parameters.varint()
            self.segments = -(-self.count // self.segment)
            return
        if self.encoding != 1:
            raise ValueError(f"encoding {self.encoding}")
        self.M, self.X = TYPES[self.type]
        self.width = (self.M + self.X + 1) // 8
        p = parameters
        self.D, self.segment = p.varint(), 1 << p.varint()
        self.steps, plane = [], 0
        for _ in range(p.varint()):
            n = p.varint()
            self.steps.append((plane, plane + n))
            plane += n
        axis = p.varint()
        channels = self.shape[axis - 1] if axis else 1
        self.tops = [p.varint() for _ in range(channels)]
        self.inner = 1
        for d in self.shape[axis:]:
            self.inner *= d
        self.segments = -(-self.count // self.segment)

    def top(self, i):
        return self.tops[i // self.inner % len(self.tops)]


class Container:
    def __init__(self, data):
        self.data = data
        r = Reader(data)
        if r.take(8) != b"\x89SWL\r\n\x1a\n":
            raise ValueError("no progressive model")
        version, _, table_sum, table_length, self.length, header_sum = r.unpack("B3sIIQI")
        if version != 1 or crc32c(data[:28]) != header_sum:
            raise ValueError("damaged header")
        table = r.take(table_length)
        if crc32c(table) != table_sum:
            raise ValueError("damaged table")
        t = Reader(table)
        self.files = [(t.string(), t.varint(), t.unpack("I")[0]) for _ in range(t.varint())]
        self.tensors = [Tensor(t) for _ in range(t.varint())]
        self.chunks, at = {}, 32 + table_length
        while t.at < len(table):
            tensor, step, first, count = (t.varint() for _ in range(4))
            for segment in range(first, first + count):
                length = t.varint()
                self.chunks[tensor - 1, step, segment] = (at, length, t.unpack("I")[0])
                at += length

    def chunk(self, tensor, step, segment):
        """The bytes of a chunk, or None if they aren't all there."""
        at, length, checksum = self.chunks[tensor, step, segment]
        if at + length > len(self.data):
            return None
        data = self.data[at : at + length]
        if crc32c(data) != checksum:
            raise ValueError(f"damaged chunk {tensor} {step} {segment}")
        return data

    def decode(self):
        """The files as far as they are known."""
        files = [bytearray(n) for _, n, _ in self.files]
        self.place_rest(files)
        for k, t in enumerate(self.tensors):
            for s in range(t.segments):
                first = s * t.segment
                decode = decode_bytes if t.encoding == 2 else decode_segment
                weights = decode(self, k, t, s, first, min(t.segment, t.count - first))
                data = b"".join(w.to_bytes(t.width, "little") for w in weights)
                start = t.offset + first * t.width
                files[t.file][start : start + len(data)] = data
        return files

    def place_rest(self, files):
        total = sum(n for _, n, _ in self.files) - sum(t.count * t.width for t in self.tensors)
        rest = b""
        for s in range(-(-total // REST)):
            length = min(REST, total - s * REST)
            chunk = self.chunk(-1, 0, s) or bytes(length)
            rest += chunk if len(chunk) == length else lz4(chunk)
        at = 0
        for f, (_, length, _) in enumerate(self.files):
            position = 0
            ends = [(t.offset, t.offset + t.count * t.width) for t in self.tensors if t.file == f]
            for lower, upper in ends + [(length, length)]:
                files[f][position:lower] = rest[at : at + lower - position]
                at += lower - position
                position = upper


def lz4(block):
    r, out = Reader(block), bytearray()

    def length(n):
        more = 255 if n == 15 else 0
        while more == 255:
            more = r.take(1)[0]
            n += more
        return n

    while r.at < len(block):
        token = r.take(1)[0]
        out += r.take(length(token >> 4))
        if r.at == len(block):
            break
        (back,) = r.unpack("H")
        for _ in range(length(token & 15) + 4):
            out.append(out[-back])
    return bytes(out)


def decode_bytes(container, k, t, segment, first, count):
    """The bytes of a segment of encoding 2."""
    data = container.chunk(k, 0, segment)
    if data is None or len(data) == count:
        return data or bytes(count)
    r = Reader(data)
    occurs = r.take(32)
    return decode_symbols(r, [r.varint() if occurs[v // 8] >> v % 8 & 1 else 0 for v in range(256)], count)


def decode_segment(container, k, t, segment, first, count):
    """The bit patterns of a segment's weights."""
    M, X, D = t.M, t.X, t.D
    plane = [None] * count  # at which a weight became significant; -1: never, and it is known whole
    sign, mantissa, known, whole, last = [0] * count, [0] * count, [0] * count, [0] * count, 0
    for step, (a, b) in enumerate(t.steps):
        data = container.chunk(k, step, segment)
        if data is None:
            break
        r, last = Reader(data), b
        fresh = set()
        if a < D:
            waiting = [i for i in range(count) if plane[i] is None]
            c = min(b, D)
            symbols = decode_symbols(r, r.unpack(f"{c - a + (2 if b >= D else 1)}H"), len(waiting))
            for i, symbol in zip(waiting, symbols):
                if symbol < c - a:
                    plane[i] = a + symbol
                    fresh.add(i)
                elif b >= D:
                    plane[i] = -1
                    if symbol > c - a:
                        whole[i] = int.from_bytes(r.take(t.width), "little")
        bits = int.from_bytes(data[r.at :], "little")
        for i in range(count):
            if plane[i] is None or plane[i] < 0:
                continue
            if i in fresh:
                sign[i], bits = bits & 1, bits >> 1
            n = min(b - 1 - plane[i], M) - known[i]
            mantissa[i] = mantissa[i] << n | bits & ((1 << n) - 1)
            known[i] += n
            bits >>= n
    result = []
    for i in range(count):
        if plane[i] is None:
            result.append(0)
        elif plane[i] < 0:
            result.append(whole[i])
        else:
            m = known[i]
            middle = 1 << (M - m) >> 1
            result.append(sign[i] << (M + X) | (t.top(first + i) - plane[i]) << M | mantissa[i] << (M - m) | middle)
    return result


def decode_symbols(r, frequency, count):
    if sum(frequency) != 4096:
        raise ValueError("frequencies")
    symbol_at = [s for s, f in enumerate(frequency) for _ in range(f)]
    start = [sum(frequency[:s]) for s in range(len(frequency))]
    lanes = 1 if count < 2048 else 8
    x = list(r.unpack(f"{lanes}I"))
    symbols = []
    for j in range(count):
        v = x[j % lanes]
        place = v & 4095
        s = symbol_at[place]
        v = frequency[s] * (v >> 12) + place - start[s]
        if v < 65536:
            v = v << 16 | r.unpack("H")[0]
        x[j % lanes] = v
        symbols.append(s)
    if any(v != 65536 for v in x):
        raise ValueError("symbols")
    return symbols


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as f:
        data = f.read()
    if data[:1] == b"\x08":
        with open(os.path.join(sys.argv[2], "model.onnx"), "wb") as f:
            f.write(data)
        return
    container = Container(data)
    files = container.decode()
    for (name, _, checksum), data in zip(container.files, files):
        if len(container.data) == container.length and crc32c(data) != checksum:
            sys.exit(f"the file '{name}' has another checksum than it should")
        path = os.path.join(sys.argv[2], os.path.basename(name) or "model.onnx")
        with open(path, "wb") as f:
            f.write(data)


if __name__ == "__main__":
    main()
