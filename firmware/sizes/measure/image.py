"""What is in a linked image, by GNU binutils."""

import os
import re
import subprocess

# What a program calls when it panics; there is no such function.
PANIC = "a_panic_can_be_reached"


def output(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def sections(image):
    """The size of each section."""
    sizes = {}
    for words in map(str.split, output("arm-none-eabi-size", "-A", "-d", image).splitlines()):
        if len(words) == 3 and words[0].startswith("."):
            sizes[words[0]] = int(words[1])
    return sizes


def symbols(image):
    """(address, size, kind, name) of each symbol."""
    found = []
    for symbol in output("arm-none-eabi-nm", "-S", "--demangle", image).splitlines():
        if match := re.match(r"([0-9a-f]{8}) (?:([0-9a-f]{8}) )?(\w) (.*)", symbol):
            address, size, kind, name = match.groups()
            found.append((int(address, 16), int(size or "0", 16), kind, name))
    return found


def functions(image):
    """(bytes, name) of each function, the largest first."""
    found = ((size, name) for _, size, kind, name in symbols(image) if kind in "tTwW" and size)
    return sorted(found, reverse=True)


def code_of_source(image, root):
    """{(file, function): bytes} of the sources under `root`, as if nothing was inlined; what is a
    library's counts for its caller."""
    listing = output("arm-none-eabi-objdump", "-d", "-j", ".text", "--no-show-raw-insn", image)
    addresses = [int(text, 16) for text in re.findall(r"^ +([0-9a-f]+):", listing, re.M)]
    looked_up = output("arm-none-eabi-addr2line", "-a", "-f", "-i", "-C", "-e", image,
                       input="".join(f"{address:#x}\n" for address in addresses))
    entries = re.split(r"^0x.*\n", looked_up, flags=re.M)[1:]
    sizes = {}
    for entry, address, following in zip(entries, addresses, addresses[1:] + [addresses[-1] + 2]):
        frames = entry.splitlines()
        source = "(libraries)", ""
        for name, place in zip(frames[::2], frames[1::2]):
            if place.startswith(root):
                name = re.sub(r"::<.*>$|::\{closure.*", "", name)
                file = os.path.relpath(place.split(":")[0], root)
                source = file, re.split(r"::(?![^<]*>)", name)[-1]
                break
        sizes[source] = sizes.get(source, 0) + following - address
    return sizes


def instructions(image):
    """(address, function, text) of each instruction."""
    function = ""
    for text in output("arm-none-eabi-objdump", "-d", "--demangle", "--no-show-raw-insn",
                       image).splitlines():
        if match := re.match(r"[0-9a-f]+ <(.*)>:$", text):
            function = match[1]
        elif match := re.match(r" *([0-9a-f]+):\s+(.*)", text):
            yield match[1], function, match[2]


def frames(image):
    """(bytes of stack, name) of each function, the most first."""
    sizes = {}
    for _, function, text in instructions(image):
        if re.match(r"push|stmdb\tsp!|str\.w\t.*\[sp, #-4\]!", text):
            taken = 4 * count_registers(text)
        elif match := re.match(r"subw?(?:\.w)?\tsp, (?:sp, )?#(\d+)", text):
            taken = int(match[1])
        else:
            continue
        sizes[function] = sizes.get(function, 0) + taken
    return sorted(((size, name) for name, size in sizes.items()), reverse=True)


def count_registers(instruction):
    """How many registers there are in braces, such as {r4-r7, lr}; without braces one."""
    braces = re.search(r"{(.*)}", instruction)
    count = 0
    for part in braces[1].split(",") if braces else ["r0"]:
        first, _, last = part.strip().partition("-")
        count += int(last[1:]) - int(first[1:]) + 1 if last else 1
    return count


def panics(image, root):
    """Where a panic can begin: the calls from the sources under `root` to what is a library's and
    can panic, and what in the library does."""
    calls, entries = [], {}
    for address, function, text in instructions(image):
        entries.setdefault(function, address)
        match = re.match(r"b\S*\s+[0-9a-f]+ <(.*)>$", text)
        if match and "+0x" not in match[1]:
            calls.append((address, function, match[1]))
    reaches = {PANIC}
    while more := {caller for _, caller, callee in calls if callee in reaches} - reaches:
        reaches |= more

    calls = [call for call in calls if call[2] in reaches and call[2] != PANIC]
    places = source_places(image, root, [address for address, _, _ in calls])
    callees = source_places(image, root, [entries[callee] for _, _, callee in calls])
    found, library = [], set()
    for (_, caller, callee), place, in_ours in zip(calls, places, callees):
        if place and not in_ours:
            found.append(f"{place}: {caller} calls {callee}")
        elif not place and "core::panicking::" in callee and "core::panicking::" not in caller:
            library.add(f"{caller} is what panics")
    return found + sorted(library)


def source_places(image, root, addresses):
    """For each address, the file and line under `root` that its code is from, or inlined into."""
    looked_up = output("arm-none-eabi-addr2line", "-a", "-i", "-e", image,
                       input="".join(f"0x{address}\n" for address in addresses))
    places = []
    for entry in re.split(r"^0x.*\n", looked_up, flags=re.M)[1:]:
        ours = [place for place in entry.splitlines() if place.startswith(root)]
        places.append(os.path.relpath(ours[0], root) if ours else None)
    return places
