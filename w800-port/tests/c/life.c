/* A client's life: what it leaves behind, how it keeps a connection, how it comes back. */
#include "client.h"

#include <string.h>

#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

/* --- what others see -------------------------------------------------------------------- */

SCENARIO(will_of_a_client_that_is_lost)
{
    wm_mqtt_client_handle_t other = connected_to("TCP");
    wm_mqtt_client_config_t config = config_of("TCP");
    wm_mqtt_client_handle_t client, usurper;
    struct seen seen;
    char topic[] = "will", message[] = "gone";
    config.will_topic = topic;
    config.will_msg = message;
    config.will_qos = 1;
    config.will_retain = 1;
    client = connected_with(config, NULL);
    CHECK(wm_mqtt_client_subscribe(other, "will", 1) > 0);

    /* Two with one identifier: the broker ends the first, who has not said DISCONNECT. */
    config.will_topic = NULL;
    usurper = client_of(config);
    SAME(wm_mqtt_client_connect(usurper), 0);
    {
        int connected = 0, lost = 0, willed = 0, i;
        for (i = 0; i < 3; i++) {
            seen = next_event();
            connected += seen.event == WM_EVENT_MQTT_CLIENT_CONNECTED;
            if (seen.event == WM_EVENT_MQTT_CLIENT_DISCONNECTED) {
                CHECK(seen.data.mqtt_client_disconnect_info.client_handle == client->client);
                lost++;
            } else if (seen.event == WM_EVENT_MQTT_CLIENT_DATA) {
                CHECK(strcmp(seen.data.mqtt_client_data_info.payload, "gone") == 0);
                SAME(seen.data.mqtt_client_data_info.qos, 1);
                willed++;
                release(&seen);
            }
        }
        CHECK(connected == 1 && lost == 1 && willed == 1);
    }
    /* It was to be retained. */
    CHECK(wm_mqtt_client_subscribe(usurper, "will", 1) > 0);
    seen = expect_message("will", "gone");
    SAME(seen.data.mqtt_client_data_info.retained, 1);

    SAME(wm_mqtt_client_deinit(client), 0);
    finish(usurper);
    finish(other);
}

SCENARIO(no_will_of_a_client_that_disconnects)
{
    wm_mqtt_client_handle_t other = connected_to("TCP");
    wm_mqtt_client_config_t config = config_of("TCP");
    char topic[] = "will", message[] = "gone";
    config.will_topic = topic;
    config.will_msg = message;
    CHECK(wm_mqtt_client_subscribe(other, "will", 1) > 0);
    finish(connected_with(config, NULL));
    expect_no_event(300);
    finish(other);
}

SCENARIO(retained_messages)
{
    wm_mqtt_client_handle_t client = connected_to("TCP");
    struct seen seen;
    CHECK(wm_mqtt_client_publish(client, "retained", "kept", 0, 1, 1) > 0);
    expect_event(WM_EVENT_MQTT_CLIENT_PUBLISHED);
    CHECK(wm_mqtt_client_publish(client, "not retained", "not kept", 0, 1, 0) > 0);
    expect_event(WM_EVENT_MQTT_CLIENT_PUBLISHED);
    CHECK(wm_mqtt_client_subscribe(client, "#", 2) > 0);
    seen = expect_message("retained", "kept");
    SAME(seen.data.mqtt_client_data_info.retained, 1);
    /* To those who have subscribed already it is a message like others. */
    SAME(wm_mqtt_client_publish(client, "retained", "new", 0, 0, 1), 0);
    seen = expect_message("retained", "new");
    SAME(seen.data.mqtt_client_data_info.retained, 0);
    /* An empty one takes it away. */
    SAME(wm_mqtt_client_publish(client, "retained", NULL, 0, 0, 1), 0);
    expect_message("retained", "");
    CHECK(wm_mqtt_client_subscribe(client, "retained", 2) > 0);
    expect_no_event(200);
    finish(client);
}

/* --- keep-alive --------------------------------------------------------------------------- */

/* A broker ends a connection that is silent for 1.5 times keep_alive: 1.5 s. */
SCENARIO(keep_alive_keeps_a_silent_connection)
{
    wm_mqtt_client_config_t config = config_of("TCP");
    wm_mqtt_client_handle_t client;
    config.keep_alive = 1;
    client = connected_with(config, NULL);
    expect_no_event(4000);
    CHECK(wm_mqtt_client_subscribe(client, "still there", 0) > 0);
    finish(client);
}

/* Nothing is sent but QoS 0 messages, and nothing comes back: the link is dead, and noticed. */
SCENARIO(keep_alive_notices_a_pulled_cable)
{
    wm_mqtt_client_config_t config = config_of("TCP");
    wm_mqtt_client_handle_t client, other = connected_to("TCP");
    struct seen seen;
    unsigned began;
    char topic[] = "will", message[] = "gone";
    config.keep_alive = 2;
    config.will_topic = topic;
    config.will_msg = message;
    config.will_qos = 2;
    client = connected_with(config, NULL);
    CHECK(wm_mqtt_client_subscribe(other, "will", 2) > 0);
    vTaskDelay(300);

    rig_world("unplug");
    began = now();
    while (now() - began < 1500) {
        SAME(wm_mqtt_client_publish(client, "into the void", "x", 1, 0, 0), 0);
        vTaskDelay(100);
    }
    seen = expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    CHECK(seen.has_data && seen.data.mqtt_client_disconnect_info.client_handle == client->client);
    /* In 1.5 times keep_alive after the last byte that came, which was before the cable was pulled. */
    CHECK(now() - began >= 1500 && now() - began < 3600);
    SAME(wm_mqtt_client_publish(client, "into the void", "x", 1, 0, 0),
         WM_MQTT_CLIENT_ERROR_DISCONNECTED);

    /* It cannot connect before the cable is in again. */
    rig_world("plug");
    SAME(wm_mqtt_client_connect(client), 0);
    {
        /* The broker has seen it go, too. */
        int connected = 0, willed = 0;
        while (!connected || !willed) {
            seen = next_event();
            connected += seen.event == WM_EVENT_MQTT_CLIENT_CONNECTED;
            willed += seen.event == WM_EVENT_MQTT_CLIENT_DATA;
            CHECK(seen.event != WM_EVENT_MQTT_CLIENT_DISCONNECTED);
            release(&seen);
        }
        CHECK(connected == 1 && willed == 1);
    }
    finish(client);
    finish(other);
}

/* --- coming back ----------------------------------------------------------------------------- */

/* Messages whose acknowledgement did not come are sent again by connect on the same handle. */
SCENARIO(session_is_resumed_on_the_same_handle)
{
    wm_mqtt_client_config_t config = config_of("TCP");
    wm_mqtt_client_handle_t client;
    struct seen seen;
    int once, twice, once_done = 0, twice_done = 0, ones = 0, twos = 0;
    config.clean_session = 0;
    config.keep_alive = 1;
    client = connected_with(config, NULL);
    CHECK(wm_mqtt_client_subscribe(client, "resumed/#", 2) > 0);

    rig_world("freeze broker");
    once = wm_mqtt_client_publish(client, "resumed/1", "one", 0, 1, 0);
    twice = wm_mqtt_client_publish(client, "resumed/2", "two", 0, 2, 0);
    CHECK(once > 0 && twice > 0 && once != twice);
    seen = expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    CHECK(seen.has_data);
    rig_world("thaw broker");

    SAME(wm_mqtt_client_connect(client), 0);
    while (!once_done || !twice_done || ones == 0 || twos == 0) {
        seen = next_event();
        if (seen.event == WM_EVENT_MQTT_CLIENT_PUBLISHED) {
            once_done += seen.data.mqtt_client_published_info.msg_id == once;
            twice_done += seen.data.mqtt_client_published_info.msg_id == twice;
        } else if (seen.event == WM_EVENT_MQTT_CLIENT_DATA) {
            ones += strcmp(seen.data.mqtt_client_data_info.topic, "resumed/1") == 0;
            twos += strcmp(seen.data.mqtt_client_data_info.topic, "resumed/2") == 0;
            release(&seen);
        } else {
            SAME(seen.event, WM_EVENT_MQTT_CLIENT_CONNECTED);
        }
    }
    /* QoS 1 may come twice, as the broker may have had it the first time; QoS 2 may not. */
    vTaskDelay(300);
    CHECK(once_done == 1 && twice_done == 1 && twos == 1 && ones <= 2);
    SAME(wm_mqtt_client_disconnect(client), 0);
    do {
        seen = next_event();
        twos += seen.event == WM_EVENT_MQTT_CLIENT_DATA &&
                strcmp(seen.data.mqtt_client_data_info.topic, "resumed/2") == 0;
        release(&seen);
    } while (seen.event != WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    SAME(twos, 1);
    SAME(wm_mqtt_client_deinit(client), 0);
}

/* What comes while nobody is connected is kept by the broker, and is there after CONNECTED. */
SCENARIO(messages_wait_for_a_session)
{
    wm_mqtt_client_config_t config = config_of("TCP");
    wm_mqtt_client_handle_t other = connected_to("TCP"), client;
    config.clean_session = 0;
    client = connected_with(config, NULL);
    CHECK(wm_mqtt_client_subscribe(client, "waits", 1) > 0);
    SAME(wm_mqtt_client_disconnect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);

    CHECK(wm_mqtt_client_publish(other, "waits", "first", 0, 1, 0) > 0);
    expect_event(WM_EVENT_MQTT_CLIENT_PUBLISHED);
    CHECK(wm_mqtt_client_publish(other, "waits", "second", 0, 1, 0) > 0);
    expect_event(WM_EVENT_MQTT_CLIENT_PUBLISHED);

    SAME(wm_mqtt_client_connect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    expect_message("waits", "first");
    expect_message("waits", "second");
    finish(client);
    finish(other);
}

SCENARIO(broker_killed_and_started_again)
{
    wm_mqtt_client_handle_t client = connected_to("TCP");
    struct seen seen;
    rig_world("kill broker");
    seen = expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    CHECK(seen.has_data && seen.data.mqtt_client_disconnect_info.client_handle == client->client);
    SAME(wm_mqtt_client_connect(client), WM_MQTT_CLIENT_ERROR_FAILURE);
    SAME(wm_mqtt_client_subscribe(client, "a", 0), WM_MQTT_CLIENT_ERROR_DISCONNECTED);
    expect_no_event(200);

    rig_world("start broker");
    SAME(wm_mqtt_client_connect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    CHECK(wm_mqtt_client_subscribe(client, "again", 2) > 0);
    SAME(wm_mqtt_client_publish(client, "again", "here", 0, 0, 0), 0);
    expect_message("again", "here");
    finish(client);
}

SCENARIO(reconnects_by_itself_if_asked_to)
{
    wm_mqtt_client_options_t options = WM_MQTT_CLIENT_OPTIONS_INIT;
    wm_mqtt_client_config_t config = config_of("TCP");
    wm_mqtt_client_handle_t client;
    int id;
    options.auto_reconnect = 1;
    options.reconnect_min = 1;
    options.reconnect_max = 2;
    config.clean_session = 0;
    client = connected_with(config, &options);
    rig_world("kill broker");
    CHECK(expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED).has_data);
    expect_no_event(1500);
    rig_world("start broker");
    CHECK(!expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED).has_data);
    id = wm_mqtt_client_publish(client, "again", "here", 0, 1, 0);
    CHECK(id > 0);
    SAME(expect_event(WM_EVENT_MQTT_CLIENT_PUBLISHED).data.mqtt_client_published_info.msg_id, id);

    /* Who disconnects stays so. */
    SAME(wm_mqtt_client_disconnect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    expect_no_event(2500);
    SAME(wm_mqtt_client_deinit(client), 0);
}

/* Forty connections one after the other: nothing is left of them. */
SCENARIO(connecting_again_and_again)
{
    wm_mqtt_client_config_t config = config_of("TCP");
    wm_mqtt_client_handle_t client = client_of(config);
    int i, blocks = rig_blocks();
    watch_events();
    for (i = 0; i < 40; i++) {
        SAME(wm_mqtt_client_connect(client), 0);
        expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
        if (i % 2 == 0) {
            SAME(wm_mqtt_client_disconnect(client), 0);
        } else {
            SAME(wm_mqtt_client_reconnect(client), 0);
            expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
            expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
            SAME(wm_mqtt_client_disconnect(client), 0);
        }
        expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
        SAME(rig_connections(), 0);
        SAME(rig_blocks(), blocks);
    }
    SAME(wm_mqtt_client_deinit(client), 0);
}
