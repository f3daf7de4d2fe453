"""Makes the sheets of a session: components that refer to each other, as many as asked for."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterable, Sequence

__all__ = ["make_sheets"]

_KINDS = ("Content type", "Paragraph type", "Vocabulary", "Media type", "Custom block type")


def make_sheets(name: str, tickets: int, randomness: random.Random) -> dict[str, bytes]:
    """Sheets for about so many tickets; every title carries the session's name.

    Bundles refer to bundles by their fields, in both directions, and responsive image styles to
    image styles.
    """
    styles = max(2, tickets // 6)
    responsive = max(1, tickets // 5)
    roles = 1
    bundles = max(3, tickets - styles - responsive - roles)
    named = [(f"{name} thing {number}", randomness.choice(_KINDS)) for number in range(bundles)]
    return {
        "Bundles.csv": _sheet(
            ("Name", "Machine name", "Type"),
            ((label, _machine(label), kind) for label, kind in named),
        ),
        "Fields.csv": _sheet(
            (
                *("Bundle", "Field label", "Machine name", "Field type"),
                *("Ref. bundle", "Bundle machine name"),
            ),
            _fields(named, randomness),
        ),
        "Imagestyles.csv": _sheet(
            ("Style name", "Machine name"),
            ((f"{name} {number}x9", f"style_{number}") for number in range(styles)),
        ),
        "ResponsiveImageStyles.csv": _sheet(
            ("Responsive style", "Machine Name", "Fallback Style", "Fallback machine name"),
            _responsive(name, responsive, styles, randomness),
        ),
        "Userroles.csv": _sheet(("Name", "Machine name"), [(f"{name} editor", "editor")]),
    }


def _fields(
    named: Sequence[tuple[str, str]], randomness: random.Random
) -> Iterable[tuple[str, ...]]:
    for position, (label, kind) in enumerate(named):
        wanted = randomness.sample(
            range(len(named)), k=min(len(named), randomness.choice((0, 1, 1, 2, 3)))
        )
        yield f"{label} ({kind})", "Title", "-", "Entity label", "", _machine(label)
        for other in wanted:
            if other != position:
                target, target_kind = named[other]
                yield (
                    f"{label} ({kind})",
                    f"To {target}",
                    f"field_{other}",
                    "Entity reference",
                    f"{target} ({target_kind})",
                    _machine(label),
                )


def _responsive(
    name: str, number: int, styles: int, randomness: random.Random
) -> Iterable[tuple[str, ...]]:
    for each in range(number):
        style = randomness.randrange(styles)
        yield f"{name} wide {each}", f"wide_{each}", f"{name} {style}x9", f"style_{style}"


def _machine(label: str) -> str:
    return label.lower().replace(" ", "_").replace("-", "_")


def _sheet(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerows([header, *rows])
    return written.getvalue().encode()
