/* Paho's asynchronous client. */
#include "bench.h"

#include <MQTTAsync.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static MQTTAsync client;

static void must(int code, const char *what)
{
    if (code != MQTTASYNC_SUCCESS)
        fail(what, "refused");
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

static void on_published(void *context, MQTTAsync_successData *data)
{
    (void)context, (void)data;
    take_end();
}

static void on_published5(void *context, MQTTAsync_successData5 *data)
{
    (void)context, (void)data;
    take_end();
}

static void on_failure(void *context, MQTTAsync_failureData *data)
{
    (void)data;
    fail(context, "failed");
}

static void on_failure5(void *context, MQTTAsync_failureData5 *data)
{
    (void)data;
    fail(context, "failed");
}

static void on_lost(void *context, char *cause)
{
    (void)context, (void)cause;
    fail("connection", "lost");
}

static int on_message(void *context, char *topic, int len, MQTTAsync_message *message)
{
    (void)context, (void)len;
    take(message->payload, message->payloadlen);
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1;
}

void client_wait(uint64_t *counter, uint64_t at_least)
{
    count_wait(counter, at_least);
}

void client_go_on(void)
{
    usleep(10000);
}

void client_send(const void *payload, int size, int qos)
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

void client_subscribe(void)
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
}

void client_connect(void)
{
    char uri[64];
    MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer5;
    MQTTAsync_connectOptions v4 = MQTTAsync_connectOptions_initializer;
    MQTTAsync_connectOptions v5 = MQTTAsync_connectOptions_initializer5;
    MQTTProperties properties = MQTTProperties_initializer;
    MQTTAsync_connectOptions *options;
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
}

const char *bench_version(void)
{
    for (MQTTAsync_nameValue *info = MQTTAsync_getVersionInfo(); info->name != NULL; info++)
        if (strcmp(info->name, "Version") == 0)
            return info->value;
    return "";
}
