/* libmosquitto, with its own thread or in a loop on the calling one. */
#include "bench.h"

#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <stdio.h>
#include <unistd.h>

static struct mosquitto *client;

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
    take_end();
}

static void on_message(struct mosquitto *m, void *o, const struct mosquitto_message *message)
{
    (void)m, (void)o;
    take(message->payload, message->payloadlen);
}

static void must(int code, const char *what)
{
    if (code != MOSQ_ERR_SUCCESS)
        fail(what, mosquitto_strerror(code));
}

/* Runs the client meanwhile if nobody else does. */
void client_wait(uint64_t *counter, uint64_t at_least)
{
    if (!job->is_alone) {
        count_wait(counter, at_least);
        return;
    }
    while (*counter < at_least)
        must(mosquitto_loop(client, 1000, 1), "loop");
}

void client_go_on(void)
{
    if (job->is_alone)
        must(mosquitto_loop(client, 10, 1), "loop");
    else
        usleep(10000);
}

void client_send(const void *payload, int size, int qos)
{
    must(mosquitto_publish(client, NULL, job->topic, size, payload, qos, false), "publish");
}

void client_subscribe(void)
{
    must(mosquitto_subscribe(client, NULL, job->topic, job->qos), "subscribe");
}

void client_connect(void)
{
    mosquitto_lib_init();
    client = mosquitto_new(job->client_id, true, NULL);
    if (client == NULL)
        fail("new", "no client");
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
}

const char *bench_version(void)
{
    static char version[32];
    int major, minor, revision;
    mosquitto_lib_version(&major, &minor, &revision);
    snprintf(version, sizeof version, "%d.%d.%d", major, minor, revision);
    return version;
}
