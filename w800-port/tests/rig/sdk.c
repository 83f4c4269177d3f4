/* The rest of the SDK: the event bus, the log, random numbers, the address of the station. */
#define _GNU_SOURCE
#include "freertos/FreeRTOS.h"
#include "freertos/queue.h"
#include "freertos/task.h"
#include "wm_drv_rng.h"
#include "wm_error.h"
#include "wm_event.h"
#include "wm_log.h"
#include "wm_nm_api.h"
#include "wm_task_config.h"
#include "wm_utils.h"
#include "wmsdk_config.h"

#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lwip/apps/wm_sntp.h"

/* --- events: one task, a queue that nobody waits for --------------------------- */

enum kind { ADD, REMOVE, EVENT };

struct message {
    enum kind kind;
    wm_event_group_t group;
    int event;
    wm_event_callback callback;
    void *priv;
    void *data; /* of an EVENT: behind the message itself */
};

struct listener {
    struct listener *next;
    struct message wants;
};

static QueueHandle_t queue;
static struct listener *listeners;

static int is_same(const struct message *one, const struct message *other)
{
    return one->group == other->group && one->event == other->event &&
           one->callback == other->callback && one->priv == other->priv;
}

static void deliver(struct message *message)
{
    struct listener **place, *listener;
    for (place = &listeners; (listener = *place) != NULL; place = &listener->next) {
        const struct message *wants = &listener->wants;
        if (message->kind != EVENT && is_same(wants, message)) {
            break;
        }
        if (message->kind == EVENT &&
            (wants->group == WM_EVENT_ANY_GROUP || wants->group == message->group) &&
            (wants->event == WM_EVENT_ANY_TYPE || wants->event == message->event)) {
            wants->callback(message->group, message->event, message->data, wants->priv);
        }
    }
    if (message->kind == ADD && listener == NULL) {
        listener = calloc(1, sizeof *listener);
        listener->wants = *message;
        *place = listener;
    } else if (message->kind == REMOVE && listener != NULL) {
        *place = listener->next;
        free(listener);
    }
}

static void event_task(void *argument)
{
    (void)argument;
    for (;;) {
        struct message *message;
        xQueueReceive(queue, &message, portMAX_DELAY);
        deliver(message);
        free(message);
    }
}

static void start_events(void)
{
    queue = xQueueCreate(CONFIG_WM_EVENT_QUEUE_SIZE, sizeof(void *));
    xTaskCreate(event_task, "event", WM_TASK_EVENT_STACK / sizeof(StackType_t), NULL,
                WM_TASK_EVENT_PRIO, NULL);
}

static int send(enum kind kind, wm_event_group_t group, int event, wm_event_callback callback,
                void *priv, const void *data, size_t size)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct message *message = malloc(sizeof *message + size);
    pthread_once(&once, start_events);
    if (message == NULL) {
        return WM_ERR_NO_MEM;
    }
    message->kind = kind;
    message->group = group;
    message->event = event;
    message->callback = callback;
    message->priv = priv;
    message->data = NULL;
    if (data != NULL) {
        message->data = memcpy(message + 1, data, size);
    }
    if (xQueueSend(queue, &message, 0) != pdTRUE) {
        free(message);
        return WM_ERR_FAILED;
    }
    return WM_ERR_SUCCESS;
}

int wm_event_add_callback(wm_event_group_t group, int event, wm_event_callback callback, void *priv)
{
    return callback == NULL ? WM_ERR_INVALID_PARAM
                            : send(ADD, group, event, callback, priv, NULL, 0);
}

int wm_event_remove_callback(wm_event_group_t group, int event, wm_event_callback callback,
                             void *priv)
{
    return callback == NULL ? WM_ERR_INVALID_PARAM
                            : send(REMOVE, group, event, callback, priv, NULL, 0);
}

int wm_event_send(wm_event_group_t group, int event, void *data, size_t size)
{
    if (group == NULL || (data == NULL) != (size == 0)) {
        return WM_ERR_INVALID_PARAM;
    }
    return send(EVENT, group, event, NULL, NULL, data, size);
}

/* --- the rest ------------------------------------------------------------------- */

int wm_log_printf(wm_log_level_t level, const char *tag, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    int length;
    va_start(arguments, format);
    length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fprintf(stderr, "[%c] (%u) %s: %s\n", "-EWIDV"[level], (unsigned)xTaskGetTickCount(), tag, line);
    return length;
}

int wm_drv_fill_random(void *buffer, uint32_t length)
{
    return getrandom(buffer, length, 0) == (ssize_t)length ? WM_ERR_SUCCESS : WM_ERR_FAILED;
}

int wm_sys_get_mac_addr(wm_mac_type_t type, uint8_t *address, uint8_t length)
{
    static const uint8_t station[WM_MAC_ADDR_LEN] = {0x28, 0x6d, 0xce, 0x29, 0x31, 0x5f};
    if (type != WM_MAC_TYPE_STA || length < sizeof station) {
        return WM_ERR_FAILED;
    }
    memcpy(address, station, sizeof station);
    return WM_ERR_SUCCESS;
}

static wm_nm_state_e station = WM_NM_INIT;

int wm_nm_start_wifi_station(wm_nm_wifi_station_cfg_t *to)
{
    station = to->ssid != NULL ? WM_NM_WIFI_STA_GOT_IP : WM_NM_WIFI_STA_DISCONNECTED;
    return to->ssid != NULL ? WM_ERR_SUCCESS : WM_ERR_INVALID_PARAM;
}

wm_nm_state_e wm_nm_get_wifi_station_state(void)
{
    return station;
}

void wm_sntp_start(void)
{
}

struct tm *wm_get_time_sync(int ticks)
{
    static struct tm now;
    time_t seconds = time(NULL);
    (void)ticks;
    return gmtime_r(&seconds, &now);
}
