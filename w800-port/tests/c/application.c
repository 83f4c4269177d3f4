/*
 * Applications as they are really written: a task with a queue of its own, handlers that call the API,
 * payloads taken for strings. What they do was seen in public code for the vendor's client.
 */
#include "client.h"

#include <string.h>

#include "freertos/FreeRTOS.h"
#include "freertos/queue.h"
#include "freertos/semphr.h"
#include "freertos/task.h"

static wm_mqtt_client_handle_t client;

static void start(wm_event_callback callback)
{
    SAME(wm_event_add_callback(WM_MQTT_EV, WM_EVENT_ANY_TYPE, callback, client), 0);
}

static void stop(wm_event_callback callback)
{
    SAME(wm_event_remove_callback(WM_MQTT_EV, WM_EVENT_ANY_TYPE, callback, client), 0);
}

static void take(SemaphoreHandle_t semaphore)
{
    CHECK(xSemaphoreTake(semaphore, pdMS_TO_TICKS(PATIENCE)) == pdTRUE);
}

static void free_data(wm_mqtt_event_data_t *data)
{
    rig_free(data->mqtt_client_data_info.topic);
    rig_free(data->mqtt_client_data_info.payload);
}

/* --- a lamp: subscribes and reconnects from its task, reports from within DATA ------------ */

#define LAMP_GET "property/get"
#define LAMP_POST "property/post"

enum { LAMP_MQTT = 1, LAMP_SUBSCRIBE };

static QueueHandle_t lamp_work;
static SemaphoreHandle_t lamp_ready, lamp_reported, lamp_tried;
static int lamp_is_on;

static void lamp_send(intptr_t work)
{
    void *item = (void *)work;
    xQueueSend(lamp_work, &item, 0);
}

static void lamp_report(void)
{
    char message[128];
    sprintf(message, "[{\"id\":\"switch\",\"remark\":\"\",\"value\":\"%d\"}]", lamp_is_on);
    /* On the event task, and nobody looks at the result. */
    wm_mqtt_client_publish(client, LAMP_POST, message, 0, 1, 0);
}

static void lamp_on_data(wm_mqtt_event_data_t *data)
{
    if (strstr(data->mqtt_client_data_info.topic, LAMP_GET)) {
        /* As if it were a string: it reads on until there is a NUL. */
        if (strstr(data->mqtt_client_data_info.payload, "\"id\":\"switch\"")) {
            char *value = strstr(data->mqtt_client_data_info.payload, "\"value\":\"");
            lamp_is_on = value != NULL && atoi(value + strlen("\"value\":\"")) != 0;
            lamp_report();
        }
    } else if (strstr(data->mqtt_client_data_info.topic, LAMP_POST)) {
        xSemaphoreGive(lamp_reported);
    }
    /* The one that was seen forgets this. */
    free_data(data);
}

static void lamp_on_event(wm_event_group_t group, int event, void *data, void *priv)
{
    (void)group;
    CHECK(priv == client);
    switch (event) {
    case WM_EVENT_MQTT_CLIENT_CONNECTED:
        lamp_send(LAMP_SUBSCRIBE);
        break;
    case WM_EVENT_MQTT_CLIENT_DISCONNECTED:
        lamp_send(LAMP_MQTT);
        break;
    case WM_EVENT_MQTT_CLIENT_DATA:
        lamp_on_data(data);
        break;
    default:
        break;
    }
}

static void lamp_task(void *unused)
{
    static int is_begun;
    (void)unused;
    for (;;) {
        void *work;
        xQueueReceive(lamp_work, &work, portMAX_DELAY);
        if ((intptr_t)work == LAMP_SUBSCRIBE) {
            wm_mqtt_client_subscribe(client, LAMP_GET, 1);
            wm_mqtt_client_subscribe(client, LAMP_POST, 1);
            xSemaphoreGive(lamp_ready);
        } else if (is_begun) {
            wm_mqtt_client_reconnect(client);
            xSemaphoreGive(lamp_tried);
        } else {
            is_begun = 1;
            start(lamp_on_event);
            wm_mqtt_client_connect(client);
        }
    }
}

/* Somebody wants it on or off, and it says so. */
static void lamp_switches(int on)
{
    char message[64];
    sprintf(message, "[{\"id\":\"switch\",\"value\":\"%d\"}]", on);
    CHECK(wm_mqtt_client_publish(client, LAMP_GET, message, 0, 1, 0) > 0);
    take(lamp_reported);
    SAME(lamp_is_on, on);
}

SCENARIO(lamp_is_switched_and_reconnects)
{
    wm_mqtt_client_config_t config;
    memset(&config, 0, sizeof config);
    config.uri = uri_of("mqtt", "TCP");
    client = wm_mqtt_client_init(&config);
    lamp_work = xQueueCreate(10, sizeof(void *));
    lamp_ready = xSemaphoreCreateBinary();
    lamp_reported = xSemaphoreCreateBinary();
    lamp_tried = xSemaphoreCreateBinary();
    CHECK(xTaskCreate(lamp_task, "work", 512, NULL, 1, NULL) == pdPASS);

    /* "There is an IP address." */
    lamp_send(LAMP_MQTT);
    take(lamp_ready);
    lamp_switches(1);
    lamp_switches(0);

    /* DISCONNECTED has it reconnect; that fails, and there is no event, so it waits for the next address. */
    rig_world("kill broker");
    take(lamp_tried);
    rig_world("start broker");
    lamp_send(LAMP_MQTT);
    take(lamp_tried);
    take(lamp_ready);
    lamp_switches(1);
    lamp_switches(0);

    stop(lamp_on_event);
    SAME(wm_mqtt_client_deinit(client), 0);
}

/* --- the vendor's examples: everything in CONNECTED, on the event task ----------------------- */

static SemaphoreHandle_t example_done;
static int example_published;

static void example_on_event(wm_event_group_t group, int event, void *data, void *priv)
{
    wm_mqtt_event_data_t *mqtt = data;
    (void)group;
    switch (event) {
    case WM_EVENT_MQTT_CLIENT_CONNECTED:
        SAME(wm_mqtt_client_publish(priv, "/topic/qos1", "data_3", 0, 1, 0), 1);
        SAME(wm_mqtt_client_subscribe(priv, "/topic/qos0", 0), 2);
        SAME(wm_mqtt_client_subscribe(priv, "/topic/qos1", 1), 3);
        SAME(wm_mqtt_client_unsubscribe(priv, "/topic/qos1"), 4);
        /* Nobody could have said so before, on this very task. */
        SAME(example_published, 0);
        break;
    case WM_EVENT_MQTT_CLIENT_PUBLISHED:
        example_published = mqtt->mqtt_client_published_info.msg_id;
        xSemaphoreGive(example_done);
        break;
    case WM_EVENT_MQTT_CLIENT_DATA:
        free_data(mqtt);
        break;
    default:
        break;
    }
}

SCENARIO(example_calls_everything_from_connected)
{
    client = client_of(config_of("TCP"));
    example_done = xSemaphoreCreateBinary();
    start(example_on_event);
    SAME(wm_mqtt_client_connect(client), 0);
    take(example_done);
    SAME(example_published, 1);
    stop(example_on_event);
    SAME(wm_mqtt_client_deinit(client), 0);
}

/* --- more than the event queue holds, from within DATA ---------------------------------------- */

#define ROUNDS 300

static SemaphoreHandle_t rounds_done;
static int rounds;

static void rounds_on_event(wm_event_group_t group, int event, void *data, void *priv)
{
    (void)group;
    if (event == WM_EVENT_MQTT_CLIENT_DATA) {
        wm_mqtt_event_data_t *mqtt = data;
        free_data(mqtt);
        if (++rounds < ROUNDS) {
            CHECK(wm_mqtt_client_publish(priv, "rounds", "next", 0, 1, 0) > 0);
        } else if (rounds == ROUNDS) {
            xSemaphoreGive(rounds_done);
        }
    }
}

SCENARIO(publishing_from_within_data)
{
    int i;
    client = client_of(config_of("TCP"));
    rounds_done = xSemaphoreCreateBinary();
    start(rounds_on_event);
    SAME(wm_mqtt_client_connect(client), 0);
    CHECK(wm_mqtt_client_subscribe(client, "rounds", 1) > 0);
    /* Several go round at the same time, each with its PUBLISHED. */
    for (i = 0; i < 8; i++) {
        CHECK(wm_mqtt_client_publish(client, "rounds", "first", 0, 1, 0) > 0);
    }
    take(rounds_done);
    /* The last of the others come after it. */
    SAME(wm_mqtt_client_unsubscribe(client, "rounds") > 0, 1);
    SAME(wm_mqtt_client_disconnect(client), 0);
    vTaskDelay(pdMS_TO_TICKS(200));
    stop(rounds_on_event);
    SAME(wm_mqtt_client_deinit(client), 0);
    CHECK(rounds >= ROUNDS && rounds <= ROUNDS + 8);
}

/* --- ends and beginnings from within callbacks --------------------------------------------------- */

static SemaphoreHandle_t again_connected, again_over;
static int again_result = -1;

static void again_on_event(wm_event_group_t group, int event, void *data, void *priv)
{
    (void)group;
    if (event == WM_EVENT_MQTT_CLIENT_CONNECTED) {
        xSemaphoreGive(again_connected);
    } else if (event == WM_EVENT_MQTT_CLIENT_DISCONNECTED && data != NULL) {
        again_result = wm_mqtt_client_reconnect(priv);
    } else if (event == WM_EVENT_MQTT_CLIENT_DISCONNECTED) {
        SAME(wm_mqtt_client_deinit(priv), 0);
        xSemaphoreGive(again_over);
    }
}

SCENARIO(reconnect_and_deinit_from_within_disconnected)
{
    client = client_of(config_of("BROKER"));
    again_connected = xSemaphoreCreateBinary();
    again_over = xSemaphoreCreateBinary();
    start(again_on_event);
    SAME(wm_mqtt_client_connect(client), 0);
    take(again_connected);
    SAME(wm_mqtt_client_publish(client, "gone", "x", 1, 0, 0), 0);
    take(again_connected);
    SAME(again_result, 0);
    SAME(wm_mqtt_client_disconnect(client), 0);
    take(again_over);
    stop(again_on_event);
}

/* --- several clients, whose events nobody can tell apart but by client_handle ----------------------- */

SCENARIO(messages_say_whose_they_are)
{
    wm_mqtt_client_handle_t one = connected_to("TCP"), other = connected_to("TCP");
    struct seen seen;
    CHECK(one->client != other->client);
    CHECK(wm_mqtt_client_subscribe(one, "one", 0) > 0);
    CHECK(wm_mqtt_client_subscribe(other, "other", 0) > 0);
    SAME(wm_mqtt_client_publish(one, "other", "x", 1, 0, 0), 0);
    seen = expect_message("other", "x");
    CHECK(seen.data.mqtt_client_data_info.client_handle == other->client);
    SAME(wm_mqtt_client_publish(other, "one", "y", 1, 0, 0), 0);
    seen = expect_message("one", "y");
    CHECK(seen.data.mqtt_client_data_info.client_handle == one->client);
    finish(one);
    finish(other);
}
