"""Names that read alike and are not the same: one person under two profiles, or one profile passed off as another."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_LETTERS = (
    ("ABCEHIJKMOPSTXYacehijopsxy", "АВСЕНІЈКМОРЅТХҮасеһіјорѕху"),  # noqa: RUF001 - Cyrillic on purpose
    ("dlqwGQWY", "ԁӏԛԝԌԚԜУ"),
    ("ABEZHIKMNOPTYXaiopuvx", "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαιορυνχ"),
    ("i", "ı"),  # noqa: RUF001 - Latin without a dot
)
"""Latin letters, and those of other scripts that most typefaces draw alike; not all that ever look alike."""
_LATIN = {ord(alike): latin for letters, others in _LETTERS for latin, alike in zip(letters, others, strict=True)}
_UNSEEN = dict.fromkeys([0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, *range(0xFE00, 0xFE10)])
"""Characters that count as printable and show nothing."""


def reads_like(one: str, other: str) -> bool:
    """Whether two names differ in capitals, spaces, compatibility forms or look-alike letters alone."""
    return not _readings(one).isdisjoint(_readings(other))


def names_that_read_like(name: str, names: Iterable[str]) -> list[str]:
    """Those of `names` that are another name and read like this one."""
    own = unicodedata.normalize("NFC", name).strip()
    return [other for other in names if unicodedata.normalize("NFC", other).strip() != own and reads_like(name, other)]


def with_code_points(name: str) -> str:
    """A name and what it is written with: `Ada (U+0041 U+0064 U+0061)`."""
    return f"{name} ({' '.join(f'U+{ord(letter):04X}' for letter in name)})"


def _readings(name: str) -> set[str]:
    plain = " ".join(unicodedata.normalize("NFKC", name).translate(_UNSEEN).split())
    return {unicodedata.normalize("NFKC", some.casefold()) for some in (plain, plain.translate(_LATIN))}
