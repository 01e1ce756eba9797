"""Ready-made tools for agents: files, SQLite, HTTP and a shell, each closed but for what its declaration opens.

Importing this loads neither sqlite3 nor an HTTP client: a tool does when it is used.
"""

from __future__ import annotations

from workflow_engine.tools.files import file_tools
from workflow_engine.tools.refused import Refused
from workflow_engine.tools.shell import shell_tool
from workflow_engine.tools.sqlite import sqlite_tools
from workflow_engine.tools.web import http_tool

__all__ = ["Refused", "file_tools", "http_tool", "shell_tool", "sqlite_tools"]
