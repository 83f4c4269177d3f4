#define _GNU_SOURCE
#include "client.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "freertos/FreeRTOS.h"
#include "freertos/queue.h"
#include "freertos/task.h"

static QueueHandle_t all;

static void on_event(wm_event_group_t group, int event, void *data, void *priv)
{
    struct seen *seen = calloc(1, sizeof *seen);
    (void)priv;
    CHECK(group == WM_MQTT_EV && seen != NULL);
    seen->event = event;
    if (data != NULL) {
        seen->has_data = 1;
        memcpy(&seen->data, data, sizeof seen->data);
    }
    CHECK(xQueueSend(all, &seen, portMAX_DELAY) == pdTRUE);
}

void watch_events(void)
{
    if (all == NULL) {
        all = xQueueCreate(4096, sizeof(void *));
        SAME(wm_event_add_callback(WM_MQTT_EV, WM_EVENT_ANY_TYPE, on_event, NULL), 0);
    }
}

struct seen next_event(void)
{
    struct seen *next, seen;
    CHECK(xQueueReceive(all, &next, pdMS_TO_TICKS(PATIENCE)) == pdTRUE);
    seen = *next;
    free(next);
    return seen;
}

struct seen expect_event(int event)
{
    struct seen seen = next_event();
    SAME(seen.event, event);
    return seen;
}

void release(struct seen *seen)
{
    if (seen->event == WM_EVENT_MQTT_CLIENT_DATA) {
        rig_free(seen->data.mqtt_client_data_info.topic);
        rig_free(seen->data.mqtt_client_data_info.payload);
    } else if (seen->event == WM_EVENT_MQTT_CLIENT_DATA_PART) {
        rig_free(seen->data.mqtt_client_data_part_info.topic);
        rig_free(seen->data.mqtt_client_data_part_info.payload);
    }
}

struct seen expect_message(const char *topic, const char *payload)
{
    struct seen seen = expect_event(WM_EVENT_MQTT_CLIENT_DATA);
    size_t length = strlen(payload);
    CHECK(seen.has_data);
    CHECK(strcmp(seen.data.mqtt_client_data_info.topic, topic) == 0);
    SAME(seen.data.mqtt_client_data_info.topic_len, strlen(topic));
    SAME(seen.data.mqtt_client_data_info.payload_len, length);
    if (length == 0) {
        CHECK(seen.data.mqtt_client_data_info.payload == NULL);
    } else {
        CHECK(memcmp(seen.data.mqtt_client_data_info.payload, payload, length + 1) == 0);
    }
    release(&seen);
    return seen;
}

void expect_no_event(int ms)
{
    struct seen *seen;
    if (xQueueReceive(all, &seen, pdMS_TO_TICKS(ms)) == pdTRUE) {
        fprintf(stderr, "there is an event %d\n", seen->event);
        _Exit(1);
    }
}

char *uri_of(const char *scheme, const char *setting)
{
    static char uris[64][64];
    static int count;
    CHECK(count < 64);
    snprintf(uris[count], sizeof *uris, "%s://%s:%d", scheme, rig_setting("HOST"), rig_number(setting));
    return uris[count++];
}

wm_mqtt_client_config_t config_of(const char *setting)
{
    static char ids[64][24];
    static int count;
    wm_mqtt_client_config_t config;
    CHECK(count < 64);
    snprintf(ids[count], sizeof *ids, "rig-%d-%d", (int)getpid(), count);
    memset(&config, 0, sizeof config);
    config.uri = uri_of("mqtt", setting);
    config.client_id = ids[count++];
    config.clean_session = 1;
    return config;
}

wm_mqtt_client_handle_t client_of(wm_mqtt_client_config_t config)
{
    wm_mqtt_client_handle_t client = wm_mqtt_client_init(&config);
    if (client == NULL) {
        last_error(NULL);
    }
    CHECK(client != NULL);
    return client;
}

wm_mqtt_client_handle_t connected_to(const char *setting)
{
    return connected_with(config_of(setting), NULL);
}

wm_mqtt_client_handle_t connected_with(wm_mqtt_client_config_t config,
                                       const wm_mqtt_client_options_t *options)
{
    wm_mqtt_client_handle_t client = wm_mqtt_client_init_with(&config, options, NULL);
    if (client == NULL) {
        last_error(NULL);
    }
    CHECK(client != NULL);
    watch_events();
    if (wm_mqtt_client_connect(client) != 0) {
        last_error(client);
        CHECK(!"connected");
    }
    CHECK(!expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED).has_data);
    return client;
}

void finish(wm_mqtt_client_handle_t client)
{
    struct seen seen;
    SAME(wm_mqtt_client_disconnect(client), 0);
    seen = expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    CHECK(!seen.has_data);
    SAME(wm_mqtt_client_deinit(client), 0);
}

int last_error(wm_mqtt_client_handle_t client)
{
    char text[128];
    int code = wm_mqtt_client_last_error(client, text, sizeof text);
    CHECK(strlen(text) > 0);
    fprintf(stderr, "last error %d: %s\n", code, text);
    return code;
}

unsigned now(void)
{
    return (unsigned)xTaskGetTickCount();
}

/* --- tasks ------------------------------------------------------------------------ */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int running;

struct start {
    void (*function)(void *);
    void *argument;
};

static void change_running(int by)
{
    pthread_mutex_lock(&lock);
    running += by;
    pthread_mutex_unlock(&lock);
}

static void run(void *started)
{
    struct start start = *(struct start *)started;
    free(started);
    start.function(start.argument);
    change_running(-1);
    vTaskDelete(NULL);
}

void start_task(void (*function)(void *), void *argument)
{
    struct start *start = malloc(sizeof *start);
    start->function = function;
    start->argument = argument;
    change_running(1);
    CHECK(xTaskCreate(run, "scenario", 1024, start, 1, NULL) == pdPASS);
}

void await_tasks(void)
{
    unsigned began = now();
    int left;
    do {
        vTaskDelay(5);
        pthread_mutex_lock(&lock);
        left = running;
        pthread_mutex_unlock(&lock);
        CHECK(now() - began < 60000);
    } while (left > 0);
}
