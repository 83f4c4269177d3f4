"""What the server says to each reference program, and what it must hear."""

from line import *

# What 5.0 calls its properties.
PAYLOAD_FORMAT, EXPIRY, CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION = 1, 2, 3, 8, 9
SUBSCRIPTION_ID, SERVER_KEEP_ALIVE, METHOD, DATA = 11, 19, 21, 22
REASON_STRING, RECEIVE_MAXIMUM, ALIAS_MAXIMUM, ALIAS = 31, 33, 34, 35
USER_PROPERTY, MAXIMUM_PACKET_SIZE = 38, 39

CONTINUE, RE_AUTHENTICATE = 0x18, 0x19
NO_MATCHING_SUBSCRIBERS, IMPLEMENTATION_ERROR, SHUTTING_DOWN = 0x10, 0x83, 0x8B


def must(holds, what):
    if not holds:
        raise Unexpected(what)


class Server:
    """A server of one version. It may know that the program keeps a journal."""

    def __init__(self, line, is_v5, is_durable=False):
        self.line, self.is_v5, self.is_durable = line, is_v5, is_durable
        self.step = line.step

    def properties(self, *properties):
        """The properties, which only 5.0 has: pairs of a name and the bytes of the value."""
        data = b"".join(bytes([name]) + value for name, value in properties)
        return var_int(len(data)) + data if self.is_v5 else b""

    def connack(self, present=False, code=0):
        """Has the least and the most that a server can say."""
        self.line.send(packet(CONNACK, bytes([present, code]) + self.properties(
            *((SERVER_KEEP_ALIVE, u16(30)), (RECEIVE_MAXIMUM, u16(10)), (ALIAS_MAXIMUM, u16(4)),
              (MAXIMUM_PACKET_SIZE, (2000).to_bytes(4, "big")), (REASON_STRING, string("welcome")),
              (METHOD, string("CHALLENGE")), (DATA, string("server's proof")),
              (USER_PROPERTY, string("name") + string("value")))[:None if code == 0 else 0])))

    def auth(self, code):
        self.line.send(packet(AUTH, bytes([code]) + self.properties(
            (METHOD, string("CHALLENGE")), (DATA, string("challenge")))))

    def take_auth(self, code):
        auth = self.line.take(AUTH)
        must(auth.body[0] == code and auth.body.endswith(string("answer")), auth)

    def connect(self, present=False, code=0):
        """CONNECT is answered; with a new session, the program subscribes."""
        connect = self.line.take(CONNECT)
        must(connect.body[6] == (5 if self.is_v5 else 4), connect)
        must(connect.body.endswith(string("user") + string("secret")), connect)
        must(string("state") + string("gone") in connect.body, connect)
        if self.is_v5:
            must(string("CHALLENGE") in connect.body and string("hello") in connect.body, connect)
            self.auth(CONTINUE)
            self.take_auth(CONTINUE)
        self.connack(present, code)
        if not present and code == 0:
            self.subscribed()

    def subscribed(self):
        subscribe = self.line.take(SUBSCRIBE)
        must(subscribe.body.endswith(string("to/#") + b"\x02"), subscribe)
        self.line.send(packet(SUBACK, u16(subscribe.id) + self.properties() + b"\x02"))

    def publish(self, topic, payload, qos=0, id=None, *properties):
        body = string(topic) + (u16(id) if qos else b"") + self.properties(*properties)
        return packet(PUBLISH, body + payload, qos << 1)

    def take_acknowledged(self, qos):
        """The program has acknowledged a message."""
        if qos > 0:
            self.line.take(PUBACK if qos == 1 else PUBREC)

    def release(self, id):
        """The server ends its QoS 2 message."""
        self.line.send(packet(PUBREL, u16(id)))
        self.line.take(PUBCOMP)

    def acknowledge(self, message, *properties):
        """The server takes a message of the program."""
        code = bytes([NO_MATCHING_SUBSCRIBERS]) if properties else b""
        more = code + self.properties(*properties) if properties else b""
        if message.qos == 1:
            self.line.send(packet(PUBACK, u16(message.id) + more))
        elif message.qos == 2:
            self.line.send(packet(PUBREC, u16(message.id) + more))
            self.line.take(PUBREL)
            self.line.send(packet(PUBCOMP, u16(message.id)))


def qos0(line, _setting):
    server = Server(line, False)
    with line.step("connect"):
        connect = line.take(CONNECT)
        must(connect.body.endswith(string("user") + string("secret")), connect)
        server.connack()
    with line.step("publish"):
        for _ in range(20):
            line.wait(1)
            line.take(PUBLISH)
    with line.step("keep-alive"):
        line.wait()
        line.take(PINGREQ)
        line.take(PUBLISH)
        line.send(packet(PINGRESP))
    with line.step("time-out"):
        line.wait()
        line.take(PINGREQ)
        line.take(PUBLISH)
        line.wait()
        line.take(CONNECT)
        server.connack()
    with line.step("lost connection, refused"):
        line.lose()
        line.take(CONNECT)
        server.connack(code=5)
        line.take(CONNECT)
        server.connack()
    with line.step("disconnect"):
        while not line.is_next(DISCONNECT):
            line.wait(40)
            if line.is_next(PINGREQ):
                line.take(PINGREQ)
                line.send(packet(PINGRESP))
            line.take(PUBLISH)
        line.take(DISCONNECT)
        line.take(CONNECT)


def complete(line, version, is_durable=False):
    """Everything that both versions have, and then what only 5.0 has."""
    server = Server(line, version == 5, is_durable)
    with line.step("connect, subscribe"):
        server.connect()
    deliver(server)
    resume(server)
    end(server)
    if server.is_v5:
        only_v5(server)
    if server.is_durable:
        lose_power(server)
    with line.step("disconnect"):
        line.send(server.publish("to/D", b""))
        disconnect = line.take(DISCONNECT)
        must(not server.is_v5 or b"because" in disconnect.body, disconnect)
        line.take(CONNECT)


def durable(line, version):
    """The same, and losses of power."""
    complete(line, version, is_durable=True)


def deliver(server):
    line = server.line
    for qos in range(3):
        with line.step(f"receive and publish at QoS {qos}"):
            line.send(server.publish("to/a", b"hello" * 20, qos, 7))
            server.take_acknowledged(qos)
            message = line.take(PUBLISH)
            must(message.qos == qos and message.body.endswith(b"hello" * 20), message)
            server.acknowledge(message)
            if qos == 2:
                server.release(7)
    for qos in range(3):
        with line.step(f"receive a large payload at QoS {qos}"):
            payload = bytes(range(256)) * 4
            line.send(server.publish("to/a", payload, qos, 8))
            server.take_acknowledged(qos)
            message = line.take(PUBLISH)
            must(message.body.endswith(sum(payload).to_bytes(4, "big")), message)
            if qos == 2:
                server.release(8)


def interrupted(server, id, interrupt):
    """Messages both ways, from this identifier on, half way through when something happens."""
    line = server.line
    line.send(server.publish("to/a", b"1", 1, id), server.publish("to/a", b"2", 2, id + 1),
              server.publish("to/a", b"3", 2, id + 2))
    for qos in 1, 2, 2:
        server.take_acknowledged(qos)
    first, second, third = (line.take(PUBLISH) for _ in range(3))
    line.send(packet(PUBREC, u16(third.id)))
    line.take(PUBREL)
    interrupt()
    server.connect(present=True)
    must(line.take(PUBREL).id == third.id, "another PUBREL")
    for message in first, second:
        again = line.take(PUBLISH)
        must(again.is_dup and again.id == message.id and string("from") in again.body, again)
        server.acknowledge(again)
    line.send(packet(PUBCOMP, u16(third.id)))


def resume(server):
    line = server.line
    with line.step("resume after a lost connection"):
        interrupted(server, 9, line.lose)
        server.release(10)
        server.release(11)
    with line.step("more than there is room for, acknowledged out of order"):
        messages = []
        for id in range(30, 42):
            line.send(server.publish("to/a", b"x" * (10 * (id - 29)), 1, id))
            server.take_acknowledged(1)
            if line.is_next(PUBLISH):
                messages.append(line.take(PUBLISH))
        must(2 < len(messages) < 12, f"{len(messages)} messages are taken")
        for message in messages[1::2]:
            server.acknowledge(message)
        for id in 50, 51:
            line.send(server.publish("to/a", b"y" * 100, 1, id))
            server.take_acknowledged(1)
            messages.append(line.take(PUBLISH))
        line.lose()
        server.connect(present=True)
        for message in messages[0:-2:2] + messages[-2:]:
            again = line.take(PUBLISH)
            must(again.is_dup and again.id == message.id, again)
            server.acknowledge(again)
    with line.step("a message lost with its session"):
        line.send(server.publish("to/a", b"1", 1, 12))
        server.take_acknowledged(1)
        line.take(PUBLISH)
        line.lose()
        server.connect()


def lose_power(server):
    line = server.line
    with line.step("messages sent again after a loss of power"):
        interrupted(server, 60, line.lose_power)
    with line.step("received exactly once in spite of a loss of power"):
        for id in 61, 62:
            line.send(server.publish("to/a", b"2", 2, id))
            line.take(PUBREC)
            line.nothing()
            server.release(id)


def end(server):
    line = server.line
    with line.step("keep-alive"):
        line.wait()
        line.take(PINGREQ)
        line.send(packet(PINGRESP))
    with line.step("time-out"):
        line.wait()
        line.take(PINGREQ)
        line.wait()
        server.connect(present=True)
    with line.step("refused"):
        line.lose()
        server.connect(code=0x87 if server.is_v5 else 5)
        server.connect(present=True)
    with line.step("unsubscribe"):
        line.send(server.publish("to/U", b""))
        unsubscribe = line.take(UNSUBSCRIBE)
        code = b"\x00" if server.is_v5 else b""
        line.send(packet(UNSUBACK, u16(unsubscribe.id) + server.properties() + code))
    with line.step("a server that breaks the protocol"):
        line.send(packet(PUBACK, u16(0)))
        if server.is_v5:
            line.take(DISCONNECT)
        server.connect(present=True)


def only_v5(server):
    line = server.line
    with line.step("properties"):
        line.send(server.publish(
            "to/a", b"text", 1, 20, (PAYLOAD_FORMAT, b"\x01"), (EXPIRY, b"\0\0\0\x3C"),
            (CONTENT_TYPE, string("text/plain")), (SUBSCRIPTION_ID, b"\x01"),
            (USER_PROPERTY, string("name") + string("value"))))
        server.take_acknowledged(1)
        message = line.take(PUBLISH)
        must(string("text/plain") in message.body, message)
        server.acknowledge(message, (REASON_STRING, string("nobody listens")))
    with line.step("topic aliases"):
        for topic in "to/alias", "", "":
            line.send(server.publish(topic, b"short", 1, 21, (ALIAS, b"\0\1")))
            server.take_acknowledged(1)
            message = line.take(PUBLISH)
            # A message that may be in a journal has its topic.
            must(server.is_durable or string("from") not in message.body, message)
            server.acknowledge(message)
    with line.step("a message with an alias, sent again"):
        line.send(server.publish("", b"short", 1, 22, (ALIAS, b"\0\1")))
        server.take_acknowledged(1)
        line.take(PUBLISH)
        line.lose()
        server.connect(present=True)
        message = line.take(PUBLISH)
        must(message.is_dup and string("from") in message.body, message)
        server.acknowledge(message)
    with line.step("request and response"):
        line.send(server.publish("to/a", b"?", 0, None, (RESPONSE_TOPIC, string("answer")),
                                 (CORRELATION, string("17"))))
        message = line.take(PUBLISH)
        must(string("answer") in message.body and string("17") in message.body, message)
    with line.step("more aliases than there is room for"):
        for n in range(12):
            topic = f"answer/{n % 7}"
            properties = (RESPONSE_TOPIC, string(topic)), (ALIAS, u16(n % 4 + 1))
            line.send(server.publish("to/" + "a" * (n % 3 + 1), b"?", 0, None, *properties))
            line.take(PUBLISH)
    with line.step("messages turned down"):
        for qos in 1, 2:
            line.send(server.publish("to/N", b"no", qos, 23))
            ack = line.take(PUBACK if qos == 1 else PUBREC)
            must(ack.body[2] == IMPLEMENTATION_ERROR and b"because" in ack.body, ack)
        for qos in 1, 2:
            line.send(server.publish("to/a", b"no", qos, 24))
            server.take_acknowledged(qos)
            message = line.take(PUBLISH)
            code = bytes([IMPLEMENTATION_ERROR])
            line.send(packet(PUBACK if qos == 1 else PUBREC, u16(message.id) + code))
        server.release(24)
    with line.step("authentication anew"):
        line.send(server.publish("to/A", b""))
        server.take_auth(RE_AUTHENTICATE)
        server.auth(CONTINUE)
        server.take_auth(CONTINUE)
        server.auth(0)
    with line.step("a server that shuts down"):
        line.send(packet(DISCONNECT, bytes([SHUTTING_DOWN]) +
                         server.properties((REASON_STRING, string("maintenance")))))
        server.connect(present=True)


wire, v311, both = qos0, complete, complete
