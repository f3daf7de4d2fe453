"""Markdown as people paste it: seeded, nested, with whatever else comes from a clipboard."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import count

Line = Callable[["Clipboard"], str]

_STRANGE = (
    "“smart” ‘quotes’ — and…",
    "\u00a0nbsp\u00a0",
    "zero\u200bwidth\u200d",
    "\ufeffbom",
    "tab\there",
    "שלום עולם",
    "\u202ertl\u202c",
    "👩‍👩‍👧‍👦",
    "🏳️‍🌈",
    "e\u0301",
    "日本語。",
    "ｆｕｌｌ",
    "a\u2028b",
    "\x1b[0m",
    "&amp;",
    "&nbsp;",
    "&#42;",
    "&bogus;",
    "\\*",
    "\\|",
    "\\\\",
    "\\`",
    "\\[x\\]",
    "snake_case_word",
    "2*3*4",
    "C:\\dir\\file",
    "#hash",
    "# x",
    "1. x",
    "- x",
    "+ x",
    "> x",
    "| x |",
    "=====",
    "---",
    "~~~",
    "```",
    "***",
    "___",
    "* * *",
    "[ ]",
    "[x]",
    "<b>",
    "</b>",
    "<!-- c -->",
    "<br>",
    "<script>alert(1)</script>",
    "<https://auto.example/a>",
    "<me@a.example>",
    "https://bare.example/p_q?r=1&s=(t)",
    "www.bare.example",
    "me@bare.example",
    "README.md",
    "a  b   c",
    "$x_1$",
    "{{value}}",
    "%tag%",
    "[[wiki]]",
    "^sup^",
    "==m==",
    "[note]: https://ref.example 'title'",
    "[text][note]",
    "[^1]",
    ":smile:",
    "@user",
    "$& \\1",
)
_ADDRESSES = (
    "https://a.example/b",
    "HTTP://a.example",
    "mailto:me@a.example",
    "https://a.example/(b)",
    "<https://a.example/b c>",
    "https://a.example/%20x_y*z",
    "javascript:alert(1)",
    "data:text/html,x",
    "ftp://a.example/f",
    "/node/1",
    "#top",
    "",
    "file:///etc",
    "vbscript:x",
    "https://a.example 'title'",
    'https://a.example "a \\"title\\""',
    "https://müller.example/ü",
)
_ENDS = ("\n", "\n", "\n", "\n", "\r\n", "\r")
_NOISE = "*_`~[]()!<>&|#-+.:/\\=@ \t\n\r\u00a0\u200b0123456789abxé😀\"'{}^$%;,?"


class Clipboard:
    """One text in the making; every word it makes up is one of a kind, and so can be looked for."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.witnesses: list[str] = []
        self._numbers = count(1)

    def word(self) -> str:
        """A word that occurs nowhere else in the text."""
        word = f"w{next(self._numbers)}x"
        self.witnesses.append(word)
        return word

    def words(self) -> str:
        return " ".join(self.word() for _ in range(self.rng.randint(1, 3)))

    def line(self, levels: int = 2) -> str:
        """Inline Markdown without a line break."""
        parts = [self._piece(levels) for _ in range(self.rng.randint(1, 4))]
        return self.rng.choice([" ", " ", " ", ""]).join(parts)

    def _piece(self, levels: int) -> str:
        make = self.rng.choice(_PIECES if levels else _PIECES[:3])
        return make(self, levels)

    def plain(self, _levels: int) -> str:
        return self.words()

    def strange(self, _levels: int) -> str:
        return self.rng.choice(_STRANGE)

    def code(self, _levels: int) -> str:
        ticks = "`" * self.rng.choice([1, 1, 1, 2, 3])
        inner = self.rng.choice(
            [self.words(), f"a | {self.word()}", f" {self.word()} ", "a`b", "\\|"]
        )
        return f"{ticks}{inner}{ticks}"

    def marked(self, levels: int) -> str:
        mark = self.rng.choice(["*", "_", "**", "__", "***", "~~", "~"])
        return f"{mark}{self.line(levels - 1)}{mark}"

    def link(self, levels: int) -> str:
        return f"[{self.line(levels - 1)}]({self.rng.choice(_ADDRESSES)})"

    def image(self, levels: int) -> str:
        return f"!{self.link(levels)}"

    def block(self, levels: int) -> list[str]:
        """The lines of one block, which may hold others."""
        make = self.rng.choice(_BLOCKS if levels else _BLOCKS[:7])
        return make(self, levels)

    def blocks(self, levels: int) -> list[str]:
        lines: list[str] = []
        for _ in range(self.rng.randint(1, 3)):
            lines += self.block(levels)
            lines += self.rng.choice([[""], [""], [""], [], ["", ""], ["  "]])
        return lines

    def paragraph(self, _levels: int) -> list[str]:
        ends = ("", "", "", "  ", "\\", "<br>")
        return [self.line() + self.rng.choice(ends) for _ in range(self.rng.randint(1, 3))]

    def heading(self, _levels: int) -> list[str]:
        if self.rng.random() < 0.2:
            return [self.line(), self.rng.choice(["===", "---"])]
        closing = self.rng.choice(["", "", " ##"])
        return ["#" * self.rng.randint(1, 7) + " " + self.line() + closing]

    def fence(self, _levels: int) -> list[str]:
        sign = self.rng.choice(["```", "~~~", "````"])
        inner = [self.rng.choice([self.words(), "    x", "", "```", "| a |", "# a", self.line(0)])]
        closing = [sign] if self.rng.random() < 0.9 else []
        return [sign + self.rng.choice(["", "php", "yaml", "c++ x", "{.js}"]), *inner * 2, *closing]

    def indented(self, _levels: int) -> list[str]:
        return ["", *("    " + self.words() for _ in range(2)), ""]

    def rule(self, _levels: int) -> list[str]:
        return [self.rng.choice(["---", "***", "* * *", "___"])]

    def html(self, _levels: int) -> list[str]:
        return [f"<div class='x'>{self.word()}", f"<p>{self.line(0)}</p>", "</div>"]

    def table(self, _levels: int) -> list[str]:
        columns = self.rng.randint(1, 4)
        rows = [self._row(columns) for _ in range(self.rng.randint(1, 4))]
        rule = "|" + "|".join(self.rng.choice(["---", ":--", "--:", ":-:"]) for _ in range(columns))
        ragged = [self._row(max(1, columns + self.rng.choice([-1, 0, 1, 2]))) for _ in range(2)]
        return [rows[0], rule + "|", *rows[1:], *ragged]

    def _row(self, columns: int) -> str:
        cells = [
            self.rng.choice([self.line(1), "", f"{self.word()} \\| b"]) for _ in range(columns)
        ]
        row = " | ".join(cells)
        return self.rng.choice([f"| {row} |", f"| {row} |", f"| {row}", row])

    def quote(self, levels: int) -> list[str]:
        sign = self.rng.choice(["> ", "> ", ">"])
        lines = [sign + line for line in self.blocks(levels - 1)]
        return [*lines, self.line()] if self.rng.random() < 0.1 else lines

    def items(self, levels: int) -> list[str]:
        ordered = self.rng.random() < 0.4
        sign = self.rng.choice(["1.", "3.", "10)", "0."] if ordered else ["-", "*", "+"])
        tasks = self.rng.random() < 0.4
        gap: list[str] = self.rng.choice([[], [], [""]])
        lines: list[str] = []
        for _ in range(self.rng.randint(1, 4)):
            box = self.rng.choice(["[ ] ", "[x] ", "[X] ", ""]) if tasks else ""
            first, *rest = self.blocks(levels - 1) if self.rng.random() < 0.5 else [self.line()]
            indent = " " * self.rng.choice([len(sign) + 1, len(sign) + 1, 2, 4])
            lines += [f"{sign} {box}{first}", *(indent + line for line in rest), *gap]
        return lines


_PIECES: tuple[Callable[[Clipboard, int], str], ...] = (
    Clipboard.plain, Clipboard.plain, Clipboard.strange, Clipboard.code, Clipboard.marked,
    Clipboard.link, Clipboard.image,
)  # fmt: skip
_BLOCKS: tuple[Callable[[Clipboard, int], list[str]], ...] = (
    Clipboard.paragraph, Clipboard.paragraph, Clipboard.heading, Clipboard.fence,
    Clipboard.indented, Clipboard.rule, Clipboard.html, Clipboard.table, Clipboard.quote,
    Clipboard.items, Clipboard.items, Clipboard.items,
)  # fmt: skip


def pasted(rng: random.Random) -> tuple[str, list[str]]:
    """A text, and the words in it that are one of a kind."""
    board = Clipboard(rng)
    text = rng.choice(_ENDS).join(board.blocks(rng.randint(0, 3)))
    return text, [word for word in board.witnesses if word in text]


def damaged(text: str, rng: random.Random) -> str:
    """The text after a few slips of a hand: parts cut, doubled, moved, or noise put in."""
    for _ in range(rng.randint(1, 5)):
        begin = rng.randint(0, len(text))
        end = min(len(text), begin + rng.randint(0, 12))
        noise = "".join(rng.choices(_NOISE, k=rng.randint(0, 4)))
        piece = rng.choice([noise, noise, "", text[begin:end] * 2, text[begin:end][::-1]])
        text = text[:begin] + piece + text[end:]
    return text
