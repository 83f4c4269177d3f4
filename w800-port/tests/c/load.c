/* Much at once: clients, tasks, bytes; and the end in the middle of it. */
#include "client.h"

#include <pthread.h>
#include <string.h>

#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

/* --- clients ------------------------------------------------------------------------------- */

/* Eight clients over all transports, which is all connections that the stack has; a ninth is told so. */
SCENARIO(lwip_eight_clients)
{
    static const struct {
        const char *scheme, *port;
    } over[] = {{"mqtt", "TCP"}, {"mqtts", "TLS"}, {"ws", "WS"}, {"wss", "WSS"}};
    static char uris[9][96];
    wm_mqtt_client_handle_t clients[9];
    int i;
    for (i = 0; i < 9; i++) {
        wm_mqtt_client_config_t config = config_of(over[i % 4].port);
        snprintf(uris[i], sizeof uris[i], "%s://%s:%d", over[i % 4].scheme, rig_setting("NAME"),
                 rig_number(over[i % 4].port));
        config.uri = uris[i];
        config.ca = rig_file("ca.crt");
        if (i < 8) {
            clients[i] = connected_with(config, NULL);
            CHECK(wm_mqtt_client_subscribe(clients[i], "all", 1) > 0);
        } else {
            clients[i] = client_of(config);
        }
    }
    SAME(rig_connections(), 8);
    SAME(wm_mqtt_client_connect(clients[8]), WM_MQTT_CLIENT_ERROR_FAILURE);
    last_error(clients[8]);
    SAME(rig_connections(), 8);

    /* The others have not noticed. */
    SAME(wm_mqtt_client_publish(clients[5], "all", "hello", 0, 0, 0), 0);
    for (i = 0; i < 8; i++) {
        expect_message("all", "hello");
    }

    /* One goes, and there is room. */
    finish(clients[2]);
    SAME(wm_mqtt_client_connect(clients[8]), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    for (i = 0; i < 9; i++) {
        if (i != 2) {
            finish(clients[i]);
        }
    }
}

/* --- nothing at all ---------------------------------------------------------------------------- */

/* The background task sleeps when there is nothing to do: connected, with a server that is silent, and
   without any connection. */
SCENARIO(nothing_to_do_is_no_work)
{
    wm_mqtt_client_handle_t first = connected_to("TCP"), second = connected_to("BROKER");
    int before;
    vTaskDelay(300);
    before = rig_waits();
    expect_no_event(2000);
    CHECK(rig_waits() - before <= 2);

    finish(first);
    finish(second);
    vTaskDelay(300);
    before = rig_waits();
    vTaskDelay(1000);
    SAME(rig_waits(), before);
}

static volatile int published;

static void publish_one_after_the_other(void *client)
{
    static char payload[1000];
    while (wm_mqtt_client_publish(client, "load", payload, sizeof payload, 0, 0) == 0) {
        published++;
    }
}

/* A server that reads nothing more: what waits to be sent waits, and nobody asks again and again. */
SCENARIO(a_full_line_is_no_work)
{
    wm_mqtt_client_config_t config = config_of("TCP");
    wm_mqtt_client_handle_t client = connected_with(config, NULL);
    int before, i;
    rig_world("freeze broker");
    start_task(publish_one_after_the_other, client);
    /* Linux takes some megabytes; lwIP and its peer much less. */
    for (i = 0; i < 100; i++) {
        before = published;
        vTaskDelay(200);
        if (published == before) {
            break;
        }
    }
    before = rig_waits();
    vTaskDelay(1500);
    CHECK(rig_waits() - before <= 30);
    rig_world("thaw broker");
    SAME(wm_mqtt_client_deinit(client), 0);
    await_tasks();
    expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
}

/* --- tasks ------------------------------------------------------------------------------------ */

#define TASKS 4
#define EACH 60

static wm_mqtt_client_handle_t shared;

static void publish_many(void *number)
{
    int task = (int)(size_t)number, i;
    for (i = 0; i < EACH; i++) {
        char payload[32];
        int result;
        snprintf(payload, sizeof payload, "%d %d", task, i);
        result = wm_mqtt_client_publish(shared, "tasks", payload, 0, (uint8_t)(i % 3), 0);
        CHECK(i % 3 == 0 ? result == 0 : result > 0);
    }
}

static void subscribe_many(void *unused)
{
    int i;
    (void)unused;
    for (i = 0; i < EACH / 3; i++) {
        char topic[32];
        snprintf(topic, sizeof topic, "others/%d", i);
        CHECK(wm_mqtt_client_subscribe(shared, topic, 1) > 0);
        CHECK(wm_mqtt_client_unsubscribe(shared, topic) > 0);
    }
}

/* Five tasks call one client; each message arrives once, and those of one task at one QoS in order. */
SCENARIO(tasks_share_a_client)
{
    int next[TASKS][3], got = 0, confirmed = 0, i;
    shared = connected_to("TCP");
    CHECK(wm_mqtt_client_subscribe(shared, "tasks", 2) > 0);
    for (i = 0; i < TASKS; i++) {
        int qos;
        for (qos = 0; qos < 3; qos++) {
            next[i][qos] = qos;
        }
        start_task(publish_many, (void *)(size_t)i);
    }
    start_task(subscribe_many, NULL);
    while (got < TASKS * EACH || confirmed < TASKS * EACH * 2 / 3) {
        struct seen seen = next_event();
        if (seen.event == WM_EVENT_MQTT_CLIENT_PUBLISHED) {
            confirmed++;
        } else {
            int task, number, qos;
            SAME(seen.event, WM_EVENT_MQTT_CLIENT_DATA);
            CHECK(sscanf(seen.data.mqtt_client_data_info.payload, "%d %d", &task, &number) == 2);
            qos = number % 3;
            SAME(seen.data.mqtt_client_data_info.qos, qos);
            SAME(number, next[task][qos]);
            next[task][qos] += 3;
            got++;
            release(&seen);
        }
    }
    await_tasks();
    expect_no_event(100);
    finish(shared);
}

/* --- the end in the middle of it ------------------------------------------------------------------ */

static void publish_until_it_ends(void *number)
{
    int qos = (int)(size_t)number, result;
    char payload[700];
    memset(payload, 'x', sizeof payload);
    do {
        result = wm_mqtt_client_publish(shared, "load", payload, sizeof payload, (uint8_t)qos, 0);
    } while (result >= 0);
    CHECK(result == WM_ERR_NO_INITED || result == WM_MQTT_CLIENT_ERROR_DISCONNECTED);
}

/* Has three tasks publish, and returns when messages of all three have come back. */
static void make_load(void)
{
    int came[3] = {0, 0, 0}, i;
    CHECK(wm_mqtt_client_subscribe(shared, "load", 2) > 0);
    for (i = 0; i < 3; i++) {
        start_task(publish_until_it_ends, (void *)(size_t)i);
    }
    while (came[0] < 10 || came[1] < 10 || came[2] < 10) {
        struct seen seen = next_event();
        if (seen.event == WM_EVENT_MQTT_CLIENT_DATA) {
            came[seen.data.mqtt_client_data_info.qos]++;
            release(&seen);
        } else {
            SAME(seen.event, WM_EVENT_MQTT_CLIENT_PUBLISHED);
        }
    }
}

/* Ends a client that is busy in both directions, with calls of three tasks under way. */
static void end_under_load(const char *scheme, const char *port)
{
    wm_mqtt_client_config_t config = config_of(port);
    char uri[96];
    int i;
    struct seen seen;
    snprintf(uri, sizeof uri, "%s://%s:%d", scheme, rig_setting("NAME"), rig_number(port));
    config.uri = uri;
    config.ca = rig_file("ca.crt");
    for (i = 0; i < 3; i++) {
        unsigned began;
        shared = connected_with(config, NULL);
        make_load();
        began = now();
        SAME(wm_mqtt_client_deinit(shared), 0);
        CHECK(now() - began < 11000);
        await_tasks();
        do {
            seen = next_event();
            release(&seen);
        } while (seen.event != WM_EVENT_MQTT_CLIENT_DISCONNECTED);
        expect_no_event(100);
    }
}

SCENARIO(deinit_under_load)
{
    end_under_load("mqtt", "TCP");
}

SCENARIO(deinit_under_load_over_websocket_and_tls)
{
    end_under_load("wss", "WSS");
}

static int result_of_connect;

static void connect_it(void *client)
{
    result_of_connect = wm_mqtt_client_connect(client);
}

/* While it looks up a name, while it waits for a server that says nothing: the call returns at once. */
SCENARIO(deinit_while_connecting)
{
    static const char *const hosts[] = {"silent.test", NULL, NULL};
    static const char *const schemes[] = {"mqtt", "mqtt", "mqtts"};
    int i;
    watch_events();
    for (i = 0; i < 3; i++) {
        wm_mqtt_client_config_t config = config_of("TCP");
        wm_mqtt_client_handle_t client;
        char uri[96];
        unsigned began;
        snprintf(uri, sizeof uri, "%s://%s:%d", schemes[i],
                 hosts[i] != NULL ? hosts[i] : rig_setting("HOST"), rig_number("SILENT"));
        config.uri = uri;
        client = client_of(config);
        start_task(connect_it, client);
        vTaskDelay(200);
        began = now();
        SAME(wm_mqtt_client_deinit(client), 0);
        await_tasks();
        CHECK(now() - began < 2000);
        if (hosts[i] == NULL || result_of_connect != WM_MQTT_CLIENT_ERROR_FAILURE) {
            SAME(result_of_connect, WM_MQTT_CLIENT_ERROR_DISCONNECTED);
        }
        SAME(rig_connections(), 0);
    }
    expect_no_event(100);
}

SCENARIO(broker_killed_under_load)
{
    wm_mqtt_client_config_t config = config_of("TLS");
    struct seen seen;
    char uri[96];
    snprintf(uri, sizeof uri, "mqtts://%s:%d", rig_setting("NAME"), rig_number("TLS"));
    config.uri = uri;
    shared = connected_with(config, NULL);
    make_load();
    rig_world("kill broker");
    await_tasks();
    do {
        seen = next_event();
        release(&seen);
    } while (seen.event != WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    CHECK(seen.has_data);
    rig_world("start broker");
    SAME(wm_mqtt_client_connect(shared), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    /* Messages that had not been sent yet are sent now. */
    SAME(wm_mqtt_client_deinit(shared), 0);
    do {
        seen = next_event();
    } while (seen.event == WM_EVENT_MQTT_CLIENT_PUBLISHED);
    SAME(seen.event, WM_EVENT_MQTT_CLIENT_DISCONNECTED);
}

/* --- bytes ------------------------------------------------------------------------------------------- */

/* Messages that are larger than buffers, windows and records, both ways at once. */
static void large(const char *scheme, const char *port)
{
    enum { SIZE = 60000, MESSAGES = 12 };
    wm_mqtt_client_config_t config = config_of(port);
    unsigned char *payload = malloc(SIZE);
    char uri[96];
    int i, sent = 0, confirmed = 0;
    snprintf(uri, sizeof uri, "%s://%s:%d", scheme, rig_setting("NAME"), rig_number(port));
    config.uri = uri;
    config.ca = rig_file("ca.crt");
    shared = connected_with(config, NULL);
    CHECK(wm_mqtt_client_subscribe(shared, "large", 2) > 0);
    for (i = 0; i < SIZE; i++) {
        payload[i] = (unsigned char)(i * 5 + i / 256);
    }
    for (i = 0; i < MESSAGES; i++) {
        int result = wm_mqtt_client_publish_large(shared, "large", 0, payload, SIZE, (uint8_t)(i % 3), 0);
        CHECK(i % 3 == 0 ? result == 0 : result > 0);
    }
    while (sent < MESSAGES || confirmed < MESSAGES * 2 / 3) {
        struct seen seen = next_event();
        if (seen.event == WM_EVENT_MQTT_CLIENT_PUBLISHED) {
            confirmed++;
        } else {
            SAME(seen.event, WM_EVENT_MQTT_CLIENT_DATA);
            SAME(seen.data.mqtt_client_data_info.payload_len, SIZE);
            CHECK(memcmp(seen.data.mqtt_client_data_info.payload, payload, SIZE) == 0);
            sent++;
            release(&seen);
        }
    }
    finish(shared);
    free(payload);
}

SCENARIO(large_messages_over_tcp)
{
    large("mqtt", "TCP");
}

SCENARIO(large_messages_over_websocket_and_tls)
{
    large("wss", "WSS");
}

/* A message larger than an event can say comes in parts, if the application wants it so. */
SCENARIO(messages_in_parts)
{
    enum { SIZE = 200000, PART = 50000 };
    wm_mqtt_client_options_t options = WM_MQTT_CLIENT_OPTIONS_INIT;
    unsigned char *payload = malloc(SIZE);
    uint32_t got = 0;
    int i;
    options.part_size = PART;
    shared = connected_with(config_of("TCP"), &options);
    CHECK(wm_mqtt_client_subscribe(shared, "large", 1) > 0);
    for (i = 0; i < SIZE; i++) {
        payload[i] = (unsigned char)(i * 5 + i / 256);
    }
    CHECK(wm_mqtt_client_publish_large(shared, "large", 0, payload, SIZE, 1, 0) > 0);
    while (got < SIZE) {
        struct seen seen = next_event();
        if (seen.event == WM_EVENT_MQTT_CLIENT_PUBLISHED) {
            continue;
        }
        SAME(seen.event, WM_EVENT_MQTT_CLIENT_DATA_PART);
        CHECK((seen.data.mqtt_client_data_part_info.topic != NULL) == (got == 0));
        SAME(seen.data.mqtt_client_data_part_info.offset, got);
        SAME(seen.data.mqtt_client_data_part_info.total, SIZE);
        SAME(seen.data.mqtt_client_data_part_info.payload_len, PART);
        CHECK(memcmp(seen.data.mqtt_client_data_part_info.payload, payload + got, PART) == 0);
        got += PART;
        release(&seen);
    }
    /* One that is not too long is as ever. */
    CHECK(wm_mqtt_client_publish(shared, "large", "small", 0, 0, 0) == 0);
    for (;;) {
        struct seen seen = next_event();
        if (seen.event == WM_EVENT_MQTT_CLIENT_DATA) {
            release(&seen);
            break;
        }
        SAME(seen.event, WM_EVENT_MQTT_CLIENT_PUBLISHED);
    }
    finish(shared);
    free(payload);
}
