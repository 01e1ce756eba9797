"""Palettes: the colours of a picture, light and dark, with the signs and lines that say the same without colour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from workflow_engine.draw.diagram import Kind, Meaning, Status


@dataclass(frozen=True)
class Tone:
    """How one kind or status of card is coloured: its fill, its border, its name and its sign."""

    fill: str
    border: str
    title: str
    sign: str


@dataclass(frozen=True)
class Stroke:
    """How one kind of arrow is coloured: the line and its label."""

    line: str
    text: str


@dataclass(frozen=True)
class Palette:
    """Every colour of a picture. A text colour is at least 4.5 : 1 against each ground it stands on."""

    page: str
    title: str
    soft: str
    group: str
    group_border: str
    mark: str
    idle: Stroke
    plan: Stroke
    taken: Mapping[Meaning, Stroke]
    statuses: Mapping[Status, Tone]
    kinds: Mapping[Kind, Tone]
    neutral: Tone

    def tone(self, kind: Kind, status: Status | None) -> Tone:
        return self.kinds.get(kind, self.neutral) if status is None else self.statuses[status]

    def stroke(self, meaning: Meaning, taken: bool | None) -> Stroke:
        if taken is None:
            return self.plan if meaning == "plain" else self.taken[meaning]
        return self.taken[meaning] if taken else self.idle


SIGNS: Mapping[Status, str] = MappingProxyType(
    {
        "done": "✔",
        "looping": "↻",
        "running": "▶",
        "waiting": "❚❚",
        "failed": "✖",
        "interrupted": "↯",
        "cancelled": "⊘",
        "not reached": "○",
    }
)

KIND_SIGNS: Mapping[Kind, str] = MappingProxyType(
    {
        "agent": "✦",
        "function": "⚙",
        "human": "♟",
        "route": "◇",
        "each": "☰",
        "subflow": "▣",
        "graph": "⬡",
        "wait": "◷",
        "fail": "✖",
        "loop": "↻",
        "more": "⋯",
        "unknown": "?",
    }
)

Dash: TypeAlias = Literal["solid", "dashed", "dotted"]

DASHES: Mapping[Meaning, Dash] = MappingProxyType(
    {"plain": "solid", "loop": "dashed", "escalation": "solid", "failure": "dotted", "leaving": "dashed"}
)

LIGHT = Palette(
    page="#ffffff",
    title="#0f172a",
    soft="#475569",
    group="#f8fafc",
    group_border="#dbe3ed",
    mark="#64748b",
    idle=Stroke("#94a3b8", "#475569"),
    plan=Stroke("#64748b", "#475569"),
    taken=MappingProxyType(
        {
            "plain": Stroke("#059669", "#047857"),
            "loop": Stroke("#dc2626", "#b91c1c"),
            "escalation": Stroke("#d97706", "#b45309"),
            "failure": Stroke("#dc2626", "#b91c1c"),
            "leaving": Stroke("#d97706", "#b45309"),
        }
    ),
    statuses=MappingProxyType(
        {
            "done": Tone("#ecfdf5", "#059669", "#065f46", "#047857"),
            "looping": Tone("#f0fdfa", "#0d9488", "#134e4a", "#0f766e"),
            "running": Tone("#eff6ff", "#2563eb", "#1e3a8a", "#2563eb"),
            "waiting": Tone("#fffbeb", "#d97706", "#7c2d12", "#b45309"),
            "failed": Tone("#fef2f2", "#dc2626", "#7f1d1d", "#b91c1c"),
            "interrupted": Tone("#faf5ff", "#9333ea", "#581c87", "#9333ea"),
            "cancelled": Tone("#f1f5f9", "#64748b", "#334155", "#475569"),
            "not reached": Tone("#ffffff", "#aab7c8", "#475569", "#64748b"),
        }
    ),
    kinds=MappingProxyType(
        {
            "agent": Tone("#f5f3ff", "#7c3aed", "#4c1d95", "#7c3aed"),
            "function": Tone("#eff6ff", "#2563eb", "#1e3a8a", "#2563eb"),
            "human": Tone("#fffbeb", "#d97706", "#7c2d12", "#b45309"),
            "graph": Tone("#f0fdfa", "#0d9488", "#134e4a", "#0f766e"),
            "fail": Tone("#fef2f2", "#dc2626", "#7f1d1d", "#b91c1c"),
        }
    ),
    neutral=Tone("#f8fafc", "#64748b", "#334155", "#475569"),
)

DARK = Palette(
    page="#0b1220",
    title="#f8fafc",
    soft="#b4c0d3",
    group="#121b2c",
    group_border="#2a3852",
    mark="#94a3b8",
    idle=Stroke("#57657c", "#a3b0c4"),
    plan=Stroke("#8494ab", "#b4c0d3"),
    taken=MappingProxyType(
        {
            "plain": Stroke("#10b981", "#6ee7b7"),
            "loop": Stroke("#f87171", "#fca5a5"),
            "escalation": Stroke("#f59e0b", "#fcd34d"),
            "failure": Stroke("#f87171", "#fca5a5"),
            "leaving": Stroke("#f59e0b", "#fcd34d"),
        }
    ),
    statuses=MappingProxyType(
        {
            "done": Tone("#06281f", "#10b981", "#a7f3d0", "#34d399"),
            "looping": Tone("#04262a", "#14b8a6", "#99f6e4", "#2dd4bf"),
            "running": Tone("#0c1f42", "#3b82f6", "#bfdbfe", "#60a5fa"),
            "waiting": Tone("#2b1d06", "#f59e0b", "#fde68a", "#fbbf24"),
            "failed": Tone("#310f14", "#ef4444", "#fecaca", "#f87171"),
            "interrupted": Tone("#230f38", "#a855f7", "#e9d5ff", "#c084fc"),
            "cancelled": Tone("#1a2436", "#94a3b8", "#e2e8f0", "#b4c0d3"),
            "not reached": Tone("#0b1220", "#57657c", "#a3b0c4", "#94a3b8"),
        }
    ),
    kinds=MappingProxyType(
        {
            "agent": Tone("#1c1440", "#8b5cf6", "#ddd6fe", "#a78bfa"),
            "function": Tone("#0c1f42", "#3b82f6", "#bfdbfe", "#60a5fa"),
            "human": Tone("#2b1d06", "#f59e0b", "#fde68a", "#fbbf24"),
            "graph": Tone("#04262a", "#14b8a6", "#99f6e4", "#2dd4bf"),
            "fail": Tone("#310f14", "#ef4444", "#fecaca", "#f87171"),
        }
    ),
    neutral=Tone("#172135", "#8494ab", "#e2e8f0", "#b4c0d3"),
)


def contrast(one: str, other: str) -> float:
    """How well two colours can be told apart, from 1 to 21, as WCAG 2 computes it.

    >>> contrast("#000000", "#ffffff")
    21.0
    """
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
