"""Workflows offered as MCP tools: a surface of the engine. Importing this loads no MCP; serving does."""
