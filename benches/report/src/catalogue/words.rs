//! What is said.

use super::Page;
use crate::read;

pub(super) const PAGES: &[Page] = &[
    Page {
        file: "codec",
        title: "Codec",
        tables: &["codec"],
        about: "From an application's `&str` and `&[u8]` to the bytes of a packet, and from bytes to \
            a packet, each codec called as its own users call it. Before it is measured, each has \
            encoded the packet byte for byte as the others, and has found in it what was put in.",
        not: "what a codec leaves to its caller, such as a check of topics; some decoders accept \
            what the standard forbids, and are faster for it.",
    },
    Page {
        file: "engine",
        title: "Engine",
        tables: &["engine", "hostile"],
        about: "Clients without input and output, with a server at their side that only answers. A \
            window is filled with messages, the answers are given back until there are none, and \
            the cost of a message is told, the server's small part in it. After each window \
            nothing is in flight, and all was acknowledged.",
        not: "time, since no deadline passes; and connections that are lost, but for the case \
            *resume*.",
    },
    Page {
        file: "end-to-end",
        title: "End to end",
        tables: &["e2e/"],
        about: "Whole clients over loopback, each in a process of its own, all one after the other \
            in several rounds. The broker answers at once and in batches, so that what is measured \
            is the client; it counts what arrives, and a run in which a message is missing, comes \
            twice, or has another content is a failure. *raw* is no client: it writes what was \
            encoded before, and shows what sockets and broker allow.",
        not: "a network. Loopback has no delay and loses nothing, and broker and client share the \
            processor: with one core more, or one less, the order may be another. Processor time is \
            that of the client's process, user and system, without the kernel's work for the \
            broker; it is the steadier figure.",
    },
    Page {
        file: "layers",
        title: "WebSocket and TLS alone",
        tables: &[
            "WebSocket",
            "TLS, blocking",
            "TLS, tokio",
            "TLS, without a heap",
        ],
        about: "The same messages through our layer and through the libraries that there are, or \
            the one below ours, over memory in place of a network. All that came out is compared \
            with what went in, by a library that took no part.",
        not: "handshakes, and system calls, which the number of writes decides; see end to end.",
    },
    Page {
        file: "many",
        title: "Many clients",
        tables: &["many/"],
        about: "A thousand connections in one process, on one thread of tokio, to a broker in \
            another. Each has published a message at QoS 1, so that it has used what it needs, \
            and is then left alone. To connect again, each client has the shortest delay that it \
            can be given, but where the row says otherwise: an application has reasons for longer \
            ones.",
        not: "memory of the kernel for sockets, which is the same for all.",
    },
];

pub(super) const TABLES: &[(&str, &str, &str)] = &[
    ("codec", "Packets", ""),
    ("engine", "Messages", ""),
    (
        "hostile",
        "Hostile servers",
        "What it takes to be told nonsense.",
    ),
    (
        "e2e/tcp",
        "Over TCP, to the null broker",
        "Socket options are what each client sets by itself, but where the case names \
         TCP_NODELAY. Windows are of messages above QoS 0.",
    ),
    ("e2e/window", "By the number of messages in flight", ""),
    ("e2e/tls", "Over TLS, to the null broker", ""),
    ("e2e/ws", "Over WebSocket, to the null broker", ""),
    (
        "e2e/mosquitto",
        "Over TCP, to mosquitto",
        "The broker makes several system calls for each message, and is most of what is measured \
         here. All processes share one processor, so that it does not matter where the system puts \
         them: with two, rounds of the same client differed by a factor of one and a half.",
    ),
    (
        "e2e/latency",
        "Latency at a fixed rate",
        "From the moment at which a message was due to its acknowledgement.",
    ),
    (
        "e2e/slow",
        "An application that is slower than the sender",
        "What is of interest is that memory does not grow with the time that it takes.",
    ),
    (
        "WebSocket",
        "WebSocket",
        "Ours is a stream of bytes: it receives into the caller's buffer, of 64 KiB here, and makes a \
            frame of each write. The others hand on messages. *Engine* is ours without a stream.",
    ),
    ("TLS, blocking", "TLS, blocking", "Ours is over rustls."),
    ("TLS, tokio", "TLS, on tokio", "Ours is over tokio-rustls."),
    (
        "TLS, without a heap",
        "TLS, without a heap",
        "Ours is over embedded-tls, but sends from a buffer of its own, so that nothing is lost when \
            a future is dropped, and looks at each record before embedded-tls does.",
    ),
    ("many/memory", "Memory", ""),
    ("many/reconnect", "To connect", ""),
];

pub(super) const MEASURES: &[(&str, &str, &str)] = &[
    (read::TIME, "Nanoseconds", "Medians."),
    (
        "instructions",
        "Instructions",
        "Counted by callgrind: the same in each run, whatever else the machine does.",
    ),
    ("allocations", "Allocations", "Counted by the allocator."),
    (
        "bytes allocated",
        "Bytes allocated",
        "Counted by the allocator.",
    ),
    (
        "messages/s",
        "Messages a second",
        "Medians of the rounds; more is better.",
    ),
    (
        "µs processor/message",
        "Microseconds of processor time for a message",
        "User and system time of the client's process.",
    ),
    ("p50 µs", "Microseconds, median", ""),
    ("p99 µs", "Microseconds, 99 % are below", ""),
    ("p99.9 µs", "Microseconds, 99.9 % are below", ""),
    (
        "writes/message",
        "Calls that write, for a message",
        "Counted in the client's process.",
    ),
    (
        "reads/message",
        "Calls that read, for a message",
        "Counted in the client's process.",
    ),
    (
        "peak MiB",
        "Most memory, MiB",
        "Of the whole process, with its code (VmHWM); the most of all rounds.",
    ),
    (
        "KiB of heap/connection",
        "KiB of the heap for a connection",
        "What the allocator has given out, all buffers with it, touched or not.",
    ),
    (
        "KiB resident/connection",
        "KiB resident for a connection",
        "What the process has grown by (VmRSS): pages that were never touched are not in it.",
    ),
    ("MiB resident", "MiB resident for all connections", ""),
    (
        "ms",
        "Milliseconds until all are connected",
        "From the order to connect, or from the closing of all connections, to the last CONNACK. One \
         run, in which the broker takes part.",
    ),
    (
        "ms of processor",
        "Milliseconds of processor time of the clients' process",
        "With the message that each publishes then.",
    ),
];
