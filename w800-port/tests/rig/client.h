/* What scenarios of the client have in common: configurations, and the events that came. */
#ifndef RIG_CLIENT_H
#define RIG_CLIENT_H

#include "wm_mqtt_client.h"

#include "rig.h"

/* How long something is waited for that has to happen, in milliseconds. */
#define PATIENCE 20000

struct seen {
    int event;
    int has_data;
    wm_mqtt_event_data_t data;
};

/* Begins to collect events of all clients, in order. */
void watch_events(void);
/* The next one; it has to come. */
struct seen next_event(void);
/* The next one; it has to come, and be this one. */
struct seen expect_event(int event);
/* Frees what came with DATA or DATA_PART. */
void release(struct seen *seen);
/* The next one is DATA of this topic with this payload, and its memory is freed. */
struct seen expect_message(const char *topic, const char *payload);
/* There is no event for so many milliseconds. */
void expect_no_event(int ms);

/* "scheme://host:port", where the setting is the port; valid for as long as the program runs. */
char *uri_of(const char *scheme, const char *setting);
/* The configuration of a client that begins anew, at the address of the setting. */
wm_mqtt_client_config_t config_of(const char *setting);
/* A client of this configuration. */
wm_mqtt_client_handle_t client_of(wm_mqtt_client_config_t config);
/* One that is connected, with its CONNECTED taken. */
wm_mqtt_client_handle_t connected_to(const char *setting);
/* The same for a configuration, and options unless they are NULL. */
wm_mqtt_client_handle_t connected_with(wm_mqtt_client_config_t config,
                                       const wm_mqtt_client_options_t *options);
/* Disconnects and frees it, with its DISCONNECTED taken. */
void finish(wm_mqtt_client_handle_t client);
/* The code of the last failed call; the words are there. */
int last_error(wm_mqtt_client_handle_t client);
/* Milliseconds. */
unsigned now(void);

/* Runs a function on a task of its own. */
void start_task(void (*function)(void *), void *argument);
/* Waits until all tasks that were started have ended. */
void await_tasks(void);

#endif
