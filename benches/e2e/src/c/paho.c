/* Paho's asynchronous client. */
#include "bench.h"

#include <MQTTAsync.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* How many messages of QoS 0 may wait to be written. */
#define QUEUE 4096

static const struct bench_job *job;
static MQTTAsync client;
static uint64_t answers, published, received, overs;

static void fail(const char *what)
{
    fprintf(stderr, "%s failed\n", what);
    _exit(1);
}

static void must(int code, const char *what)
{
    if (code != MQTTASYNC_SUCCESS)
        fail(what);
}

static void on_answer(void *context, MQTTAsync_successData *data)
{
    (void)context, (void)data;
    count_up(&answers);
}

static void on_answer5(void *context, MQTTAsync_successData5 *data)
{
    (void)context, (void)data;
    count_up(&answers);
}

static void through(void)
{
    if (job->work == BENCH_LATENCY)
        bench_end();
    count_up(&published);
}

static void on_published(void *context, MQTTAsync_successData *data)
{
    (void)context, (void)data;
    through();
}

static void on_published5(void *context, MQTTAsync_successData5 *data)
{
    (void)context, (void)data;
    through();
}

static void on_failure(void *context, MQTTAsync_failureData *data)
{
    (void)data;
    fail(context);
}

static void on_failure5(void *context, MQTTAsync_failureData5 *data)
{
    (void)data;
    fail(context);
}

static void on_lost(void *context, char *cause)
{
    (void)context, (void)cause;
    fail("the connection");
}

static int on_message(void *context, char *topic, int len, MQTTAsync_message *message)
{
    (void)context, (void)len;
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
        fail("a message that nobody sent:");
    }
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1;
}

static void send(const void *payload, int size, int qos)
{
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    if (job->level == 5) {
        options.onSuccess5 = on_published5;
        options.onFailure5 = on_failure5;
    } else {
        options.onSuccess = on_published;
        options.onFailure = on_failure;
    }
    options.context = "publish";
    must(MQTTAsync_send(client, job->topic, size, payload, qos, 0, &options), "publish");
}

static void publish(void)
{
    uint64_t window = job->qos == 0 ? QUEUE : (uint64_t)job->window;
    uint64_t sent = 0;
    bench_start();
    while (!bench_is_over()) {
        for (int i = 0; i < 32; i++) {
            if (sent >= window)
                count_wait(&published, sent - window + 1);
            send(job->payload, job->size, job->qos);
            sent++;
        }
    }
    /* When this is acknowledged, all before it has arrived. */
    if (job->qos == 0)
        send("end", 3, 1);
    count_wait(&published, sent + (job->qos == 0));
    bench_stop(sent);
}

static void receive(void)
{
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    if (job->level == 5) {
        options.onSuccess5 = on_answer5;
        options.onFailure5 = on_failure5;
    } else {
        options.onSuccess = on_answer;
        options.onFailure = on_failure;
    }
    options.context = "subscribe";
    must(MQTTAsync_subscribe(client, job->topic, job->qos, &options), "subscribe");
    count_wait(&answers, 2);
    bench_start();
    send("ready", 5, 0);
    if (job->work == BENCH_SLOW) {
        while (!bench_is_over())
            usleep(10000);
    } else {
        count_wait(&overs, 1);
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
    count_wait(&published, n);
    bench_stop(n);
}

int bench_run(const struct bench_job *given)
{
    char uri[64];
    MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer5;
    MQTTAsync_connectOptions v4 = MQTTAsync_connectOptions_initializer;
    MQTTAsync_connectOptions v5 = MQTTAsync_connectOptions_initializer5;
    MQTTProperties properties = MQTTProperties_initializer;
    MQTTAsync_connectOptions *options;
    job = given;
    snprintf(uri, sizeof uri, "%s://127.0.0.1:%d", job->transport == BENCH_WS ? "ws" : "tcp",
             job->port);
    /* Its limit is not what is measured; it counts what is sent, too. */
    create.maxBufferedMessages = 1 << 17;
    if (job->level != 5)
        create.MQTTVersion = MQTTVERSION_3_1_1;
    must(MQTTAsync_createWithOptions(&client, uri, job->client_id, MQTTCLIENT_PERSISTENCE_NONE,
                                     NULL, &create),
         "create");
    must(MQTTAsync_setCallbacks(client, NULL, on_lost, on_message, NULL), "callbacks");
    if (job->level == 5) {
        MQTTProperty maximum = {.identifier = MQTTPROPERTY_CODE_RECEIVE_MAXIMUM};
        maximum.value.integer2 = job->window;
        MQTTProperties_add(&properties, &maximum);
        options = &v5;
        options->cleanstart = 1;
        options->connectProperties = &properties;
        options->onSuccess5 = on_answer5;
        options->onFailure5 = on_failure5;
    } else {
        options = &v4;
        options->cleansession = 1;
        options->onSuccess = on_answer;
        options->onFailure = on_failure;
    }
    options->context = "connect";
    options->maxInflight = job->window;
    must(MQTTAsync_connect(client, options), "connect");
    count_wait(&answers, 1);
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
    for (MQTTAsync_nameValue *info = MQTTAsync_getVersionInfo(); info->name != NULL; info++)
        if (strcmp(info->name, "Version") == 0)
            return info->value;
    return "";
}
