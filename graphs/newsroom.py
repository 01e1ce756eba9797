"""A newsroom: an editor has writers write, and each writer has facts looked up. One node, three levels of agents.

Try it: workflow run graphs/newsroom.py --model offline topic="the harbour bridge"
"""

from __future__ import annotations

from pydantic import BaseModel

from workflow_engine import END, START, State, agent, specialist, workflow

ARCHIVE = {
    "opening": "The harbour bridge opens on the first of May.",
    "history": "The old bridge was closed in 1987 after a storm.",
}


class Article(BaseModel):
    title: str
    paragraphs: list[str]


class Issue(State):
    topic: str
    article: Article | None = None


def look_up(word: str) -> str:
    """Look a word up in the archive."""
    return ARCHIVE.get(word, f"nothing; there is {', '.join(ARCHIVE)}")


researcher = specialist(
    name="researcher",
    description="Finds one fact in the archive.",
    instructions="Look up what is asked for, and answer with the fact alone.",
    tools=[look_up],
    turns=5,
)
reporter = specialist(
    name="reporter",
    description="Writes what is new, in one paragraph.",
    instructions="Have the researcher find what is new, then write it in one paragraph.",
    tools=[researcher],
)
chronicler = specialist(
    name="chronicler",
    description="Writes what was before, in one paragraph.",
    instructions="Have the researcher find what was before, then write it in one paragraph.",
    tools=[researcher],
)


@agent(
    writes="article",
    instructions="Have the reporter and the chronicler write a paragraph each; give the article a title.",
    tools=[reporter, chronicler],
)
def edit(topic: str) -> str:
    return f"An article about {topic}."


newsroom = workflow("newsroom", state=Issue, edges=[START >> edit >> END])
