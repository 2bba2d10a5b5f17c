#!/usr/bin/env python3
"""memory.py TOOL [MEGABYTES]: packs a model of MEGABYTES (96) of float32, float16 and int8 weights in two files of
external data and unpacks it again. Packing takes less than 80 MB of memory whatever the size, unpacking little more than
the files; they come back byte for byte. Try 4400: more than 2^32 bytes (needs four times that on disk)."""
import array
import filecmp
import os
import random
import subprocess
import sys
import tempfile

BLOCK = 1 << 20


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    """A field of a protobuf message: an integer, or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name, kind, count, file, offset, size):
    places = [(b"location", file.encode()), (b"offset", b"%d" % offset), (b"length", b"%d" % size)]
    external = b"".join(field(13, field(1, k) + field(2, v)) for k, v in places)
    return field(5, field(1, count) + field(2, kind) + field(8, name.encode()) + external + field(14, 1))


def model(tensors):
    """y = -x, and the tensors."""
    node = field(1, b"x") + field(2, b"y") + field(4, b"Neg")
    kind = field(1, field(1, 1) + field(2, field(1, field(1, 4))))
    graph = field(1, node) + field(2, b"g") + tensors
    graph += field(11, field(1, b"x") + field(2, kind)) + field(12, field(1, b"y") + field(2, kind))
    return field(1, 8) + field(7, graph) + field(8, field(2, 17))


def write(folder, megabytes):
    """A model in `folder`; the names of its files."""
    rng = random.Random(1)
    floats = array.array("f", (rng.gauss(0, 0.05) for _ in range(BLOCK // 4))).tobytes()
    # Upper halves of float32, with their exponents moved: float16 numbers that are spread like weights.
    halves = array.array("H", (rng.randrange(2) << 15 | rng.randrange(8, 14) << 10 | rng.randrange(1024)
                               for _ in range(BLOCK // 2))).tobytes()
    integers = rng.randbytes(BLOCK)
    parts = [("a", 1, 4, floats, megabytes // 2), ("h", 10, 2, halves, megabytes // 4),
             ("q", 3, 1, integers, megabytes // 4)]
    tensors, ends = b"", {"one.bin": 0, "two.bin": 0}
    for name, kind, width, block, count in parts:
        file = "one.bin" if name == "a" else "two.bin"
        with open(os.path.join(folder, file), "ab") as f:
            for _ in range(count):
                f.write(block)
        tensors += tensor(name, kind, count * BLOCK // width, file, ends[file], count * BLOCK)
        ends[file] += count * BLOCK
    with open(os.path.join(folder, "m.onnx"), "wb") as f:
        f.write(model(tensors))
    return ["m.onnx", *ends]


def peak(*command):
    """Megabytes of memory that a command takes at most."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return usage.ru_maxrss / 1024


def main():
    tool, megabytes = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 96
    with tempfile.TemporaryDirectory() as folder:
        names = write(folder, megabytes)
        packed, out = os.path.join(folder, "m.swl"), os.path.join(folder, "out")
        os.mkdir(out)
        packing = peak(tool, "pack", os.path.join(folder, "m.onnx"), "-o", packed, "--threads", "2")
        unpacking = peak(tool, "unpack", packed, "-o", os.path.join(out, "m.onnx"))
        for name in names:
            assert filecmp.cmp(os.path.join(folder, name), os.path.join(out, name), shallow=False), name
        print(f"{megabytes} MB of weights: {packing:.0f} MB to pack, {unpacking:.0f} MB to unpack, the same files")
        assert packing < 80 and unpacking < megabytes * 1.05 + 128


if __name__ == "__main__":
    main()
