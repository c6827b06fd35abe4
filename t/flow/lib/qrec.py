# SPDX-License-Identifier: ISC
"""qrec.py - Postfix's queue records: a letter, a length in groups of seven bits with the low ones first, the data."""


def as_bytes(text):
    return text.encode() if isinstance(text, str) else text


def record(kind, data=b''):
    data = as_bytes(data)
    n, head = len(data), as_bytes(kind)
    while n > 127:
        head += bytes([n & 127 | 128])
        n >>= 7
    return head + bytes([n]) + data


def parse(data):
    """[(letter, data)]"""
    out, at = [], 0
    while at < len(data):
        kind, n, shift = chr(data[at]), 0, 0
        at += 1
        while data[at] > 127:
            n |= (data[at] & 127) << shift
            shift += 7
            at += 1
        n |= data[at] << shift
        out.append((kind, data[at + 1:at + 1 + n]))
        at += 1 + n
    return out


def envelope(sender, rcpts, extra=()):
    return b''.join(record(k, v) for k, v in extra) + record('S', sender) + b''.join(record('R', r) for r in rcpts)


def content(text):
    """A message's lines; the last one may lack its end."""
    lines = as_bytes(text).split(b'\n')
    return b''.join(record('N', line) for line in (lines if lines[-1] else lines[:-1]))


def text_of(data):
    """The message that these records hold."""
    return b''.join(d + (b'\n' if k == 'N' else b'') for k, d in parse(data))
