"""Ed25519 as RFC 8032, section 5.1 writes it down: slow, and without any library."""

from __future__ import annotations

import hashlib

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P

Point = tuple[int, int]
ZERO: Point = (0, 1)


def add(a: Point, b: Point) -> Point:
    (x1, y1), (x2, y2) = a, b
    both = D * x1 * x2 * y1 * y2
    return (
        (x1 * y2 + x2 * y1) * pow(1 + both, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - both, -1, P) % P,
    )


def times(n: int, point: Point) -> Point:
    total = ZERO
    while n:
        if n & 1:
            total = add(total, point)
        point = add(point, point)
        n >>= 1
    return total


def x_of(y: int, odd: int) -> int:
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert x * x % P == square
    return x if x & 1 == odd else -x % P


BASE: Point = (x_of(4 * pow(5, -1, P) % P, 0), 4 * pow(5, -1, P) % P)


def packed(point: Point) -> bytes:
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def number(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


def secret(seed: bytes) -> tuple[int, bytes]:
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little") & (2**254 - 8) | 2**254
    return scalar, digest[32:]


def public_key(seed: bytes) -> bytes:
    return packed(times(secret(seed)[0], BASE))


def signature(seed: bytes, message: bytes) -> bytes:
    scalar, salt = secret(seed)
    key = packed(times(scalar, BASE))
    once = number(salt, message) % ORDER
    first = packed(times(once, BASE))
    return first + ((once + number(first, key, message) * scalar) % ORDER).to_bytes(32, "little")
