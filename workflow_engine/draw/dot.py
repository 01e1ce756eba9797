"""A diagram as DOT text, with every arrow's label as a small card of its own on the line.

Graphviz sets the label of an edge beside it, where other edges run through the words. Here a labelled arrow is two
edges with the label as a node between them: the layout keeps nodes apart and leads edges around them, so no line
crosses a word. The caption of a group stays short, in its corner, because that is the one text edges may run through.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import graphviz

from workflow_engine.draw.diagram import Arrow, Card, Diagram, Direction, Group
from workflow_engine.draw.labels import TEXT_FACE, arrow_label, caption_label, card_label, header_label, pill_label
from workflow_engine.draw.palette import DASHES, Palette, Tone
from workflow_engine.draw.theme import Theme, palette_of
from workflow_engine.draw.turns import backward

# Graphviz's exact placement takes minutes on large graphs, and nobody sees the difference.
LARGE = 300

_BARE = {
    "shape": "box",
    "style": "",
    "color": "none",
    "penwidth": "0",
    "margin": "0.05,0.02",
    "width": "0",
    "height": "0",
}


def to_dot(diagram: Diagram, *, theme: Theme = "light", direction: Direction = "down") -> str:
    """The DOT text of `diagram`. The same diagram gives the same text. DOT has one theme: auto is light."""
    return dot_with(diagram, palette_of(theme), direction)


def dot_with(diagram: Diagram, palette: Palette, direction: Direction = "down", room: str = "") -> str:
    """The DOT text in colours of one's own. `room` are words that will stand at arrows that have none yet."""
    return _Page(diagram, palette, direction, room).text()


@dataclass(frozen=True)
class _Page:
    diagram: Diagram
    palette: Palette
    direction: Direction = "down"
    room: str = ""

    def text(self) -> str:
        graph = graphviz.Digraph(
            graph_attr={
                "bgcolor": self.palette.page,
                "fontname": TEXT_FACE,
                "labelloc": "t",
                "labeljust": "l",
                "label": header_label(self.diagram.header, self.palette),
                "nodesep": "0.42",
                "ranksep": "0.4",
                "pad": "0.35",
                **({"rankdir": "LR"} if self.direction == "right" else {}),
                **({"nslimit": "2", "mclimit": "0.5"} if len(self.diagram.cards) > LARGE else {}),
            },
            node_attr={"fontname": TEXT_FACE, "shape": "box", "margin": "0.16,0.07"},
            edge_attr={"fontname": TEXT_FACE, "arrowsize": "0.75"},
        )
        self._inside(graph, None)
        for at, arrow in enumerate(self.diagram.arrows):
            self._arrow(graph, at, arrow)
        return str(graph.source)

    @cached_property
    def names(self) -> dict[str, str]:
        """The node of each card. The user's own words would need quoting in every place, and ports split on colons."""
        return {card.id: f"n{at}" for at, card in enumerate(self.diagram.cards)}

    @cached_property
    def turned(self) -> frozenset[int]:
        return frozenset(backward(self.diagram))

    @cached_property
    def around(self) -> dict[str, tuple[int, ...]]:
        """The groups around each card, outermost first."""
        outside_in = sorted(enumerate(self.diagram.groups), key=lambda each: -len(each[1].cards))
        return {card.id: tuple(at for at, group in outside_in if card.id in group.cards) for card in self.diagram.cards}

    def _inside(self, graph: graphviz.Digraph, group: int | None) -> None:
        """Write what lies directly in `group` (None: on the page), then the groups within it."""
        for card in self.diagram.cards:
            if (self.around[card.id] or (None,))[-1] == group:
                self._card(graph, card)
        for at, arrow in enumerate(self.diagram.arrows):
            shared = [each for each in self.around[arrow.tail] if each in self.around[arrow.head]]
            if _labelled(arrow) and ([None, *shared])[-1] == group:
                words = {
                    "label": arrow_label(arrow, self.palette),
                    "id": f"label-{at}",
                    **_BARE,
                    **_class("label", arrow),
                }
                if arrow.tail == arrow.head:
                    with graph.subgraph(graph_attr={"rank": "same"}) as row:  # pyright: ignore[reportOptionalContextManager]
                        row.node(self.names[arrow.tail])
                        row.node(f"a{at}", **words)
                else:
                    graph.node(f"a{at}", **words)
        for at, each in enumerate(self.diagram.groups):
            around = self.around[min(each.cards, key=lambda card: len(self.around[card]))]
            if ([None, *around[: around.index(at)]])[-1] == group:
                with graph.subgraph(name=f"cluster_{at}") as cluster:  # pyright: ignore[reportOptionalContextManager]
                    self._group(cluster, at, each)

    def _group(self, cluster: graphviz.Digraph, at: int, group: Group) -> None:
        cluster.attr(
            style="rounded,filled",
            fillcolor=self.palette.group,
            color=self.palette.group_border,
            penwidth="1.3",
            margin="14",
            labeljust="l",
            label=caption_label(group.caption, self.palette),
            id=f"group-{at}",
            **{"class": "group"},
        )
        self._inside(cluster, at)

    def _card(self, graph: graphviz.Digraph, card: Card) -> None:
        tone = self.palette.tone(card.kind, card.status)
        match card.kind:
            case "start":
                look = self._mark(card, shape="circle", width="0.2", height="0.2")
            case "end":
                look = self._mark(card, shape="doublecircle", width="0.16", height="0.16")
                look["fillcolor"] = self.palette.page if card.status in (None, "not reached") else look["color"]
            case "fork" | "join":
                long, thin = ("width", "height") if self.direction == "down" else ("height", "width")
                look = self._mark(card, shape="box", **{long: "0.9", thin: "0.075"})
            case "route" | "fail" | "more":
                size = {"margin": "0.13,0.045", "height": "0.3", "width": "0.3"}
                look = _border(card, tone) | size | {"label": pill_label(card, self.palette)}
            case _:
                look = _border(card, tone) | {"label": card_label(card, self.palette)}
        name = self.names[card.id]
        classes = " ".join(part.replace(" ", "-") for part in ("card", card.kind, card.status) if part)
        graph.node(name, **look, id=f"card-{name[1:]}", **{"class": classes})

    def _mark(self, card: Card, **shape: str) -> dict[str, str]:
        colour = self.palette.mark if card.status is None else self.palette.statuses[card.status].border
        plain = {"label": "", "style": "filled", "fixedsize": "true", "margin": "0"}
        return {**shape, **plain, "color": colour, "fillcolor": colour}

    def _arrow(self, graph: graphviz.Digraph, at: int, arrow: Arrow) -> None:
        """Write a back arrow head first, or the layout would turn the whole picture upside down for it."""
        turned = at in self.turned
        look = {
            "color": self.palette.stroke(arrow.meaning, arrow.taken).line,
            "style": DASHES[arrow.meaning],
            "penwidth": "2.2" if arrow.taken else "1.3",
            "weight": "4" if arrow.meaning == "plain" and not turned else "1",
            "id": f"arrow-{at}",
            **_class("arrow", arrow),
        }
        label = f"a{at}"
        front, back = ("n", "s") if self.direction == "down" else ("w", "e")
        if arrow.tail == arrow.head and _labelled(arrow):
            # A loop around one card: its words stand beside the card, and the line goes over them and comes back below.
            name = self.names[arrow.tail]
            side = "e" if self.direction == "down" else "s"
            graph.edge(f"{name}:{side}", f"{label}:{front}", **look, dir="none")
            graph.edge(f"{name}:{side}", f"{label}:{back}", **look, dir="back")
            return
        if self.room and not _labelled(arrow):
            look["xlabel"] = arrow_label(replace(arrow, count=self.room), self.palette)
        stops = [self.names[arrow.tail], *([label] if _labelled(arrow) else []), self.names[arrow.head]]
        for tail, head in pairwise(stops):
            last = head == stops[-1]
            upper, lower = (head, tail) if turned else (tail, head)
            # An arrow enters and leaves its label upright, so that its two halves read as one line.
            ends = (upper + f":{back}" * (upper == label), lower + f":{front}" * (lower == label))
            direction = ("back" if turned else "forward") if last else "none"
            graph.edge(*ends, **look, dir=direction)


def _labelled(arrow: Arrow) -> bool:
    return bool(arrow.label.strip() or arrow.count.strip())


def _class(what: str, arrow: Arrow) -> dict[str, str]:
    taken = [] if arrow.taken is None else ["taken" if arrow.taken else "idle"]
    return {"class": " ".join([what, arrow.meaning, *taken])}


def _border(card: Card, tone: Tone) -> dict[str, str]:
    heavy = card.status in ("waiting", "failed", "interrupted")
    dashed = card.status == "not reached" or (card.status is None and card.kind in ("fail", "more"))
    return {
        "style": "rounded,filled,dashed" if dashed else "rounded,filled",
        "fillcolor": tone.fill,
        "color": tone.border,
        "penwidth": "2.8" if heavy else "1.5",
    }
