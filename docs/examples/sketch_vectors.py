#!/usr/bin/env python3
"""Recomputes the vectors of ../reputation-sketches.md from its rules, with nothing but Python itself.

What it leaves to others: folding (the document gives the words) and BLAKE3, which Python does not bring along.
Prints a line for each vector that agrees; ends with 1 at the first that does not.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

M = (1 << 64) - 1
KEY = 0x7461_6D69_7320_7631
ATTRIBUTES = (
    "align alt background bgcolor border cellpadding cellspacing class color colspan "
    "face height href id rowspan size src style valign width"
).split()
FRAME = set("base body colgroup head html link meta script style tbody tfoot thead title".split())
VOID = set("area base br col embed frame hr img input link meta param source track wbr".split())


def mix(v):
    v = (v ^ v >> 30) * 0xBF58476D1CE4E5B9 & M
    v = (v ^ v >> 27) * 0x94D049BB133111EB & M
    return v ^ v >> 31


def fnv(data):
    h = 14695981039346656037
    for byte in data:
        h = (h ^ byte) * 1099511628211 & M
    return h


def lanes(features, which=range(32)):
    def lane(i):
        factor = mix((KEY + i) & M) | 1
        return "%04x" % (min(f * factor & M for f in features) & 0xFFFF)

    return "".join(lane(i) for i in which)


def text(words):
    features = [mix(fnv(word.encode())) for word in words]
    counting = {f for f, word in zip(features, words) if len(word) >= 4}
    pairs = {(3 * min(p) + 5 * max(p)) & M for p in zip(features, features[1:])}
    if len(counting) < 28:
        return "none"
    return lanes(counting, range(24)) + lanes({mix(p) for p in pairs}, range(24, 32))


class Page(HTMLParser):
    """As much of the rules for parents as the page of the vectors needs: `li`, `td`, `tr`, `option` end their like."""

    def __init__(self):
        super().__init__()
        self.open, self.tokens = [], []

    def handle_starttag(self, name, attributes):
        ends = {"li": {"li", "p"}, "td": {"td", "p"}, "tr": {"tr", "td", "p"}, "option": {"option"}}
        blocks = {"table", "div", "ul", "ol", "p", "h1", "form", "hr", "pre", "blockquote", "center"}
        ended = ends.get(name, {"p"} if name in blocks else set())
        while self.open and self.open[-1] in ended:
            self.open.pop()
        parent = next((it for it in reversed(self.open) if it not in FRAME), "")
        if name not in FRAME:
            classes = 0
            for attribute, value in attributes:
                classes |= self.bits(attribute, value or "")
            token = fnv(parent.encode()) + 3 * fnv(name.encode()) + 5 * classes
            token = mix(token & M)
            if self.tokens[-1:] != [token]:
                self.tokens.append(token)
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        if name in self.open:
            while self.open.pop() != name:
                pass

    @staticmethod
    def bits(attribute, value):
        if attribute not in ATTRIBUTES:
            return 0
        bits = 1 << ATTRIBUTES.index(attribute)
        if attribute in ("width", "height"):
            digits, rest = re.match(r"\s*(\d*)(.*)", value).groups()
            number = int(digits[:9] or 0)
            extent = 1 if rest.startswith("%") else 2 + min(12, number.bit_length() // 2)
            bits |= extent << (32 if attribute == "width" else 36)
        if attribute in ("href", "src"):
            schemes = [("https:", 1), ("http:", 1), ("mailto:", 2), ("cid:", 3), ("data:", 4)]
            bits |= next((c for s, c in schemes if value.lower().startswith(s)), 5) << 40
        return bits

    def windows(self):
        t = self.tokens
        return {mix((KEY + 3 * a + 5 * b + 7 * c) & M) for a, b, c in zip(t, t[1:], t[2:])}


def pieces(content):
    gear = [mix((KEY + 256 + byte) & M) for byte in range(256)]
    begin = g = 0
    for at, byte in enumerate(content):
        g = ((g << 1) + gear[byte]) & M
        length = at + 1 - begin
        if (length >= 32 and g >> 58 == 0) or length == 512:
            yield content[begin : at + 1]
            begin, g = at + 1, 0
    yield content[begin:]


def picture():
    cell = [[16 * (mix(18 * y + x) & 255) for x in range(18)] for y in range(18)]
    slopes = {
        (x, y): (cell[y][x + 1] - cell[y][x - 1], cell[y + 1][x] - cell[y - 1][x])
        for y in range(1, 17)
        for x in range(1, 17)
    }
    steep = sorted(s for s in (abs(a) + abs(d) for a, d in slopes.values()) if s >= 96)
    median = steep[len(steep) // 2]
    features = []
    for (x, y), (across, down) in slopes.items():
        if abs(across) + abs(down) >= median:
            direction = (across > 0) + 2 * (down > 0) + 4 * (abs(down) > abs(across))
            features.append(mix((KEY + 8 * (18 * y + x) + direction) & M))
    return lanes(features)


def main():
    document = Path(__file__).parent.parent / "reputation-sketches.md"
    body = document.read_text().split("<!-- vectors -->")[1].split("<!-- end")[0]
    blocks = [dict(re.findall(r"^(\S.*?)  +(.*)$", it, re.M)) for it in body.split("\n\n")]
    numbers, long_text, short_text, _, page, file, drawn = blocks
    made = Page()
    made.feed(page["input"])
    content = b"".join(mix(at).to_bytes(8, "big") for at in range(1024))
    cut = [piece for piece in pieces(content) if len(set(piece)) >= 8]
    hexed = lambda values: " ".join("%016x" % value for value in values)
    for what, said, found in [
        ("mix", numbers["mix(KEY)"], hexed([mix(KEY)])),
        ("fnv", numbers['fnv("plum")'], hexed([fnv(b"plum")])),
        ("factor", numbers["factor(31)"], hexed([mix(KEY + 31) | 1])),
        ("text", long_text["lanes"], text(long_text["words"].split())),
        ("short text", short_text["lanes"], text(short_text["words"].split())),
        ("tokens", page["first tokens"], hexed(made.tokens[:3])),
        ("page", page["lanes"], lanes(made.windows())),
        ("pieces", file["first pieces"], "%d and %d bytes" % tuple(map(len, cut[:2]))),
        ("file", file["lanes"], lanes({mix(fnv(piece)) for piece in cut})),
        ("picture", drawn["lanes"], picture()),
    ]:
        if said != found:
            sys.exit(f"{what}: the document says {said}, its rules make {found}")
        print(what, "agrees")


if __name__ == "__main__":
    main()
