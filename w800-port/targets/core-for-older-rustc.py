"""Makes a copy of Debian's `core` fit for a rustc that is a little older than it.

    core-for-older-rustc.py LIBRARY COPY

The compilers of rustup generate code for C-SKY, Debian's do not; Debian has the sources of `core`
without rustup. What these sources ask of the compiler that it does not have yet is taken out here:
language items that only check, and intrinsics that nothing in this repository uses.
"""

import re
import shutil
import sys
from pathlib import Path

UNKNOWN_ITEMS = {
    "field.rs": r"field\w*",
    "mem/maybe_dangling.rs": r"maybe_dangling",
}
UNKNOWN_INTRINSICS = {
    "intrinsics/mod.rs": ["field_offset", "fabs"]
    + [f"{which}_number_nsz_f{bits}" for which in ("minimum", "maximum") for bits in (16, 32, 64, 128)],
    "intrinsics/simd/mod.rs": [f"simd_{which}_number_nsz" for which in ("minimum", "maximum")],
    "intrinsics/simd/scalable.rs": ["sve_cast"]
    + [f"sve_tuple_{what}" for what in ("create2", "create3", "create4", "get", "set")],
}


def without_items(text, names):
    return re.sub(rf'#\[lang = "{names}"\]\n?', "", text)


def end_of_declaration(text, at):
    """Where the body or the semicolon of the function is that begins at `at`."""
    depth = 0
    for i in range(at, len(text)):
        c = text[i]
        if c in "([<":
            depth += 1
        elif c in ")]" or (c == ">" and text[i - 1] != "-"):
            depth -= 1
        elif c == "{" or (c == ";" and depth <= 0):
            return i
    sys.exit("a function without an end")


def without_intrinsic(text, name):
    """Makes the intrinsic a function; one without a body never returns."""
    found = re.search(rf"\bfn {name}\b", text)
    if not found:
        return text
    mark = "#[rustc_intrinsic]"
    at = text.rindex(mark, 0, found.start())
    text = text[:at] + text[at + len(mark) :]
    end = end_of_declaration(text, found.start() - len(mark))
    if text[end] == ";":
        text = f"{text[:end]} {{ loop {{}} }}{text[end + 1:]}"
    return text


def main(library, copy):
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(library, copy / "library")
    # Cargo wants the lock file beside the library, too.
    lock = library.parent / "Cargo.lock"
    if lock.exists():
        shutil.copy(lock, copy)
    sources = copy / "library/core/src"
    for name in UNKNOWN_ITEMS.keys() | UNKNOWN_INTRINSICS.keys():
        path = sources / name
        if not path.exists():
            continue
        text = path.read_text()
        if name in UNKNOWN_ITEMS:
            text = without_items(text, UNKNOWN_ITEMS[name])
        for intrinsic in UNKNOWN_INTRINSICS.get(name, []):
            text = without_intrinsic(text, intrinsic)
        path.write_text(text)


main(Path(sys.argv[1]), Path(sys.argv[2]))
