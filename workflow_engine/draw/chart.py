"""The drawing of a timeline: a row for each node, a bar for each try and each wait, and what it had cost by then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from workflow_engine.draw.advances import advance
from workflow_engine.draw.canvas import Box, Canvas, Dash, Line, Shape, Words
from workflow_engine.draw.drawing import Drawable, Picture, drawn_canvas
from workflow_engine.draw.lettering import fold, plain
from workflow_engine.draw.measures import time_taken
from workflow_engine.draw.palette import SIGNS
from workflow_engine.draw.scale import Scale
from workflow_engine.draw.stretches import Bar
from workflow_engine.draw.theme import Theme
from workflow_engine.draw.timeline import Row, Timeline
from workflow_engine.draw.words import timeline_in_words

WIDE, EDGE, RIGHT = 1080.0, 28.0, 56.0
LEAST_GUTTER, MOST_GUTTER = 130.0, 260.0
ROW, BAR, LANE, MOST_LANES = 42.0, 24.0, 7.0, 12
TOP, STRIP = 118.0, 78.0
LEAST_BAR = 3.0


def chart(timeline: Timeline, text: str = "") -> Canvas:
    """The drawing. `text` says in words what it shows; it becomes the description of the SVG."""
    made = _Chart(timeline)
    header = timeline.header
    title = " · ".join(part for part in (header.title, header.subtitle, *header.facts) if part)
    return Canvas(WIDE, made.high, tuple(made.shapes()), title, text)


def timeline_picture(timeline: Timeline, format: Drawable, *, theme: Theme = "light", seconds: float = 60) -> Picture:
    """A timeline as SVG, PNG or PDF. The same timeline gives the same bytes.

    An SVG is written at once; the others block for the time of a child process: in an event loop, use a thread.
    """
    return drawn_canvas(chart(timeline, timeline_in_words(timeline)), format, theme=theme, seconds=seconds)


@dataclass
class _Chart:
    timeline: Timeline

    def __post_init__(self) -> None:
        rows = self.timeline.rows
        names = max((advance(_name(row), 14, bold=True) + advance(row.kind, 11) + 28 for row in rows), default=0)
        self.left = EDGE + min(max(names, LEAST_GUTTER), MOST_GUTTER)
        work = [
            (bar.start, bar.end)
            for row in rows
            for bar in row.bars
            if bar.what in ("attempt", "item") and row.kind not in ("human", "wait")
        ]
        self.scale = Scale.of(self.timeline.seconds, work)
        self.tops: dict[str, float] = {}
        top = TOP
        for row in rows:
            self.tops[row.node] = top
            top += self.tall(row)
        self.bottom = top
        self.high = top + (STRIP + 26 if self.timeline.cost else 0) + 24

    def tall(self, row: Row) -> float:
        lanes = min(row.lanes, MOST_LANES)
        return ROW + (lanes * LANE + 6 if lanes else 0)

    def x(self, at: float) -> float:
        return self.left + self.scale.place(at) * (WIDE - RIGHT - self.left)

    def shapes(self) -> Iterator[Shape]:
        yield from self.header()
        for number, row in enumerate(self.timeline.rows):
            if number % 2 == 0:
                yield Box(0, self.tops[row.node], WIDE, self.tall(row), "group")
        yield from self.grid()
        for row in self.timeline.rows:
            yield from self.row(row)
        yield from self.jumps()
        if self.timeline.cost is not None:
            yield from self.strip()
        yield from self.lines()

    def header(self) -> Iterator[Shape]:
        header = self.timeline.header
        (title,) = fold(header.title, 44, 1) or ("",)
        yield Words(EDGE, 46, title, 24, "title", bold=True)
        yield Words(EDGE + advance(title, 24, bold=True) + 14, 46, plain(header.subtitle), 15)
        x = EDGE
        for at, fact in enumerate(header.facts):
            (said,) = fold(fact, 80, 1) or ("",)
            if at == 0 and header.status is not None:
                colour = f"{header.status.replace(' ', '-')}-sign"
                yield Words(x, 68, SIGNS[header.status], 12, colour, sign=True)
                sign = 24 if header.status == "waiting" else 18
                yield Words(x + sign, 68, said, 12, colour, bold=True)
                x += sign + advance(said, 12, bold=True)
            else:
                yield Words(x + 8, 68, "·", 12)
                yield Words(x + 19, 68, said, 12)
                x += 19 + advance(said, 12)
            if x > WIDE - 160:
                break

    def grid(self) -> Iterator[Shape]:
        taken = [(self.x(self.timeline.seconds) - 22, WIDE)] if self.timeline.now else []
        for begin, until in self.scale.cuts:
            here = middle = (self.x(begin) + self.x(until)) / 2
            words = f"… {time_taken(until - begin)} …"
            half = advance(words, 11) / 2 + 4
            middle = min(middle, self.x(self.timeline.seconds) - 22 - half) if self.timeline.now else middle
            taken.append((middle - half, middle + half))
            yield Words(middle, TOP - 13, words, 11, "soft", anchor="middle")
            for x in (here - 3, here + 3):
                yield Line(((x, TOP - 6), (x, self.bottom)), "mark", 1, "dotted")
        for tick, since in self.scale.ticks():
            x = self.x(tick)
            yield Line(((x, TOP - 6), (x, self.bottom)), "group-border", 1)
            words = ("" if tick == since else "+") + time_taken(since) if since else "0"
            half = advance(words, 11) / 2 + 6
            if all(x + half <= left or x - half >= right for left, right in taken):
                yield Words(x, TOP - 13, words, 11, anchor="middle")
                taken.append((x - half, x + half))

    def row(self, row: Row) -> Iterator[Shape]:
        top = self.tops[row.node]
        middle = top + ROW / 2
        name = _name(row)
        yield Words(EDGE, middle + 5, name, 14, "title" if row.bars else "soft", bold=True)
        yield Words(EDGE + advance(name, 14, bold=True) + 9, middle + 5, row.kind, 11)
        if not row.bars:
            yield Words(self.left + 6, middle + 4, "not reached", 11)
        shown = [bar for bar in row.bars if bar.what != "item"]
        visits = max((bar.visit for bar in shown), default=1)
        for bar, following in zip(shown, [*shown[1:], None], strict=False):
            room = (WIDE - 8 if following is None else self.x(following.start)) - self.x(bar.end)
            yield from self.bar(row, bar, middle, visits > 1, room)
        for bar in row.bars:
            if bar.what == "item" and bar.lane < MOST_LANES:
                x, wide = self.across(bar)
                tone = bar.status.replace(" ", "-")
                y = top + ROW - 4 + bar.lane * LANE
                yield Box(x, y, wide, LANE - 2, f"{tone}-fill", f"{tone}-border", 1, said=_said(row, bar))
        if row.lanes > MOST_LANES:
            yield Words(self.left - 8, top + ROW + MOST_LANES * LANE - 4, f"{row.lanes} at once", 10, anchor="end")

    def across(self, bar: Bar) -> tuple[float, float]:
        x = self.x(bar.start)
        return x, max(self.x(bar.end) - x, LEAST_BAR)

    def bar(self, row: Row, bar: Bar, middle: float, many: bool, room: float) -> Iterator[Shape]:
        x, wide = self.across(bar)
        if bar.what == "pause":
            if wide > LEAST_BAR:
                yield Line(((x, middle), (x + wide, middle)), "mark", 1.5, "dotted", said=_said(row, bar))
            return
        tone = "waiting" if bar.what == "wait" else bar.status.replace(" ", "-")
        dash: Dash = "dashed" if bar.what == "wait" or bar.status in ("interrupted", "cancelled") else ""
        thick = 2.4 if bar.status == "failed" or (bar.open and bar.what == "wait") else 1.5
        said = _said(row, bar)
        data = {"node": row.node, "visit": str(bar.visit), "attempt": str(bar.attempt), "status": bar.status}
        yield Box(
            x, middle - BAR / 2, wide, BAR, f"{tone}-fill", f"{tone}-border", thick, dash, min(5, wide / 2), said, data
        )
        sign = {"failed": SIGNS["failed"], "interrupted": SIGNS["interrupted"], "cancelled": SIGNS["cancelled"]}
        yield from _label(list(_labels(bar, many)), sign.get(bar.status, ""), x, wide, middle, tone, room)

    def jumps(self) -> Iterator[Shape]:
        colours = {"loop": "taken-loop", "escalation": "taken-escalation", "failure": "taken-failure"}
        for jump in self.timeline.jumps:
            tail, head = self.tops[jump.tail] + ROW / 2, self.tops[jump.head] + ROW / 2
            if tail == head:
                continue
            down = 1 if head > tail else -1
            begin, end = tail + down * BAR / 2, head - down * (BAR / 2 + 1)
            x = self.x(jump.at)
            colour = f"{colours[jump.meaning]}-line"
            dash: Dash = "" if jump.meaning == "escalation" else "dotted"
            said = f"{jump.tail} → {jump.head}, {jump.meaning}"
            yield Line(((x, begin), (x, end - down * 5)), colour, 1.8, dash, said=said)
            yield Line(((x - 3.5, end - down * 6), (x + 3.5, end - down * 6), (x, end)), colour, 1, fill=colour)

    def strip(self) -> Iterator[Shape]:
        cost = self.timeline.cost
        assert cost is not None
        top, floor = self.bottom + 26, self.bottom + 26 + STRIP - 22
        most = max(cost.points[-1][1], 1e-12)
        stairs = [(self.x(at), floor - (floor - top) * total / most) for at, total in cost.points]
        yield Words(EDGE, (top + floor) / 2 + 4, "cost so far" if cost.unit == "money" else "tokens so far", 12)
        last = stairs[-1][0]
        yield Line((*stairs, (last, floor), (stairs[0][0], floor)), "", 0, fill="running-fill")
        yield Line(((self.left, floor), (last, floor)), "group-border", 1)
        yield Line(tuple(stairs), "running-border", 2)
        yield Words(min(last, WIDE - EDGE), top - 7, cost.words, 12, "title", bold=True, anchor="end")

    def lines(self) -> Iterator[Shape]:
        """What concerns the whole run: moments, and now."""
        for moment in self.timeline.moments:
            x = self.x(moment.at)
            yield Line(((x, TOP - 4), (x, self.bottom)), "interrupted-border", 1.5, "dashed", said=moment.words)
            yield Words(x, TOP - 28, moment.words, 11, "interrupted-sign", anchor="middle")
        if self.timeline.now:
            x = self.x(self.timeline.seconds)
            yield Line(((x, TOP - 8), (x, self.bottom)), "running-border", 2)
            yield Words(x, TOP - 13, "now", 11, "running-sign", bold=True, anchor="middle")


def _name(row: Row) -> str:
    return next(iter(fold(row.node, 22, 1)), "")


def _labels(bar: Bar, many: bool) -> Iterator[str]:
    """What a bar may say, the longest first."""
    took = time_taken(bar.seconds)
    which = f"#{bar.visit}" if many else ""
    if bar.what == "wait":
        yield " · ".join(part for part in (which, bar.label, took) if part)
        yield from (each for each in (bar.label, took, which) if each)
        return
    tries = f"try {bar.attempt}" if bar.attempt > 1 or bar.status == "failed" else ""
    yield " · ".join(part for part in (which, tries, bar.label, took) if part)
    yield " · ".join(part for part in (which, took) if part)
    yield which or took


def _label(
    labels: list[str], sign: str, x: float, wide: float, middle: float, tone: str, room: float
) -> Iterator[Shape]:
    """The longest label that fits: within the bar, else behind it where nothing follows."""
    extra = 15 if sign else 0
    for inside in (True, False):
        for each in labels:
            needed = advance(each, 11, bold=True) + extra
            if needed > (wide - 10 if inside else room - 12):
                continue
            start = x + (wide - needed) / 2 if inside else x + wide + 6
            colour = f"{tone}-title" if inside else f"{tone}-sign"
            if sign:
                yield Words(start, middle + 4, sign, 11, colour, sign=True)
            yield Words(start + extra, middle + 4, each, 11, colour, bold=True)
            return


def _said(row: Row, bar: Bar) -> str:
    what = {"attempt": f"try {bar.attempt}", "wait": "waited", "pause": "pause before the next try", "item": "item"}
    parts = (row.node, f"visit {bar.visit}", what[bar.what], bar.status, bar.label, time_taken(bar.seconds))
    return ", ".join(dict.fromkeys(part for part in parts if part and part != "not reached"))
