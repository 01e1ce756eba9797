"""A desk to chat with: it remembers the talk, looks parcels up, and gives money back where a person agrees.

Try it: workflow serve graphs/chat.py --model offline, and open /chat; or
workflow run graphs/chat.py --model offline question="Where is parcel 17?"
"""

from __future__ import annotations

from workflow_engine import END, START, Chat, State, agent, tool, workflow
from workflow_engine.agents import Sessions, open_sessions

PARCELS = {"17": "in Lyon since Tuesday", "18": "lost since Friday"}


class Talk(State):
    question: str
    talk: str = "main"
    answer: str = ""


def track(parcel: str) -> str:
    """Say where a parcel is."""
    return PARCELS.get(parcel, "no such parcel")


@tool(effect=True, approval=lambda euros: euros > 50)
def refund(parcel: str, euros: int) -> str:
    """Give money back for a lost parcel. More than 50 euros need a person's word."""
    return f"{euros} euros for parcel {parcel} are on their way back"


@agent(
    writes="answer",
    instructions="Help people with their parcels, in a sentence or two. Give money back for what is lost.",
    session="talk",
    tools=[track, refund],
)
def answer(question: str, talk: str) -> str:
    return question


chat = workflow(
    "chat",
    state=Talk,
    edges=[START >> answer >> END],
    resources={Sessions: open_sessions()},
    chat=Chat("question", reply="answer", session="talk"),
)
