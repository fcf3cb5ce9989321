"""Letters that matplotlib's own font lacks, such as Chinese ones: an installed font that has them is chosen."""

import sys
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.font_manager import FontEntry, FontProperties
from matplotlib.text import Text

NO_LETTERS = "Last Resort"  # a font of boxes, which has every letter in name only
EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "YI")  # how Unicode's names of letters begin


def choose_fonts(figure: Figure) -> None:
    """Give the figure's texts the fonts for letters that theirs lacks; say on stderr what to install where none has."""
    texts = figure.findobj(Text)
    letters = {letter for text in texts for letter in text.get_text() if not letter.isspace() and letter.isprintable()}
    lacking = _lacking(font_manager.findfont(FontProperties()), letters)
    if not lacking:
        return
    families = []
    for entry in _fonts_for(lacking):
        families.append(entry.name)
        lacking = _lacking(entry.fname, lacking)
    for text in texts:
        text.set_fontfamily([*text.get_fontfamily(), *families])
    for letters_of, font in sorted({_remedy(letter) for letter in lacking}):
        _say_what_to_install(letters_of, font)


def _lacking(font: str, letters: set[str]) -> set[str]:
    """Return the letters for which a font file has no glyph."""
    face = font_manager.get_font(font)
    return {letter for letter in letters if not face.get_char_index(ord(letter))}


def _fonts_for(letters: set[str]) -> Iterator[FontEntry]:
    """Yield installed fonts, each the one with most of the letters that those before it lack."""
    while letters:
        left = {font: _lacking(font.fname, letters) for font in _upright_fonts()}
        best = min(left, key=lambda font: len(left[font]), default=None)
        if best is None or left[best] == letters:
            return
        yield best
        letters = left[best]


@cache
def _upright_fonts() -> list[FontEntry]:
    """Return the installed fonts of regular weight that can be scaled, those without serifs first.

    matplotlib keeps a list of fonts for months; what was installed since is added to it.
    """
    manager = font_manager.fontManager
    for file in sorted(set(font_manager.findSystemFonts()) - {font.fname for font in manager.ttflist}):
        manager.addfont(file)
    fonts = [
        font
        for font in manager.ttflist
        if font.style == "normal" and font.weight in (400, "normal", "regular") and NO_LETTERS not in font.name
    ]
    scalable = [font for font in fonts if _can_be_scaled(font.fname)]
    return sorted(scalable, key=lambda font: ("Sans" not in font.name, font.name, font.fname))


def _can_be_scaled(file: str) -> bool:
    try:
        return bool(Path(file).is_file() and font_manager.get_font(file).scalable)
    except RuntimeError:  # a format that FreeType does not know, such as coloured pictures
        return False


def _remedy(letter: str) -> tuple[str, str]:
    """Return the letter's kind and a font that has it."""
    if unicodedata.name(letter, "").startswith(EAST_ASIAN):
        return "Chinese, Japanese and Korean letters", "Noto Sans CJK (Debian's fonts-noto-cjk)"
    return "some letters of these names", "Noto Sans (Debian's fonts-noto)"


@cache  # once is enough for all figures
def _say_what_to_install(letters: str, font: str) -> None:
    print(f"note: figures show boxes for {letters}, which no installed font has; install {font}, say.", file=sys.stderr)
