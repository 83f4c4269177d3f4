"""A reference program under QEMU, and the line to it.

The program and this side take turns: it runs until it waits for input, then it is told what the
server sends, that time passes, or that the connection is lost. No clock takes part.
"""

import contextlib
import os
import re
import select
import socket
import subprocess
import tempfile
import time

PAINT = 0xA5
PIECE = 1024  # Bytes that the debugger reads or writes at once.
PATIENCE = 30  # Seconds; a program takes milliseconds.

(CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, UNSUBSCRIBE,
 UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH) = range(1, 16)
NAMES = ("- CONNECT CONNACK PUBLISH PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE "
         "UNSUBACK PINGREQ PINGRESP DISCONNECT AUTH").split()


class Unexpected(Exception):
    """The program did something else."""


class Packet:
    """A packet from the program."""

    def __init__(self, first, body):
        self.type, self.flags, self.body = first >> 4, first & 15, body

    def __repr__(self):
        return f"{NAMES[self.type]}({self.flags:04b}, {self.body!r})"

    @property
    def id(self):
        """The packet identifier, wherever it is."""
        at = 2 + int.from_bytes(self.body[:2], "big") if self.type == PUBLISH else 0
        return int.from_bytes(self.body[at:at + 2], "big")

    @property
    def qos(self):
        return self.flags >> 1 & 3

    @property
    def is_dup(self):
        return self.flags & 8 != 0


def packet(packet_type, body=b"", flags=None):
    if flags is None:
        flags = 2 if packet_type in (PUBREL, SUBSCRIBE, UNSUBSCRIBE) else 0
    return bytes([packet_type << 4 | flags]) + var_int(len(body)) + body


def var_int(value):
    out = b""
    while True:
        value, low = value >> 7, value & 127
        if value == 0:
            return out + bytes([low])
        out += bytes([low | 128])


def u16(value):
    return value.to_bytes(2, "big")


def string(text):
    text = text.encode() if isinstance(text, str) else text
    return u16(len(text)) + text


class Program:
    """A program that runs. `stack` is the section of the RAM that it has for that."""

    def __init__(self, image, stack, setting=0):
        self.image, self.stack, self.setting = image, stack, setting
        self.deepest = []  # (step, bytes)
        self.journal = []  # What the program has on stable storage.
        self.start()

    def start(self):
        """Turns the power on."""
        self.clock = 0
        self.until = None
        self.pending = b""
        self.output = b""
        self.to_load = iter(self.journal.copy())
        self.folder = tempfile.TemporaryDirectory(prefix="mqtt-sizes-")
        path = os.path.join(self.folder.name, "debugger")
        self.qemu = subprocess.Popen(
            ["qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none",
             "-serial", "stdio", "-chardev", f"socket,path={path},server=on,wait=off,id=debugger",
             "-gdb", "chardev:debugger", "-S", "-kernel", self.image],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.debugger = None
        try:
            self.debugger = self.attach(path)
            self.paint(*self.stack)
            self.ask("c")
            self.write(bytes([self.setting]))
            self.run()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.qemu.kill()
        self.qemu.wait()
        self.qemu.stdin.close()
        self.qemu.stdout.close()
        if self.debugger:
            self.debugger.close()
        self.folder.cleanup()

    # --- the server's side ---------------------------------------------------

    def send(self, *packets):
        """The server sends these packets at once."""
        data = b"".join(packets)
        self.write(b"b" + len(data).to_bytes(4, "little") + data)
        self.run()

    def wait(self, seconds=None):
        """Time passes: until the moment that the program waits for, or as long as is said."""
        if seconds is not None:
            self.clock += seconds * 1000
        elif self.until is None:
            raise Unexpected("the program does not wait for any moment")
        else:
            self.clock = max(self.clock, self.until)
        self.write(b"t" + self.clock.to_bytes(4, "little"))
        self.run()

    def lose(self):
        """The connection is lost; what was sent in part is lost with it."""
        self.pending = b""
        self.write(b"x")
        self.run()

    def lose_power(self):
        """All is lost but what is on stable storage, and the program begins anew."""
        self.close()
        self.start()

    def take(self, packet_type):
        """The next packet of the program, which is to be of this type."""
        if len(self.pending) < 2:
            raise Unexpected(f"no {NAMES[packet_type]}, but nothing")
        length, shift, at = 0, 0, 1
        while True:
            byte = self.pending[at]
            length |= (byte & 127) << shift
            shift, at = shift + 7, at + 1
            if byte < 128:
                break
        packet = Packet(self.pending[0], self.pending[at:at + length])
        self.pending = self.pending[at + length:]
        if packet.type != packet_type:
            raise Unexpected(f"no {NAMES[packet_type]}, but {packet} {self.pending!r}")
        return packet

    def is_next(self, packet_type):
        """True if that is what the program has sent next."""
        return bool(self.pending) and self.pending[0] >> 4 == packet_type

    def nothing(self):
        """The program has sent nothing more."""
        if self.pending:
            raise Unexpected(f"{self.pending!r}, where nothing was to come")

    @contextlib.contextmanager
    def step(self, name):
        """Something to be done, and how deep the stack goes."""
        try:
            yield
            self.nothing()
        except Unexpected as error:
            raise Unexpected(f"{name}: {error}") from None
        self.deepest.append((name, self.stack_used()))

    # --- the line ------------------------------------------------------------

    def run(self):
        """Lets the program run until it waits, and keeps what it sends."""
        while True:
            what = self.read(1)
            if what == b"s":
                self.pending += self.read(self.read(1)[0])
            elif what == b"j":
                self.journal.append(self.read_block())
            elif what == b"l":
                record = next(self.to_load, b"")
                self.write(len(record).to_bytes(4, "little") + record)
            elif what == b"w":
                until = int.from_bytes(self.read(4), "little")
                self.until = None if until == 0xFFFF_FFFF else until
                return
            else:
                raise Unexpected(f"{what!r} on the line")

    def read_block(self):
        return self.read(int.from_bytes(self.read(4), "little"))

    def write(self, data):
        while data:
            data = data[self.qemu.stdin.write(data):]

    def read(self, n):
        deadline = time.monotonic() + PATIENCE
        while len(self.output) < n:
            ready = select.select([self.qemu.stdout], [], [], deadline - time.monotonic())[0]
            data = os.read(self.qemu.stdout.fileno(), 4096) if ready else b""
            if not data:
                raise Unexpected("the program hangs: a fault, or an endless loop")
            self.output += data
        data, self.output = self.output[:n], self.output[n:]
        return data

    # --- the memory, by the protocol of GDB ----------------------------------

    def attach(self, path):
        """The connection to QEMU's debugger; the program stands still."""
        debugger = socket.socket(socket.AF_UNIX)
        debugger.settimeout(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                debugger.connect(path)
                return debugger
            except OSError:
                if time.monotonic() > deadline or self.qemu.poll() is not None:
                    raise Unexpected("QEMU does not start") from None
                time.sleep(0.01)

    def ask(self, request):
        data = request.encode()
        self.debugger.sendall(b"$" + data + b"#%02x" % (sum(data) % 256))
        return self.answer() if request != "c" else None

    def answer(self):
        answer = b""
        while not re.search(rb"#..$", answer):
            data = self.debugger.recv(4096)
            if not data:
                raise Unexpected("QEMU is gone")
            answer += data
        self.debugger.sendall(b"+")
        return re.search(rb"\$(.*)#", answer)[1].decode()

    def paint(self, low, high):
        for at in range(low, high, PIECE):
            n = min(PIECE, high - at)
            if self.ask(f"M{at:x},{n:x}:" + f"{PAINT:02x}" * n) != "OK":
                raise Unexpected("QEMU does not write to memory")

    def stack_used(self):
        """How many bytes of the stack were in use at most since the last call."""
        low, high = self.stack
        self.debugger.sendall(b"\x03")
        self.answer()
        registers = self.ask("g")
        pointer = int.from_bytes(bytes.fromhex(registers[13 * 8:14 * 8]), "little")
        memory = b"".join(bytes.fromhex(self.ask(f"m{at:x},{min(PIECE, high - at):x}"))
                          for at in range(low, high, PIECE))
        unused = len(memory) - len(memory.lstrip(bytes([PAINT])))
        if unused == 0:
            raise Unexpected("the stack has overflowed")
        self.paint(low + unused, pointer)
        self.ask("c")
        return high - low - unused
