"""Labels: the words of a picture as the HTML-like tables Graphviz sets, every word of the user's escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from workflow_engine.draw.diagram import Arrow, Card, Header
from workflow_engine.draw.lettering import fold, plain, width
from workflow_engine.draw.palette import KIND_SIGNS, SIGNS, Palette

TEXT_FACE = "Inter"
SIGN_FACE = "DejaVu Sans"

NAME_COLUMNS, NAME_LINES = 34, 8
DETAIL_COLUMNS, DETAIL_LINES = 52, 3
LABEL_COLUMNS, LABEL_LINES = 26, 4
HEADER_COLUMNS = 110

# Multiples of 3 pt are whole pixels where Graphviz measures (96 dpi): other sizes come out up to a tenth too wide.
TITLE, SUBTITLE, NAME, TEXT, SIGN, SMALL_SIGN = 24, 15, 15, 12, 18, 11


def header_label(header: Header, palette: Palette) -> str:
    """The title, and below it the facts in as many rows as they need."""
    rows = [_bold(line, TITLE, palette.title) for line in fold(header.title, 60, 3)] or [""]
    if header.subtitle:
        rows[-1] += _words("   " + plain(header.subtitle), SUBTITLE, palette.soft)
    used = 0
    for at, fact in enumerate(fold(each, HEADER_COLUMNS, 1)[0] for each in header.facts if plain(each)):
        if at == 0:
            rows.append(_first_fact(fact, header, palette))
        elif used + width(fact) > HEADER_COLUMNS:
            rows.append(_words(fact, TEXT, palette.soft))
            used = 0
        else:
            rows[-1] += _words(f"  ·  {fact}", TEXT, palette.soft)
        used += width(fact) + 5
    cells = "".join(f'<TR><TD ALIGN="LEFT">{row}</TD></TR>' for row in rows if row)
    return f'<<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="2">{cells}<TR><TD HEIGHT="12"></TD></TR></TABLE>>'


def card_label(card: Card, palette: Palette) -> str:
    """A sign on the left; on the right the name with its kind, the details, and the route decided here."""
    tone = palette.tone(card.kind, card.status)
    sign = KIND_SIGNS.get(card.kind, "") if card.status is None else SIGNS[card.status]
    rows = [_bold(line, NAME, tone.title) for line in _name(card)]
    rows[-1] += _words(f"   {card.kind}", TEXT, palette.soft)
    details = [line for text in card.lines for line in fold(text, DETAIL_COLUMNS, DETAIL_LINES)]
    if card.decision is not None:
        outcome = "" if card.decision.outcome is None else f" → {card.decision.outcome}"
        details += fold(f"◇ {card.decision.route}{outcome}", DETAIL_COLUMNS, DETAIL_LINES)
    rows += [_words(line.replace(" · ", "  ·  "), TEXT, palette.soft) for line in details]
    first, *others = [f'<TD ALIGN="LEFT">{row}</TD>' for row in rows]
    span = f'ROWSPAN="{len(rows)}"'
    head = f'<TD {span}>{_sign(sign, SIGN, tone.sign)}</TD><TD {span} WIDTH="7"></TD>'
    table = f"<TR>{head}{first}</TR>" + "".join(f"<TR>{other}</TR>" for other in others)
    return f'<<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="1">{table}</TABLE>>'


def pill_label(card: Card, palette: Palette) -> str:
    """The short form for routes and ends."""
    tone = palette.tone(card.kind, card.status)
    sign = KIND_SIGNS[card.kind] if card.status is None or card.kind == "route" else SIGNS[card.status]
    rows = [_words(line, TEXT, tone.title) for line in _name(card)]
    rows[0] = _sign(sign, SMALL_SIGN, tone.sign) + _words("  ", TEXT, tone.title) + rows[0]
    rows += [_words(line, TEXT, tone.title) for text in card.lines for line in fold(text, DETAIL_COLUMNS, 1)]
    return _stack(rows)


def arrow_label(arrow: Arrow, palette: Palette) -> str:
    """The outcome, and the count in bold."""
    colour = palette.stroke(arrow.meaning, arrow.taken).text
    rows = [_words(line, TEXT, colour) for line in fold(arrow.label, LABEL_COLUMNS, LABEL_LINES)] or [""]
    for line in fold(arrow.count, LABEL_COLUMNS, 1):
        rows[-1] += _bold(f"  {line}" if rows[-1] else line, TEXT, colour)
    return _stack(rows)


def caption_label(caption: str, palette: Palette) -> str:
    """What a group says of itself."""
    return _stack([_words(line, TEXT, palette.soft) for line in fold(caption, LABEL_COLUMNS, 1)])


def _name(card: Card) -> tuple[str, ...]:
    return fold(card.name, NAME_COLUMNS, NAME_LINES) or (" ",)


def _first_fact(fact: str, header: Header, palette: Palette) -> str:
    if header.status is None:
        return _words(fact, TEXT, palette.soft)
    colour = palette.statuses[header.status].sign
    return _sign(SIGNS[header.status], TEXT, colour) + _bold(f" {fact}", TEXT, colour)


def _safe(text: str) -> str:
    """Escaped, with backslashes doubled: Graphviz puts a node's name in the place of \\N even in such a label."""
    return escape(text).replace("\\", "\\\\")


def _words(text: str, size: int, colour: str) -> str:
    return f'<FONT POINT-SIZE="{size}" COLOR="{colour}">{_safe(text)}</FONT>'


def _bold(text: str, size: int, colour: str) -> str:
    return f'<FONT POINT-SIZE="{size}" COLOR="{colour}"><B>{_safe(text)}</B></FONT>'


def _sign(sign: str, size: int, colour: str) -> str:
    return f'<FONT FACE="{SIGN_FACE}" POINT-SIZE="{size}" COLOR="{colour}">{sign}</FONT>' if sign else ""


def _stack(rows: Sequence[str]) -> str:
    cells = "".join(f"<TR><TD>{row}</TD></TR>" for row in rows)
    return f'<<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="0">{cells}</TABLE>>'
