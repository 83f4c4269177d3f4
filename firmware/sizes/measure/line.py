"""A reference program under QEMU, and the line to it.

The program and this side take turns: it runs until it waits for input, then it is told what the
server sends, that time passes, or that the connection is lost. No clock takes part.
"""

import contextlib
import json
import os
import select
import socket
import subprocess
import tempfile
import time

RAM, RAM_LEN = 0x2000_0000, 64 * 1024
PAINT = 0xA5
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
        self.stack = stack
        self.deepest = []  # (step, bytes)
        self.clock = 0
        self.until = None
        self.pending = b""
        self.output = b""
        self.folder = tempfile.TemporaryDirectory(prefix="mqtt-sizes-")
        paint, monitor = self.path("paint"), self.path("monitor")
        with open(paint, "wb") as file:
            file.write(bytes([PAINT]) * RAM_LEN)
        self.qemu = subprocess.Popen(
            ["qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none",
             "-serial", "stdio", "-qmp", f"unix:{monitor},server=on,wait=off",
             "-device", f"loader,file={paint},addr={RAM:#x},force-raw=on", "-kernel", image],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        try:
            self.monitor = self.connect_monitor(monitor)
            self.write(bytes([setting]))
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
        self.folder.cleanup()

    def path(self, name):
        return os.path.join(self.folder.name, name)

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
        """Something to be done; how deep the stack went until its end."""
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
            elif what == b"w":
                until = int.from_bytes(self.read(4), "little")
                self.until = None if until == 0xFFFF_FFFF else until
                return
            else:
                raise Unexpected(f"{what!r} on the line")

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

    # --- the memory ----------------------------------------------------------

    def connect_monitor(self, path):
        monitor = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                monitor.connect(path)
                break
            except OSError:
                if time.monotonic() > deadline or self.qemu.poll() is not None:
                    raise Unexpected("QEMU does not start") from None
                time.sleep(0.01)
        monitor.settimeout(PATIENCE)
        file = monitor.makefile("rw")
        monitor.close()
        file.readline()
        self.monitor = file
        self.command("qmp_capabilities")
        return file

    def command(self, name, **arguments):
        self.monitor.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.monitor.flush()
        while True:
            answer = json.loads(self.monitor.readline())
            if "error" in answer:
                raise Unexpected(f"QEMU: {answer['error']}")
            if "return" in answer:
                return

    def stack_used(self):
        """How many bytes of the stack were ever used."""
        low, high = self.stack
        path = self.path("stack")
        self.command("pmemsave", val=low, size=high - low, filename=path)
        with open(path, "rb") as file:
            memory = file.read()
        unused = len(memory) - len(memory.lstrip(bytes([PAINT])))
        if unused == 0:
            raise Unexpected("the stack has overflowed")
        return high - low - unused
