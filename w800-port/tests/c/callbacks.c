/* The API from inside event callbacks, and events that nobody takes. */
#include "client.h"

#include <string.h>

#include "freertos/FreeRTOS.h"
#include "freertos/semphr.h"
#include "freertos/task.h"

/* --- all of the API on the event task ------------------------------------------------------ */

static wm_mqtt_client_handle_t client;
static SemaphoreHandle_t ended;
static int steps, connects, disconnects, published;

/* The vendor's example does this in CONNECTED; each call waits for the server. */
static void on_connected(void)
{
    int id = wm_mqtt_client_publish(client, "callback/1", "hello", 0, 1, 0);
    CHECK(id > 0);
    CHECK(wm_mqtt_client_subscribe(client, "callback/1", 2) > 0);
    CHECK(wm_mqtt_client_subscribe(client, "callback/2", 2) > 0);
    CHECK(wm_mqtt_client_unsubscribe(client, "callback/2") > 0);
    SAME(wm_mqtt_client_publish(client, "callback/1", "go", 0, 0, 0), 0);
    connects++;
}

static void on_data(const wm_mqtt_event_data_t *data)
{
    const char *payload = data->mqtt_client_data_info.payload;
    CHECK(strcmp(data->mqtt_client_data_info.topic, "callback/1") == 0);
    CHECK(data->mqtt_client_data_info.client_handle == client->client);
    if (strcmp(payload, "go") == 0) {
        steps++;
        if (connects == 1) {
            CHECK(wm_mqtt_client_publish(client, "callback/1", "answer", 0, 2, 0) > 0);
        } else if (connects == 2) {
            /* From a callback about a message, a new connection. */
            SAME(wm_mqtt_client_reconnect(client), 0);
        } else {
            SAME(wm_mqtt_client_disconnect(client), 0);
        }
    } else if (strcmp(payload, "answer") == 0) {
        steps++;
        SAME(wm_mqtt_client_disconnect(client), 0);
    }
}

static void on_event(wm_event_group_t group, int event, void *data, void *priv)
{
    (void)group;
    CHECK(priv == &client);
    switch (event) {
    case WM_EVENT_MQTT_CLIENT_CONNECTED:
        on_connected();
        break;
    case WM_EVENT_MQTT_CLIENT_DATA: {
        struct seen seen;
        on_data(data);
        seen.event = event;
        memcpy(&seen.data, data, sizeof seen.data);
        release(&seen);
        break;
    }
    case WM_EVENT_MQTT_CLIENT_DISCONNECTED:
        disconnects++;
        if (disconnects == 1) {
            SAME(wm_mqtt_client_connect(client), 0);
        } else if (disconnects == 3) {
            SAME(wm_mqtt_client_deinit(client), 0);
            xSemaphoreGive(ended);
        }
        break;
    default:
        SAME(event, WM_EVENT_MQTT_CLIENT_PUBLISHED);
        published++;
        break;
    }
}

SCENARIO(callbacks_may_call_everything)
{
    client = client_of(config_of("TCP"));
    ended = xSemaphoreCreateBinary();
    SAME(wm_event_add_callback(WM_MQTT_EV, WM_EVENT_ANY_TYPE, on_event, &client), 0);
    SAME(wm_mqtt_client_connect(client), 0);
    CHECK(xSemaphoreTake(ended, pdMS_TO_TICKS(60000)) == pdTRUE);
    vTaskDelay(200);
    SAME(connects, 3);
    SAME(disconnects, 3);
    /* "go" of each connection, and the answer to the first. */
    SAME(steps, 4);
    /* hello three times, and the answer; that of a connection that ended may be missing. */
    CHECK(published >= 1 && published <= 4);
    vSemaphoreDelete(ended);
}

/* --- events that nobody takes ----------------------------------------------------------------- */

static SemaphoreHandle_t may_go_on;
static int is_held;

/* Holds up the event task from the first message on, until it is let go. */
static void hold(wm_event_group_t group, int event, void *data, void *priv)
{
    (void)group;
    (void)data;
    (void)priv;
    if (event == WM_EVENT_MQTT_CLIENT_DATA && !is_held) {
        is_held = 1;
        CHECK(xSemaphoreTake(may_go_on, pdMS_TO_TICKS(60000)) == pdTRUE);
    }
}

/* Many messages for a queue of 32, of which nobody takes any for a while: the line fills up, memory does
   not, and in the end all are there, in order. */
static void flood(const char *scheme, const char *port, int qos, int count)
{
    wm_mqtt_client_config_t config = config_of(port);
    char order[64], uri[96];
    int i, blocks;
    snprintf(uri, sizeof uri, "%s://%s:%d", scheme, rig_setting("NAME"), rig_number(port));
    config.uri = uri;
    config.ca = rig_file("ca.crt");
    may_go_on = xSemaphoreCreateBinary();
    client = connected_with(config, NULL);
    blocks = rig_blocks();
    SAME(wm_event_add_callback(WM_MQTT_EV, WM_EVENT_ANY_TYPE, hold, NULL), 0);
    CHECK(wm_mqtt_client_subscribe(client, "flood", 2) > 0);
    snprintf(order, sizeof order, "publish flood %d %d", qos, count);
    rig_world(order);
    vTaskDelay(1500);
    /* Two for each event: those in the queue, and those that the client keeps itself. */
    CHECK(rig_blocks() - blocks >= 2 * 32);
    CHECK(rig_blocks() - blocks <= 2 * (32 + 1 + 8 + 1));
    xSemaphoreGive(may_go_on);
    for (i = 0; i < count; i++) {
        char payload[16];
        struct seen seen;
        snprintf(payload, sizeof payload, "%d", i);
        seen = expect_message("flood", payload);
        SAME(seen.data.mqtt_client_data_info.qos, qos);
    }
    expect_no_event(100);
    finish(client);
    vSemaphoreDelete(may_go_on);
}

SCENARIO(event_queue_is_full_at_qos_0)
{
    flood("mqtt", "TCP", 0, 300);
}

SCENARIO(event_queue_is_full_at_qos_1)
{
    flood("mqtts", "TLS", 1, 300);
}

/* mosquitto 2.0.11 has more QoS 2 messages in flight the more are through, whatever its limit is, and
   before 5.0 a client has no say in it: so there are not too many. */
SCENARIO(event_queue_is_full_at_qos_2)
{
    flood("wss", "WSS", 2, 60);
}

/* deinit while events wait: those that nobody will ask for are not left behind. The event task has what is
   in its queue; what the client itself kept is freed. */
SCENARIO(deinit_while_the_event_queue_is_full)
{
    int i, messages = 0;
    struct seen seen;
    may_go_on = xSemaphoreCreateBinary();
    client = connected_to("TCP");
    SAME(wm_event_add_callback(WM_MQTT_EV, WM_EVENT_ANY_TYPE, hold, NULL), 0);
    CHECK(wm_mqtt_client_subscribe(client, "flood", 1) > 0);
    rig_world("publish flood 1 300");
    vTaskDelay(1000);
    SAME(wm_mqtt_client_deinit(client), 0);
    xSemaphoreGive(may_go_on);
    for (i = 0;; i++) {
        seen = next_event();
        if (seen.event != WM_EVENT_MQTT_CLIENT_DATA) {
            break;
        }
        release(&seen);
        messages++;
    }
    SAME(seen.event, WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    CHECK(messages >= 32 && messages <= 32 + 1 + 8 + 1);
    expect_no_event(200);
    vSemaphoreDelete(may_go_on);
}
