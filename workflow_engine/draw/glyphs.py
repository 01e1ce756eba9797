"""A script of its own: reads characters, writes those that no font on this machine draws. Asks the fontconfig library.

Run as a child process, because the library reads its configuration once per process. Exit code 3: no fontconfig here.
"""

import ctypes
import ctypes.util
import importlib.util
import sys
from pathlib import Path


def library() -> "ctypes.CDLL | None":
    """The fontconfig that Graphviz itself uses, from pygraphviz's wheel, else the system's."""
    found = []
    spec = importlib.util.find_spec("pygraphviz")
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        for folder in (package.with_name("pygraphviz.libs"), package / ".dylibs"):
            found += sorted(str(each) for each in folder.glob("libfontconfig*"))
    for name in [*found, ctypes.util.find_library("fontconfig")]:
        try:
            if name:
                return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def main() -> int:
    fontconfig = library()
    if fontconfig is None:
        return 3
    pointer = ctypes.c_void_p
    for name, result, arguments in (
        ("FcInitLoadConfigAndFonts", pointer, []),
        ("FcConfigGetFonts", pointer, [pointer, ctypes.c_int]),
        ("FcPatternGetCharSet", ctypes.c_int, [pointer, ctypes.c_char_p, ctypes.c_int, ctypes.POINTER(pointer)]),
        ("FcCharSetHasChar", ctypes.c_int, [pointer, ctypes.c_uint32]),
    ):
        function = getattr(fontconfig, name)
        function.restype, function.argtypes = result, arguments

    class FontSet(ctypes.Structure):
        _fields_ = (("count", ctypes.c_int), ("room", ctypes.c_int), ("fonts", ctypes.POINTER(pointer)))

    missing = set(sys.stdin.buffer.read().decode("utf-8", "replace"))
    found = fontconfig.FcConfigGetFonts(fontconfig.FcInitLoadConfigAndFonts(), 0)
    fonts = ctypes.cast(found, ctypes.POINTER(FontSet)).contents if found else FontSet(0, 0, None)
    for at in range(fonts.count):
        covered = pointer()
        if fontconfig.FcPatternGetCharSet(fonts.fonts[at], b"charset", 0, ctypes.byref(covered)) == 0:
            missing = {each for each in missing if not fontconfig.FcCharSetHasChar(covered, ord(each))}
    sys.stdout.buffer.write("".join(sorted(missing)).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
