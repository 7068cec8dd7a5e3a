#!/usr/bin/env python3
"""Asks a Tamis reputation server whether it has heard of signatures (docs/reputation-packet.md). Python 3.11, no packages.

    reputation_client.py SERVER[:PORT] KIND:HEX[/SKETCH] ...

KIND is part, text, html, link, attachment, image or sender; HEX the 32 digits of the signature, as `tamis signature`
prints them; SKETCH, where the kind has one, the 128 digits of its 32 lanes. IPv6 addresses stand in brackets.
Exit code: 0 something is listed, 1 nothing is, 2 bad arguments, 3 no answer.
"""
import secrets
import socket
import struct
import sys
import time

KINDS = {"part": 1, "text": 2, "html": 3, "link": 4, "attachment": 5, "image": 6, "sender": 7}
WITH_SKETCH = {"text", "html", "attachment", "image"}
CLASSES = ["unknown", "suspected", "spam", "phishing", "malware", "bulk", "allowed"]
QUESTION, ANSWER, CHALLENGE = 1, 2, 3
HEADER = struct.Struct(">2sBBQQBBH")  # magic, version, type, id, cookie or epoch, flags, count, reserved
LISTING = struct.Struct(">BBBBHH")  # class, weight, reporters, similarity, age in hours, reserved
DATAGRAM_MAX, ITEMS_MAX = 1232, 64
TRIES, PATIENCE_S = 3, 1.0


def item(text: str) -> bytes:
    """The bytes of one item: kind, value, sketch."""
    kind, _, rest = text.partition(":")
    value, slash, sketch = rest.partition("/")
    if kind not in KINDS:
        raise ValueError(f"{text}: the kind is one of {', '.join(KINDS)}")
    if slash and kind not in WITH_SKETCH:
        raise ValueError(f"{text}: content of this kind has no sketch")
    for digits, length in [(value, 32), (sketch, 128 if slash else 0)]:
        if len(digits) != length or not set(digits.lower()) <= set("0123456789abcdef"):
            raise ValueError(f"{text}: {length} hexadecimal digits are wanted, not {digits!r}")
    return bytes([KINDS[kind] | (0x80 if slash else 0)]) + bytes.fromhex(value + sketch)


def server(text: str) -> tuple:
    """Where to ask: address family and socket address."""
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    host, port = (host, port) if colon else (text, "7060")
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_DGRAM)
    return found[0][0], found[0][4]


def reply(datagram: bytes, id_: int, count: int, longest: int):
    """A sound reply to our question: ("challenge", cookie) or ("answer", epoch, stale, listings); else None."""
    if not HEADER.size <= len(datagram) <= longest:
        return None
    magic, version, type_, its_id, word, flags, its_count, reserved = HEADER.unpack_from(datagram)
    if (magic, version, its_id, reserved) != (b"TM", 1, id_, 0):
        return None
    if type_ == CHALLENGE and not flags and not its_count and len(datagram) == HEADER.size and word:
        return "challenge", word
    begin = HEADER.size + (8 if flags & 1 else 0)  # a fresh cookie: of use to who asks again within minutes
    if type_ != ANSWER or flags & ~3 or its_count != count or len(datagram) != begin + 8 * count:
        return None
    listings = [LISTING.unpack_from(datagram, begin + 8 * place) for place in range(count)]
    if any(it[0] >= len(CLASSES) or it[5] or (not it[0] and any(it)) for it in listings):
        return None
    return "answer", word, bool(flags & 2), listings


def ask(where: tuple, items: list):
    """The answer of the server, or None. A lost datagram is sent again; a challenge is met once."""
    id_, cookie = secrets.randbits(64), 0
    with socket.socket(where[0], socket.SOCK_DGRAM) as wire:
        wire.connect(where[1])  # the kernel then drops what comes from anybody else
        for _ in range(TRIES):
            deadline = time.monotonic() + PATIENCE_S
            send = True
            while (left := deadline - time.monotonic()) > 0:
                if send:
                    header = HEADER.pack(b"TM", 1, QUESTION, id_, cookie, 0, len(items), 0)
                    question = header + b"".join(items)
                    wire.send(question)
                wire.settimeout(left)
                try:
                    heard = reply(wire.recv(DATAGRAM_MAX + 1), id_, len(items), len(question))
                except TimeoutError:
                    break
                if heard and heard[0] == "answer":
                    return heard[1:]
                send = heard is not None and not cookie
                cookie = heard[1] if send else cookie
    return None


def main(arguments: list) -> int:
    try:
        if len(arguments) < 2:
            raise ValueError(__doc__.strip())
        where, items = server(arguments[0]), [item(text) for text in arguments[1:]]
        if len(items) > ITEMS_MAX or HEADER.size + sum(map(len, items)) > DATAGRAM_MAX:
            raise ValueError("more signatures than one datagram holds")
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    try:
        answer = ask(where, items)
    except OSError as error:  # nobody listens there
        print(error, file=sys.stderr)
        return 3
    if answer is None:
        print("no answer", file=sys.stderr)
        return 3
    epoch, stale, listings = answer
    for text, (class_, weight, reporters, similarity, hours, _) in zip(arguments[1:], listings):
        facts = f" weight={weight} reporters={reporters} similarity={similarity}/32 hours={hours}"
        print(f"{text.partition('/')[0]} {CLASSES[class_]}{facts if class_ else ''} epoch={epoch}{' stale' if stale else ''}")
    return 0 if any(listing[0] for listing in listings) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
