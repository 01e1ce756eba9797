"""Ready-made tools for agents: files, SQLite, HTTP, a shell, MCP; each closed but for what is declared open.

Importing this loads neither sqlite3 nor an HTTP client nor MCP: a tool does when it is used.
"""

from __future__ import annotations

from workflow_engine.tools.files import file_tools
from workflow_engine.tools.mcp import mcp_server
from workflow_engine.tools.refused import Refused
from workflow_engine.tools.shell import shell_tool
from workflow_engine.tools.sqlite import sqlite_tools
from workflow_engine.tools.web import http_tool

__all__ = ["Refused", "file_tools", "http_tool", "mcp_server", "shell_tool", "sqlite_tools"]
