"""The meter: what the models called in a graph use, heard by LangChain's callbacks."""

from __future__ import annotations

import threading
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from workflow_engine.record.usage import Usage


class Meter(BaseCallbackHandler):
    """Adds up the calls of one attempt. Models are called from threads as well."""

    run_inline = True  # else each call waits for a thread

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.usage = Usage()
        self.models: dict[str, None] = {}

    def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        """One answer of a model: a request, with as many tokens as it says."""
        first = response.generations[0][0] if response.generations and response.generations[0] else None
        message = first.message if isinstance(first, ChatGeneration) else None
        said = message if isinstance(message, AIMessage) else None
        used = said.usage_metadata if said is not None else None
        tokens = (0, 0) if used is None else (used["input_tokens"], used["output_tokens"])
        about = said.response_metadata if said is not None else {}
        name = about.get("model_name") or about.get("model")
        with self._lock:
            self.usage += Usage(1, *tokens)
            if isinstance(name, str):
                self.models[name] = None
