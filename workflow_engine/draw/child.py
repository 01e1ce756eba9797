"""A script of its own: reads DOT, lays it out once and writes each asked format to a file in the given folder.

Run as a child process, because the layout holds Python's global lock for seconds on large graphs, and because a crash
in native code must not take a run down. It imports nothing of ours, so it works wherever the package was imported from.
Exit code 3: pygraphviz is not installed or does not load.

    python child.py FOLDER DPI LAYOUT FORMAT...   < graph.dot
"""

import sys
from pathlib import Path


def main(folder: str, dpi: str, layout: str, *formats: str) -> int:
    try:
        from pygraphviz import AGraph
        from pygraphviz import graphviz as native  # AGraph.draw would lay out anew for every format
    except ImportError as error:
        sys.stderr.write(f"pygraphviz does not load: {error}\n")
        return 3
    graph = AGraph(string=sys.stdin.buffer.read().decode())
    if dpi != "0":
        graph.graph_attr["dpi"] = dpi
    context = native.gvContextWithBuiltins()
    if native.gvLayout(context, graph.handle, layout.encode()) != 0:
        sys.stderr.write("Error: no layout\n")
        return 1
    for each in formats:
        failed, data = native.gvRenderData(context, graph.handle, each.encode())
        if failed:
            sys.stderr.write(f"Error: no {each}\n")
            return 1
        (Path(folder) / each).write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape"))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
