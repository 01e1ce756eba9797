"""A support desk: a router sorts the mail, specialists answer it, and what nobody knows goes to a person.

Try it: workflow run graphs/desk.py --model offline mail="Where is parcel 17?"
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from workflow_engine import END, START, Question, State, agent, guardrail, human, route, specialist, tool, workflow

PARCELS = {"17": "in Lyon since Tuesday", "18": "lost"}
INVOICES = {"A1": 30, "B2": 400}


class Topic(BaseModel):
    kind: Literal["parcel", "money", "unknown"]


class Reply(BaseModel):
    text: str
    confidence: float = 1.0


class Mail(State):
    mail: str
    topic: Topic | None = None
    reply: Reply | None = None


def track(parcel: str) -> str:
    """Say where a parcel is."""
    return PARCELS.get(parcel, "no such parcel")


def invoice(number: str) -> str:
    """Say what an invoice comes to."""
    return f"{INVOICES[number]} euros" if number in INVOICES else "no such invoice"


@tool(effect=True, approval=lambda euros: euros > 50)
def refund(number: str, euros: int) -> str:
    """Give money back. More than 50 euros need a person's word."""
    return f"{euros} euros of {number} are on their way back"


refunds = specialist(
    name="refunds",
    description="Gives money back.",
    instructions="Give back what is asked for, if the invoice is there, and say so.",
    tools=[invoice, refund],
)


@guardrail(on="input")
def no_cards(prompt: str) -> str | None:
    digits = "".join(each for each in prompt if each.isdigit())
    return "the mail holds a card's number" if len(digits) >= 13 else None


@agent(writes="topic", instructions="Say what the mail is about; unknown, unless you are sure.", guardrails=[no_cards])
def sort(mail: str) -> str:
    return mail


@route
def about(topic: Topic) -> Literal["parcel", "money", "unknown"]:
    return topic.kind


@agent(
    writes="reply",
    instructions="Say where the parcel is, and how sure you are.",
    tools=[track],
    review_if=lambda reply: reply.confidence < 0.8,
)
def parcels(mail: str) -> str:
    return mail


@agent(
    writes="reply",
    instructions="Answer what is asked about money; hand refunds over.",
    tools=[invoice],
    handoffs=[refunds],
)
def money(mail: str) -> str:
    return mail


@human(writes="reply")
def colleague(mail: str) -> Question[Reply]:
    return Question("Nobody knows what this is about. What do we answer?", evidence=[mail])


desk = workflow(
    "desk",
    state=Mail,
    edges=[
        START >> sort >> about,
        about["parcel"] >> parcels >> END,
        about["money"] >> money >> END,
        about["unknown"] >> colleague >> END,
        sort.failed >> colleague,
    ],
)
