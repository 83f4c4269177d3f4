/* The port by itself: streams, waiting and waking, as the library's background task uses them. */
#include "rig.h"

#include <string.h>

#include "wm_mqtt_port.h"

/* --- a background task of ours ---------------------------------------------------- */

static void (*job)(void);
static void *finished;

static void task(void)
{
    job();
    wm_mqtt_port_post(finished);
    for (;;) {
        wm_mqtt_port_wait(UINT32_MAX);
    }
}

static void in_background(void (*what)(void))
{
    job = what;
    if (finished == NULL) {
        finished = wm_mqtt_port_semaphore();
    }
    SAME(wm_mqtt_port_start(task), 0);
    SAME(wm_mqtt_port_pend(finished, 60000), 0);
}

/* Waits for something that has to happen, and keeps count: nothing may turn round and round. */
static void await(int *turns)
{
    uint32_t began = wm_mqtt_port_now();
    wm_mqtt_port_wait(10000);
    CHECK(wm_mqtt_port_now() - began < 10000);
    (*turns)++;
}

static wm_mqtt_port_target_t target(const char *host, const char *port)
{
    wm_mqtt_port_target_t to;
    memset(&to, 0, sizeof to);
    to.host = host;
    to.port = (uint16_t)rig_number(port);
    return to;
}

/* Opens it; 1, or the error, with the reason in `why`. */
static int try_open(const wm_mqtt_port_target_t *to, void **stream, char *why)
{
    int error = 0, result = 0, turns = 0;
    why[0] = '\0';
    *stream = wm_mqtt_port_open(to, &error);
    if (*stream == NULL) {
        CHECK(error < 0);
        return error;
    }
    while ((result = wm_mqtt_port_step(*stream)) == 0) {
        await(&turns);
        CHECK(turns < 100);
    }
    if (result < 0) {
        const char *reason = wm_mqtt_port_reason(*stream);
        snprintf(why, 128, "%s", reason != NULL ? reason : "");
        wm_mqtt_port_close(*stream);
        *stream = NULL;
    }
    return result;
}

static void *opened(const wm_mqtt_port_target_t *to)
{
    char why[128];
    void *stream;
    int result = try_open(to, &stream, why);
    if (result != 1) {
        fprintf(stderr, "error %d, %s\n", result, why);
    }
    SAME(result, 1);
    return stream;
}

/* Sends these bytes, in pieces of all sizes, to a peer that sends back the same. */
static void exchange(void *stream, const unsigned char *bytes, size_t length)
{
    size_t sent = 0, received = 0, i;
    int turns = 0;
    while (received < length) {
        unsigned char back[5000];
        size_t size = 1 + sent * 31 % 5000;
        int written = 0, read;
        if (size > length - sent) {
            size = length - sent;
        }
        if (size > 0) {
            written = wm_mqtt_port_write(stream, bytes + sent, size);
            CHECK(written >= 0 && written <= (int)size);
            sent += (size_t)written;
        }
        read = wm_mqtt_port_read(stream, back, 1 + received * 17 % sizeof back);
        CHECK(read >= 0 && received + (size_t)read <= length);
        for (i = 0; i < (size_t)read; i++) {
            SAME(back[i], bytes[received + i]);
        }
        received += (size_t)read;
        if (read == 0 && written == 0) {
            await(&turns);
        }
    }
    SAME(sent, length);
}

static void echo(void *stream, size_t length)
{
    unsigned char *bytes = malloc(length);
    size_t i;
    for (i = 0; i < length; i++) {
        bytes[i] = (unsigned char)(i * 7 + i / 256);
    }
    exchange(stream, bytes, length);
    free(bytes);
}

static void echo_job(void)
{
    wm_mqtt_port_target_t to = target(rig_setting("HOST"), "ECHO");
    void *stream = opened(&to);
    echo(stream, 300000);
    wm_mqtt_port_close(stream);
}

SCENARIO(stream_echoes)
{
    in_background(echo_job);
}

static void name_job(void)
{
    wm_mqtt_port_target_t to = target(rig_setting("NAME"), "ECHO");
    void *stream = opened(&to);
    echo(stream, 1000);
    wm_mqtt_port_close(stream);
}

SCENARIO(stream_to_a_name)
{
    in_background(name_job);
}

/* --- what goes wrong ---------------------------------------------------------------- */

static void refused_job(void)
{
    wm_mqtt_port_target_t to = target(rig_setting("HOST"), "CLOSED");
    char why[128];
    void *stream;
    SAME(try_open(&to, &stream, why), WM_MQTT_PORT_ERROR_REFUSED);
}

SCENARIO(stream_refused)
{
    in_background(refused_job);
}

static void unknown_name_job(void)
{
    wm_mqtt_port_target_t to = target("no.such.name.test", "ECHO");
    char why[128];
    void *stream;
    SAME(try_open(&to, &stream, why), WM_MQTT_PORT_ERROR_NAME);
}

SCENARIO(stream_to_a_name_that_is_not)
{
    in_background(unknown_name_job);
}

/* More lookups than the stack has entries for, to a name server that answers none of them. They are given
   up, and what they had is freed when the stack is done with it. */
static void abandoned_lookups_job(void)
{
    static const char *const names[] = {"silent.test",  "b.silent.test", "c.silent.test",
                                        "d.silent.test", "e.silent.test", "f.silent.test"};
    void *streams[6];
    size_t i;
    for (i = 0; i < 6; i++) {
        wm_mqtt_port_target_t to = target(names[i], "ECHO");
        int error;
        streams[i] = wm_mqtt_port_open(&to, &error);
        CHECK(streams[i] != NULL);
        SAME(wm_mqtt_port_step(streams[i]), 0);
    }
    wm_mqtt_port_wait(50);
    for (i = 0; i < 6; i++) {
        SAME(wm_mqtt_port_step(streams[i]), 0);
        wm_mqtt_port_close(streams[i]);
    }
}

SCENARIO(lwip_stream_closed_while_its_name_is_looked_up)
{
    in_background(abandoned_lookups_job);
}

static void peer_closes_job(void)
{
    wm_mqtt_port_target_t to = target(rig_setting("HOST"), "ONCE");
    void *stream = opened(&to);
    char bytes[16];
    int read, turns = 0;
    SAME(wm_mqtt_port_write(stream, "one", 3), 3);
    while ((read = wm_mqtt_port_read(stream, bytes, sizeof bytes)) == 0) {
        await(&turns);
    }
    SAME(read, 3);
    while ((read = wm_mqtt_port_read(stream, bytes, sizeof bytes)) == 0) {
        await(&turns);
    }
    SAME(read, WM_MQTT_PORT_ERROR_END);
    CHECK(turns < 10);
    wm_mqtt_port_close(stream);
}

SCENARIO(stream_ended_by_the_peer)
{
    in_background(peer_closes_job);
}

static void reset_job(void)
{
    wm_mqtt_port_target_t to = target(rig_setting("HOST"), "RESET");
    void *stream = opened(&to);
    char bytes[16];
    int read, turns = 0;
    SAME(wm_mqtt_port_write(stream, "one", 3), 3);
    while ((read = wm_mqtt_port_read(stream, bytes, sizeof bytes)) == 0) {
        await(&turns);
    }
    SAME(read, WM_MQTT_PORT_ERROR_RESET);
    wm_mqtt_port_close(stream);
}

SCENARIO(stream_reset_by_the_peer)
{
    in_background(reset_job);
}

/* A peer that never reads: the stream is full some time, and waiting is waiting. */
static void full_job(void)
{
    wm_mqtt_port_target_t to = target(rig_setting("HOST"), "SILENT");
    void *stream = opened(&to);
    static char bytes[4096];
    uint32_t started;
    long sent = 0;
    int written, waits = 0, full = 0;
    /* It is full when a second has passed without room. */
    while (full < 1) {
        written = wm_mqtt_port_write(stream, bytes, sizeof bytes);
        CHECK(written >= 0);
        sent += written;
        if (written == 0) {
            started = wm_mqtt_port_now();
            wm_mqtt_port_wait(1000);
            full += wm_mqtt_port_now() - started >= 1000;
            waits++;
            CHECK(waits < 10000);
        }
    }
    CHECK(sent > (long)sizeof bytes);
    wm_mqtt_port_close(stream);
}

SCENARIO(stream_full)
{
    in_background(full_job);
}

/* --- what comes in large amounts ---------------------------------------------------------- */

/* An endless source, read with pauses: the peer has to wait, and nothing is lost, or read twice. While
   nobody reads, waiting does not turn round and round. */
static void source_job(void)
{
    wm_mqtt_port_target_t to = target(rig_setting("HOST"), "SOURCE");
    void *stream = opened(&to);
    unsigned char bytes[3000];
    size_t received = 0, i;
    int read, turns = 0, pause;
    uint32_t started;
    while (received < 2000000) {
        read = wm_mqtt_port_read(stream, bytes, 1 + received * 13 % sizeof bytes);
        CHECK(read >= 0);
        for (i = 0; i < (size_t)read; i++) {
            SAME(bytes[i], (received + i) % 251);
        }
        if ((received + (size_t)read) / 500000 != received / 500000) {
            started = wm_mqtt_port_now();
            for (pause = 0; wm_mqtt_port_now() - started < 300; pause++) {
                wm_mqtt_port_wait(300);
            }
            CHECK(pause < 30);
        }
        received += (size_t)read;
        if (read == 0) {
            await(&turns);
        }
    }
    wm_mqtt_port_close(stream);
}

SCENARIO(stream_read_with_pauses)
{
    in_background(source_job);
}

/* --- how many ------------------------------------------------------------------------------- */

/* As many as the stack has, at once; one more is an error; after one is closed there is room. */
static void eight_job(void)
{
    wm_mqtt_port_target_t to = target(rig_setting("HOST"), "ECHO");
    void *streams[8], *ninth;
    char why[128];
    int i;
    for (i = 0; i < 8; i++) {
        streams[i] = opened(&to);
    }
    SAME(rig_connections(), 8);
    SAME(try_open(&to, &ninth, why), WM_MQTT_PORT_ERROR_SOCKET);
    SAME(rig_connections(), 8);
    wm_mqtt_port_close(streams[3]);
    streams[3] = opened(&to);
    for (i = 0; i < 8; i++) {
        echo(streams[i], 5000);
    }
    for (i = 0; i < 8; i++) {
        wm_mqtt_port_close(streams[i]);
    }
}

SCENARIO(lwip_eight_streams)
{
    in_background(eight_job);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void wake_job(void)
{
    uint32_t started = wm_mqtt_port_now();
    wm_mqtt_port_wake();
    wm_mqtt_port_wake();
    wm_mqtt_port_wait(UINT32_MAX);
    CHECK(wm_mqtt_port_now() - started < 1000);
    /* At most one more return for the two. */
    wm_mqtt_port_wait(20);
    started = wm_mqtt_port_now();
    wm_mqtt_port_wait(100);
    CHECK(wm_mqtt_port_now() - started >= 100);
}

SCENARIO(wake_is_not_lost)
{
    in_background(wake_job);
}

SCENARIO(semaphore_is_binary)
{
    static void *semaphore; /* nobody frees it */
    uint32_t started = wm_mqtt_port_now();
    semaphore = wm_mqtt_port_semaphore();
    CHECK(wm_mqtt_port_pend(semaphore, 50) < 0);
    CHECK(wm_mqtt_port_now() - started >= 50);
    wm_mqtt_port_post(semaphore);
    wm_mqtt_port_post(semaphore);
    SAME(wm_mqtt_port_pend(semaphore, 1000), 0);
    CHECK(wm_mqtt_port_pend(semaphore, 0) < 0);
}

/* --- TLS ---------------------------------------------------------------------------------------- */

static wm_mqtt_port_target_t tls_target(const char *host, const char *port, const char *ca)
{
    wm_mqtt_port_target_t to = target(host, port);
    to.tls = 1;
    to.verify = ca != NULL;
    to.ca = ca != NULL ? rig_file(ca) : NULL;
    return to;
}

static void expect(void *stream, const void *bytes, size_t length)
{
    unsigned char got[16];
    size_t received = 0;
    int turns = 0;
    while (received < length) {
        int read = wm_mqtt_port_read(stream, got + received, length - received);
        CHECK(read >= 0);
        received += (size_t)read;
        if (read == 0) {
            await(&turns);
        }
    }
    CHECK(memcmp(got, bytes, length) == 0);
}

/* A broker is an echo, too, for QoS 0 messages of who has subscribed to them. */
static void broker_job(wm_mqtt_port_target_t to)
{
    static const unsigned char connect[] = {0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 1, 'e'};
    static const unsigned char connack[] = {0x20, 2, 0, 0};
    static const unsigned char subscribe[] = {0x82, 6, 0, 1, 0, 1, 'e', 0};
    static const unsigned char suback[] = {0x90, 3, 0, 1, 0};
    static const unsigned char publish[] = {0x30, 0x83, 8, 0, 1, 'e'}; /* and 1024 bytes */
    enum { COUNT = 300, SIZE = sizeof publish + 1024 };
    unsigned char *messages = calloc(COUNT, SIZE);
    void *stream = opened(&to);
    size_t i;
    for (i = 0; i < (size_t)COUNT * SIZE; i++) {
        messages[i] = (unsigned char)(i / 3);
    }
    for (i = 0; i < COUNT; i++) {
        memcpy(messages + i * SIZE, publish, sizeof publish);
    }
    SAME(wm_mqtt_port_write(stream, connect, sizeof connect), sizeof connect);
    expect(stream, connack, sizeof connack);
    SAME(wm_mqtt_port_write(stream, subscribe, sizeof subscribe), sizeof subscribe);
    expect(stream, suback, sizeof suback);
    exchange(stream, messages, (size_t)COUNT * SIZE);
    wm_mqtt_port_close(stream);
    free(messages);
}

static void tls_job(void)
{
    broker_job(tls_target(rig_setting("NAME"), "TLS", "ca.crt"));
}

SCENARIO(tls_carries_much)
{
    in_background(tls_job);
}

static void tls_unverified_job(void)
{
    broker_job(tls_target(rig_setting("HOST"), "WRONG_HOST", NULL));
}

SCENARIO(tls_without_verification)
{
    in_background(tls_unverified_job);
}

static void tls_to_an_address_job(void)
{
    wm_mqtt_port_target_t to = tls_target(rig_setting("HOST"), "TLS", "ca.crt");
    wm_mqtt_port_close(opened(&to));
}

/* mbedTLS looks at addresses in certificates from 3.4 on. */
SCENARIO(tls_to_an_address)
{
    in_background(tls_to_an_address_job);
}

/* Tries to connect; the reason has to have these words in it. */
static void fails(const wm_mqtt_port_target_t *to, int error, const char *words)
{
    char why[128];
    void *stream;
    int result = try_open(to, &stream, why);
    if (result != error || strstr(why, words) == NULL) {
        fprintf(stderr, "error -0x%x, not -0x%x: %s, not %s\n", (unsigned)-result, (unsigned)-error,
                why, words);
        _Exit(1);
    }
}

static void tls_refusals_job(void)
{
    static const struct {
        const char *port, *ca;
        const char *words;
    } cases[] = {
        {"TLS", "other_ca.crt", "not signed by the ca"},
        {"WRONG_HOST", "ca.crt", "another host name"},
        {"EXPIRED", "ca.crt", "expired"},
        {"NOT_YET_VALID", "ca.crt", "not valid yet"},
    };
    size_t i;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wm_mqtt_port_target_t to = tls_target(rig_setting("NAME"), cases[i].port, cases[i].ca);
        fails(&to, WM_MQTT_PORT_ERROR_TLS(-0x2700), cases[i].words);
    }
}

SCENARIO(tls_refuses_servers)
{
    in_background(tls_refusals_job);
}

/* With PEM that is none, nobody connects at all: the port of the target refuses. */
static void tls_bad_pem_job(void)
{
    wm_mqtt_port_target_t to = tls_target(rig_setting("HOST"), "CLOSED", "ca.crt");
    to.ca = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fails(&to, WM_MQTT_PORT_ERROR_TLS(-0x2180), "ca: TLS error");
    to.ca = "";
    fails(&to, WM_MQTT_PORT_ERROR_TLS(-0x2180), "ca: TLS error");
    to.ca = rig_file("ca.crt");
    to.cert = rig_file("client.crt");
    to.key = "nothing";
    fails(&to, WM_MQTT_PORT_ERROR_TLS(-0x3d00), "key: TLS error");
    to.key = rig_file("server.key");
    to.cert = "nothing";
    fails(&to, WM_MQTT_PORT_ERROR_TLS(-0x2180), "cert: TLS error");
}

SCENARIO(tls_says_which_pem_is_bad)
{
    in_background(tls_bad_pem_job);
}

static void tls_client_job(void)
{
    wm_mqtt_port_target_t to = tls_target(rig_setting("NAME"), "MUTUAL_TLS", "ca.crt");
    to.cert = rig_file("client.crt");
    to.key = rig_file("client.key");
    broker_job(to);
}

SCENARIO(tls_shows_the_clients_certificate)
{
    in_background(tls_client_job);
}

static void tls_no_client_job(void)
{
    wm_mqtt_port_target_t to = tls_target(rig_setting("NAME"), "MUTUAL_TLS", "ca.crt");
    char why[128];
    void *stream;
    int result = try_open(&to, &stream, why);
    /* The server's alert, if it comes through. */
    CHECK(result == WM_MQTT_PORT_ERROR_RESET || result == WM_MQTT_PORT_ERROR_END ||
          result == WM_MQTT_PORT_ERROR_TLS(-0x7780));
    CHECK(strstr(why, "certificate") != NULL || strstr(why, "TLS error -0x7780") != NULL);
}

SCENARIO(tls_without_the_certificate_that_is_asked_for)
{
    in_background(tls_no_client_job);
}

/* Not TLS at all on the other side. */
static void tls_to_tcp_job(void)
{
    wm_mqtt_port_target_t to = tls_target(rig_setting("HOST"), "SOURCE", "ca.crt");
    char why[128];
    void *stream;
    CHECK(try_open(&to, &stream, why) < -0x10000);
}

SCENARIO(tls_to_a_server_without)
{
    in_background(tls_to_tcp_job);
}

static void tls_closed_job(void)
{
    wm_mqtt_port_target_t to = tls_target(rig_setting("HOST"), "SILENT", "ca.crt");
    int error, i;
    void *stream = wm_mqtt_port_open(&to, &error);
    CHECK(stream != NULL);
    for (i = 0; i < 5; i++) {
        SAME(wm_mqtt_port_step(stream), 0);
        wm_mqtt_port_wait(20);
    }
    wm_mqtt_port_close(stream);
}

SCENARIO(tls_closed_during_the_handshake)
{
    in_background(tls_closed_job);
}

/* Servers that turn down another name than theirs, and protocols that they do not know. */
static void tls_names_job(void)
{
    static const char *const protocols[] = {"other", "mqtt", NULL};
    static const char *const others[] = {"other", NULL};
    wm_mqtt_port_target_t to;
    memset(&to, 0, sizeof to);
    to.tls = 1;
    to.verify = 1;
    to.ca = rig_file("ca.crt");
    to.host = rig_setting("NAME");
    to.port = (uint16_t)rig_world("start TLS server for names");
    wm_mqtt_port_close(opened(&to));
    to.host = rig_setting("HOST");
    fails(&to, WM_MQTT_PORT_ERROR_TLS(-0x7780), "TLS error");

    to.port = (uint16_t)rig_world("start TLS server for protocols");
    to.alpn = protocols;
    wm_mqtt_port_close(opened(&to));
    to.alpn = others;
    fails(&to, WM_MQTT_PORT_ERROR_TLS(-0x7780), "TLS error");
}

SCENARIO(tls_sends_name_and_protocols)
{
    in_background(tls_names_job);
}
