"""The HTTP API and the page on an open engine: a surface. Importing this loads no web framework; serving does."""
