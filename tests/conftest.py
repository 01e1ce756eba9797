"""What holds for every test: no key and no setting of the machine reaches it, and a slow machine is no failure."""

from __future__ import annotations

import os

from hypothesis import settings

# A test says itself which model, store and tracing it wants; a developer's shell must not.
for name in list(os.environ):
    if name.startswith(("OPENAI_", "WORKFLOW_", "LANGSMITH_", "LANGCHAIN_", "NO_COLOR", "FORCE_COLOR")):
        del os.environ[name]

# Two shared cores: how long one example takes says nothing about the code.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")
