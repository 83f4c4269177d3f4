/* libmosquitto, with its own thread or in a loop on the calling one. */
#include "bench.h"

#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <stdio.h>
#include <unistd.h>

/* How many messages of QoS 0 may wait to be written. */
#define QUEUE 4096

static const struct bench_job *job;
static struct mosquitto *client;
static uint64_t answers, published, received, overs;

static void on_connect(struct mosquitto *m, void *o, int code)
{
    (void)m, (void)o;
    if (code == 0)
        count_up(&answers);
}

static void on_subscribe(struct mosquitto *m, void *o, int id, int n, const int *granted)
{
    (void)m, (void)o, (void)id, (void)n, (void)granted;
    count_up(&answers);
}

static void on_publish(struct mosquitto *m, void *o, int id)
{
    (void)m, (void)o, (void)id;
    if (job->work == BENCH_LATENCY)
        bench_end();
    count_up(&published);
}

static void on_message(struct mosquitto *m, void *o, const struct mosquitto_message *message)
{
    (void)m, (void)o;
    switch (bench_check(message->payload, message->payloadlen)) {
    case 1:
        received++;
        if (job->work == BENCH_SLOW)
            usleep(job->pause_millis * 1000);
        break;
    case 2:
        count_up(&overs);
        break;
    case 3:
        break;
    default:
        fprintf(stderr, "a message that nobody sent\n");
        _exit(1);
    }
}

static void must(int code, const char *what)
{
    if (code != MOSQ_ERR_SUCCESS) {
        fprintf(stderr, "%s: %s\n", what, mosquitto_strerror(code));
        _exit(1);
    }
}

/* Waits until a counter has come so far, and runs the client meanwhile if nobody else does. */
static void wait_for(uint64_t *counter, uint64_t at_least)
{
    if (!job->is_alone) {
        count_wait(counter, at_least);
        return;
    }
    while (*counter < at_least)
        must(mosquitto_loop(client, 1000, 1), "loop");
}

static void send(const void *payload, int size, int qos)
{
    must(mosquitto_publish(client, NULL, job->topic, size, payload, qos, false), "publish");
}

static void publish(void)
{
    uint64_t window = job->qos == 0 ? QUEUE : (uint64_t)job->window;
    uint64_t sent = 0;
    bench_start();
    while (!bench_is_over()) {
        for (int i = 0; i < 32; i++) {
            if (sent >= window)
                wait_for(&published, sent - window + 1);
            send(job->payload, job->size, job->qos);
            sent++;
        }
    }
    /* When this is acknowledged, all before it has arrived. */
    if (job->qos == 0)
        send("end", 3, 1);
    wait_for(&published, sent + (job->qos == 0));
    bench_stop(sent);
}

static void receive(void)
{
    must(mosquitto_subscribe(client, NULL, job->topic, job->qos), "subscribe");
    wait_for(&answers, 2);
    bench_start();
    send("ready", 5, 0);
    if (job->work == BENCH_SLOW) {
        while (!bench_is_over()) {
            if (job->is_alone)
                must(mosquitto_loop(client, 10, 1), "loop");
            else
                usleep(10000);
        }
    } else {
        wait_for(&overs, 1);
    }
    bench_stop(received);
}

static void pace(void)
{
    uint64_t n = 0;
    while (bench_wait(n)) {
        send(job->payload, job->size, job->qos);
        n++;
    }
    wait_for(&published, n);
    bench_stop(n);
}

int bench_run(const struct bench_job *given)
{
    job = given;
    mosquitto_lib_init();
    client = mosquitto_new(job->client_id, true, NULL);
    if (client == NULL)
        return 1;
    mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION,
                         job->level == 5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311);
    mosquitto_int_option(client, MOSQ_OPT_RECEIVE_MAXIMUM, job->window);
    mosquitto_int_option(client, MOSQ_OPT_SEND_MAXIMUM, job->window);
    if (job->nodelay >= 0)
        mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, job->nodelay);
    if (job->transport == BENCH_TLS)
        must(mosquitto_tls_set(client, job->ca, NULL, NULL, NULL, NULL), "tls");
    mosquitto_connect_callback_set(client, on_connect);
    mosquitto_subscribe_callback_set(client, on_subscribe);
    mosquitto_publish_callback_set(client, on_publish);
    mosquitto_message_callback_set(client, on_message);
    must(mosquitto_connect(client, "127.0.0.1", job->port, 60), "connect");
    if (!job->is_alone)
        must(mosquitto_loop_start(client), "thread");
    wait_for(&answers, 1);
    switch (job->work) {
    case BENCH_PUBLISH:
        publish();
        break;
    case BENCH_LATENCY:
        pace();
        break;
    default:
        receive();
    }
    return 0;
}

const char *bench_version(void)
{
    static char version[32];
    int major, minor, revision;
    mosquitto_lib_version(&major, &minor, &revision);
    snprintf(version, sizeof version, "%d.%d.%d", major, minor, revision);
    return version;
}
