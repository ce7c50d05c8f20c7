"""Writes the golden files of this folder, from FORMAT.md alone: none of our Rust code takes part.

Run it here: `python3 make_golden.py`. It needs nothing but Python's own library.
"""

import gzip
import struct
import zlib
from pathlib import Path

GAMES, TIME = 4200, 1795320826
NUMBERS = b"".join(struct.pack("<f", n / 8 - 3) for n in range(300))

# BLAKE3, from its specification (section 2), as plainly as can be.
IV = [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19]
SHUFFLE = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8


def compress(chain, block, counter, length, flags):
    state = chain + IV[:4] + [counter & 0xFFFFFFFF, counter >> 32, length, flags]

    def quarter(a, b, c, d, x, y):
        for word, turn_d, turn_b in ((x, 16, 12), (y, 8, 7)):
            state[a] = (state[a] + state[b] + word) & 0xFFFFFFFF
            state[d] = turn(state[d] ^ state[a], turn_d)
            state[c] = (state[c] + state[d]) & 0xFFFFFFFF
            state[b] = turn(state[b] ^ state[c], turn_b)

    for _ in range(7):
        for n, (a, b, c, d) in enumerate(
            [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)]
            + [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
        ):
            quarter(a, b, c, d, block[2 * n], block[2 * n + 1])
        block = [block[n] for n in SHUFFLE]
    return [state[n] ^ state[n + 8] for n in range(8)]


def turn(word, bits):
    return (word >> bits | word << (32 - bits)) & 0xFFFFFFFF


def chunk_value(data, counter, flags):
    blocks = [data[n : n + 64] for n in range(0, len(data), 64)] or [b""]
    chain = IV
    for n, block in enumerate(blocks):
        ends = (CHUNK_START if n == 0 else 0) | ((CHUNK_END | flags) if n == len(blocks) - 1 else 0)
        chain = compress(chain, list(struct.unpack("<16I", block.ljust(64, b"\0"))), counter, len(block), ends)
    return chain


def tree_value(data, counter=0, flags=0):
    if len(data) <= 1024:
        return chunk_value(data, counter, flags)
    left = 1024
    while left * 2 < len(data):
        left *= 2
    both = tree_value(data[:left], counter) + tree_value(data[left:], counter + left // 1024)
    return compress(IV, both, 0, 64, PARENT | flags)


def blake3(data):
    return struct.pack("<8I", *tree_value(data, flags=ROOT))


# Versions 1 and 2.
def old(version, flags, payload):
    header = b"PRSM" + struct.pack("<IIIQq", version, flags, zlib.crc32(payload), GAMES, TIME)
    return header + payload


def deflate(data, window):
    packer = zlib.compressobj(9, zlib.DEFLATED, window)
    return packer.compress(data) + packer.flush()


# Version 3.
def varint(number):
    if number < 251:
        return bytes([number])
    for mark, code, bits in ((251, "<H", 16), (252, "<I", 32), (253, "<Q", 64)):
        if number < 1 << bits:
            return bytes([mark]) + struct.pack(code, number)


def text(string):
    return varint(len(string.encode())) + string.encode()


def meta(step, epoch, health, metrics, writer):
    block = b"\1" + varint(step)
    block += b"\0" if epoch is None else b"\1" + struct.pack("<d", epoch)
    block += varint(health) + varint(len(metrics))
    for name in sorted(metrics):
        block += text(name) + struct.pack("<d", metrics[name])
    return block + text(writer)


def up(number):
    return -(-number // 64) * 64


def v3(chunk_bytes, meta_block, sections):
    """sections: name, element, compression, raw bytes, function that packs a chunk or returns it."""
    table_bytes = sum(32 + len(name.encode()) for name, *_ in sections)
    chunk_count = sum(-(-len(raw) // chunk_bytes) for _, _, _, raw, _ in sections)
    data_offset = up(80 + len(meta_block) + table_bytes + 8 * chunk_count)
    table, chunks, data = b"", b"", b""
    for name, element, compression, raw, pack in sections:
        data += bytes(up(data_offset + len(data)) - data_offset - len(data))
        stored = [pack(raw[n : n + chunk_bytes]) for n in range(0, len(raw), chunk_bytes)]
        table += struct.pack("<BBHI", element, compression, len(name.encode()), len(stored))
        table += struct.pack("<QQQ", len(raw), sum(map(len, stored)), data_offset + len(data)) + name.encode()
        chunks += b"".join(struct.pack("<II", len(chunk), zlib.crc32(chunk)) for chunk in stored)
        data += b"".join(stored)
    tables = (meta_block + table + chunks).ljust(data_offset - 80, b"\0")
    flags = 2 | any(compression for _, _, compression, _, _ in sections)
    start = b"PRSM" + struct.pack("<IIIQq", 3, flags, zlib.crc32(data), GAMES, TIME)
    start += struct.pack("<QQ", data_offset + len(data) + 32, data_offset)
    start += struct.pack("<IIIII", len(meta_block), len(table), len(sections), chunk_count, chunk_bytes)
    start += struct.pack("<II", 0, zlib.crc32(tables))
    start += struct.pack("<I", zlib.crc32(start))
    return start + tables + data + blake3(start + tables + data)


def plain(chunk):
    return chunk


def lz4(chunk):
    """A block of one repeated byte: a literal, a match one byte back, five last literals."""
    if chunk != chunk[:1] * len(chunk) or len(chunk) != 512:
        return chunk
    return b"\x1f" + chunk[:1] + b"\1\0" + b"\xff\xe8" + b"\x50" + chunk[:5]


def zstd(chunk):
    """A frame whose only block is one repeated byte."""
    if chunk != chunk[:1] * len(chunk) or len(chunk) != 512:
        return chunk
    return b"\x28\xb5\x2f\xfd\x60" + struct.pack("<H", 512 - 256) + (512 << 3 | 1 << 1 | 1).to_bytes(3, "little") + chunk[:1]


def main():
    folder = Path(__file__).parent
    seal = struct.pack("<Qq", GAMES, TIME)
    two = [
        ("weights", 11, 0, struct.pack("<2f", 1.0, -2.5), plain),
        ("notes", 0, 0, b"hello", plain),
    ]
    packed = b"A" * 512 + NUMBERS[:512] + b"\0" * 512 + b"end"
    known = meta(70000, 1.5, 1, {"loss": 0.25, "accuracy": 0.5}, "golden 1.0")
    for name, data in {
        "v1": old(1, 0, NUMBERS),
        "v2": old(2, 0, NUMBERS),
        "v2-sealed": old(2, 2, NUMBERS + seal),
        "v2-gzip": old(2, 1, gzip.compress(NUMBERS, mtime=0)),
        "v2-gzip-sealed": old(2, 3, gzip.compress(NUMBERS, mtime=0) + seal),
        "v2-zlib": old(2, 1, deflate(NUMBERS, 15)),
        "v2-deflate": old(2, 1, deflate(NUMBERS, -15)),
        "v3": v3(4 << 20, known, two),
        "v3-lz4": v3(512, meta(0, None, 0, {}, ""), [("state", 0, 1, packed, lz4)]),
        "v3-zstd": v3(512, meta(0, None, 2, {}, ""), [("state", 0, 2, packed, zstd)]),
        "v3-chunks": v3(512, known, [("a", 11, 0, NUMBERS, plain), ("empty", 0, 0, b"", plain), ("b", 1, 0, NUMBERS[:777], plain)]),
    }.items():
        (folder / f"{name}.prsm").write_bytes(data)


assert blake3(b"").hex() == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
main()
