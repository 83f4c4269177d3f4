/* What the vendor's functions return when all is well, and what they do with arguments. */
#include "client.h"

#include <string.h>

#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

/* --- arguments ------------------------------------------------------------------------ */

SCENARIO(arguments_may_be_null)
{
    struct wm_mqtt_client_handle_st none;
    wm_mqtt_client_handle_t client = client_of(config_of("TCP"));
    memset(&none, 0, sizeof none);

    SAME(wm_mqtt_client_deinit(NULL), WM_ERR_INVALID_PARAM);
    SAME(wm_mqtt_client_connect(NULL), WM_ERR_INVALID_PARAM);
    SAME(wm_mqtt_client_disconnect(NULL), WM_ERR_INVALID_PARAM);
    SAME(wm_mqtt_client_reconnect(NULL), WM_ERR_INVALID_PARAM);
    SAME(wm_mqtt_client_subscribe(NULL, "a", 0), WM_ERR_NO_INITED);
    SAME(wm_mqtt_client_unsubscribe(NULL, "a"), WM_ERR_NO_INITED);
    SAME(wm_mqtt_client_publish(NULL, "a", "b", 1, 0, 0), WM_ERR_NO_INITED);
    SAME(wm_mqtt_client_subscribe_with(NULL, "a", 0, 0), WM_ERR_NO_INITED);
    SAME(wm_mqtt_client_publish_large(NULL, "a", 0, "b", 1, 0, 0), WM_ERR_NO_INITED);

    SAME(wm_mqtt_client_deinit(&none), WM_ERR_INVALID_PARAM);
    SAME(wm_mqtt_client_connect(&none), WM_ERR_INVALID_PARAM);
    SAME(wm_mqtt_client_disconnect(&none), WM_ERR_INVALID_PARAM);
    SAME(wm_mqtt_client_reconnect(&none), WM_ERR_INVALID_PARAM);
    SAME(wm_mqtt_client_subscribe(&none, "a", 0), WM_ERR_NO_INITED);
    SAME(wm_mqtt_client_unsubscribe(&none, "a"), WM_ERR_NO_INITED);
    SAME(wm_mqtt_client_publish(&none, "a", "b", 1, 0, 0), WM_ERR_NO_INITED);

    /* The handle comes first, then the topic, then whether there is a connection. */
    SAME(wm_mqtt_client_subscribe(NULL, NULL, 0), WM_ERR_NO_INITED);
    SAME(wm_mqtt_client_subscribe(client, NULL, 0), WM_ERR_INVALID_PARAM);
    SAME(wm_mqtt_client_unsubscribe(client, NULL), WM_ERR_INVALID_PARAM);
    SAME(wm_mqtt_client_publish(client, NULL, "b", 1, 0, 0), WM_ERR_INVALID_PARAM);
    SAME(wm_mqtt_client_publish_large(client, NULL, 0, "b", 1, 0, 0), WM_ERR_INVALID_PARAM);
    SAME(wm_mqtt_client_publish_large(client, NULL, 1, "b", 1, 0, 0), WM_ERR_INVALID_PARAM);

    CHECK(wm_mqtt_client_last_error(client, NULL, 0) != 0);
    CHECK(wm_mqtt_client_last_error(client, NULL, 10) != 0);
    SAME(wm_mqtt_client_deinit(client), 0);
    /* It is gone. */
    SAME(wm_mqtt_client_deinit(client), WM_ERR_INVALID_PARAM);
    SAME(wm_mqtt_client_connect(client), WM_ERR_INVALID_PARAM);
    SAME(wm_mqtt_client_publish(client, "a", "b", 1, 0, 0), WM_ERR_NO_INITED);
}

SCENARIO(fields_of_the_configuration_may_be_null)
{
    wm_mqtt_client_config_t config;
    wm_mqtt_client_handle_t client;
    int error = 0;
    memset(&config, 0, sizeof config);

    CHECK(wm_mqtt_client_init(NULL) == NULL);
    SAME(last_error(NULL), WM_ERR_INVALID_PARAM);
    CHECK(wm_mqtt_client_init(&config) == NULL);
    SAME(last_error(NULL), WM_ERR_INVALID_PARAM);
    CHECK(wm_mqtt_client_init_with(NULL, NULL, &error) == NULL);
    SAME(error, WM_ERR_INVALID_PARAM);
    CHECK(wm_mqtt_client_init_with(NULL, NULL, NULL) == NULL);

    /* The vendor's client crashes on either. */
    config.uri = uri_of("mqtt", "TCP");
    config.username = "somebody";
    config.will_topic = "will";
    client = wm_mqtt_client_init_with(&config, NULL, NULL);
    CHECK(client != NULL);
    SAME(wm_mqtt_client_connect(client), 0);
    SAME(wm_mqtt_client_deinit(client), 0);
}

SCENARIO(configuration_is_copied)
{
    wm_mqtt_client_config_t config = config_of("TCP");
    wm_mqtt_client_handle_t client;
    char uri[64], id[24], user[16], word[16], topic[16], text[16];
    strcpy(uri, config.uri);
    strcpy(id, config.client_id);
    strcpy(user, "somebody");
    strcpy(word, "something");
    strcpy(topic, "will");
    strcpy(text, "gone");
    config.uri = uri;
    config.client_id = id;
    config.username = user;
    config.password = word;
    config.will_topic = topic;
    config.will_msg = text;
    client = client_of(config);
    memset(uri, 'x', sizeof uri);
    memset(id, 'x', sizeof id);
    memset(user, 'x', sizeof user);
    memset(word, 'x', sizeof word);
    memset(topic, 'x', sizeof topic);
    memset(text, 'x', sizeof text);
    memset(&config, 0xff, sizeof config);
    watch_events();

    SAME(strncmp(client->uri, "mqtt://", 7), 0);
    SAME(strncmp(client->client_id, "rig-", 4), 0);
    SAME(strcmp(client->username, "somebody"), 0);
    SAME(strcmp(client->password, "something"), 0);
    SAME(strcmp(client->will_topic, "will"), 0);
    SAME(strcmp(client->will_msg, "gone"), 0);
    CHECK(client->ca == NULL && client->cert == NULL && client->key == NULL && client->alpn == NULL);
    SAME(wm_mqtt_client_connect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    finish(client);
}

/* --- results and events ------------------------------------------------------------------ */

SCENARIO(results_are_packet_identifiers)
{
    wm_mqtt_client_handle_t client = connected_to("TCP");
    int first, second;
    CHECK(client->client != NULL);

    first = wm_mqtt_client_subscribe(client, "results/#", 2);
    CHECK(first > 0);
    second = wm_mqtt_client_subscribe(client, "results/more", 0);
    CHECK(second > 0 && second != first);
    CHECK(wm_mqtt_client_unsubscribe(client, "results/more") > 0);
    CHECK(wm_mqtt_client_unsubcribe(client, "results/never") > 0);
    /* The vendor's header promises PUBLISHED for them, and its client posts none. */
    expect_no_event(200);

    SAME(wm_mqtt_client_publish(client, "results/0", "zero", 4, 0, 0), 0);
    expect_message("results/0", "zero");
    expect_no_event(200);
    finish(client);
}

SCENARIO(published_has_the_identifier_that_publish_returned)
{
    wm_mqtt_client_handle_t client = connected_to("TCP");
    uint8_t qos;
    for (qos = 1; qos <= 2; qos++) {
        int id = wm_mqtt_client_publish(client, "published", "text", 0, qos, 0);
        struct seen seen = expect_event(WM_EVENT_MQTT_CLIENT_PUBLISHED);
        CHECK(id > 0);
        CHECK(seen.has_data);
        SAME(seen.data.mqtt_client_published_info.msg_id, id);
    }
    finish(client);
}

SCENARIO(connecting_twice_is_no_error_and_no_event)
{
    wm_mqtt_client_handle_t client = connected_to("TCP");
    SAME(wm_mqtt_client_connect(client), 0);
    expect_no_event(200);
    finish(client);
}

SCENARIO(disconnecting_is_never_an_error)
{
    wm_mqtt_client_handle_t client = client_of(config_of("TCP"));
    struct seen seen;
    watch_events();
    SAME(wm_mqtt_client_disconnect(client), 0);
    expect_no_event(200);

    SAME(wm_mqtt_client_connect(client), 0);
    seen = expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    CHECK(!seen.has_data);
    SAME(wm_mqtt_client_disconnect(client), 0);
    seen = expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    CHECK(!seen.has_data);
    SAME(wm_mqtt_client_disconnect(client), 0);
    expect_no_event(200);
    SAME(wm_mqtt_client_deinit(client), 0);
    expect_no_event(200);
}

SCENARIO(deinit_disconnects)
{
    wm_mqtt_client_handle_t client = connected_to("TCP");
    struct seen seen;
    SAME(wm_mqtt_client_deinit(client), 0);
    seen = expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    CHECK(!seen.has_data);
}

SCENARIO(reconnect_is_a_new_client)
{
    wm_mqtt_client_handle_t client = connected_to("TCP");
    void *before = client->client;
    int first = wm_mqtt_client_subscribe(client, "reconnect", 0);
    struct seen seen;

    SAME(wm_mqtt_client_reconnect(client), 0);
    seen = expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    CHECK(!seen.has_data);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    CHECK(client->client != NULL && client->client != before);

    /* The subscription is gone, and identifiers begin anew. */
    SAME(wm_mqtt_client_publish(client, "reconnect", "text", 0, 0, 0), 0);
    expect_no_event(300);
    SAME(wm_mqtt_client_subscribe(client, "reconnect", 0), first);

    /* It also connects a client that is not. */
    SAME(wm_mqtt_client_disconnect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    SAME(wm_mqtt_client_reconnect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    expect_no_event(200);
    finish(client);
}

SCENARIO(connection_lost_says_whose)
{
    wm_mqtt_client_handle_t client = connected_to("BROKER");
    void *inner = client->client;
    struct seen seen;
    SAME(wm_mqtt_client_publish(client, "gone", "text", 0, 0, 0), 0);
    seen = expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    CHECK(seen.has_data);
    CHECK(seen.data.mqtt_client_disconnect_info.client_handle == inner);
    CHECK(client->client == inner);
    SAME(wm_mqtt_client_publish(client, "a", "b", 1, 1, 0), WM_MQTT_CLIENT_ERROR_DISCONNECTED);

    /* No connection by itself: the vendor's client has none. */
    expect_no_event(1500);
    SAME(wm_mqtt_client_connect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    CHECK(client->client == inner);
    finish(client);
}

/* --- messages ----------------------------------------------------------------------------- */

SCENARIO(payloads_of_all_forms)
{
    wm_mqtt_client_handle_t client = connected_to("TCP");
    struct seen seen;
    CHECK(wm_mqtt_client_subscribe(client, "forms/#", 2) > 0);

    /* Length 0: up to the NUL. */
    SAME(wm_mqtt_client_publish(client, "forms/string", "text", 0, 0, 0), 0);
    expect_message("forms/string", "text");
    SAME(wm_mqtt_client_publish(client, "forms/part", "text", 2, 0, 0), 0);
    expect_message("forms/part", "te");
    SAME(wm_mqtt_client_publish(client, "forms/empty", "", 0, 0, 0), 0);
    expect_message("forms/empty", "");
    /* The vendor's header promises it, and its client refuses it. */
    SAME(wm_mqtt_client_publish(client, "forms/null", NULL, 0, 0, 0), 0);
    expect_message("forms/null", "");
    SAME(wm_mqtt_client_publish(client, "forms/null/length", NULL, 5, 0, 0), 0);
    expect_message("forms/null/length", "");
    /* A NUL is a byte like any other, if there is a length. */
    SAME(wm_mqtt_client_publish(client, "forms/binary", "\0a\0b", 4, 0, 0), 0);
    seen = expect_event(WM_EVENT_MQTT_CLIENT_DATA);
    SAME(seen.data.mqtt_client_data_info.payload_len, 4);
    SAME(memcmp(seen.data.mqtt_client_data_info.payload, "\0a\0b", 5), 0);
    rig_free(seen.data.mqtt_client_data_info.topic);
    rig_free(seen.data.mqtt_client_data_info.payload);
    finish(client);
}

SCENARIO(data_says_all_of_a_message)
{
    wm_mqtt_client_handle_t client = connected_to("TCP");
    struct seen seen;
    CHECK(wm_mqtt_client_publish(client, "kept", "old", 0, 1, 1) > 0);
    expect_event(WM_EVENT_MQTT_CLIENT_PUBLISHED);
    CHECK(wm_mqtt_client_subscribe(client, "kept", 2) > 0);
    seen = expect_message("kept", "old");
    SAME(seen.data.mqtt_client_data_info.retained, 1);
    SAME(seen.data.mqtt_client_data_info.qos, 1);
    SAME(seen.data.mqtt_client_data_info.dup, 0);
    CHECK(seen.data.mqtt_client_data_info.msgid > 0);
    CHECK(seen.data.mqtt_client_data_info.client_handle == client->client);

    SAME(wm_mqtt_client_publish(client, "kept", "new", 0, 0, 0), 0);
    seen = expect_message("kept", "new");
    SAME(seen.data.mqtt_client_data_info.retained, 0);
    SAME(seen.data.mqtt_client_data_info.qos, 0);
    SAME(seen.data.mqtt_client_data_info.msgid, 0);
    /* An empty one takes the retained message away. */
    SAME(wm_mqtt_client_publish(client, "kept", "", 0, 0, 1), 0);
    expect_message("kept", "");
    finish(client);
}

SCENARIO(largest_message_of_the_vendors_publish)
{
    static char payload[65536];
    wm_mqtt_client_options_t options = WM_MQTT_CLIENT_OPTIONS_INIT;
    wm_mqtt_client_config_t config = config_of("TCP");
    wm_mqtt_client_handle_t client;
    options.tx_size = 128 * 1024;
    memset(payload, 'p', 65535);
    watch_events();
    client = wm_mqtt_client_init_with(&config, &options, NULL);
    CHECK(client != NULL);
    SAME(wm_mqtt_client_connect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    CHECK(wm_mqtt_client_subscribe(client, "large", 0) > 0);
    SAME(wm_mqtt_client_publish(client, "large", payload, 65535, 0, 0), 0);
    expect_message("large", payload);
    finish(client);
}

/* --- what goes to the server ---------------------------------------------------------------- */

/* The CONNECT packet of this configuration, as the broker has it. */
static struct seen told(wm_mqtt_client_config_t config)
{
    wm_mqtt_client_handle_t client;
    struct seen seen;
    config.client_id = "tell";
    client = client_of(config);
    watch_events();
    SAME(wm_mqtt_client_connect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    seen = expect_event(WM_EVENT_MQTT_CLIENT_DATA);
    finish(client);
    return seen;
}

static void same_bytes(struct seen seen, const char *bytes, size_t length)
{
    SAME(seen.data.mqtt_client_data_info.payload_len, length);
    SAME(memcmp(seen.data.mqtt_client_data_info.payload, bytes, length), 0);
    rig_free(seen.data.mqtt_client_data_info.topic);
    rig_free(seen.data.mqtt_client_data_info.payload);
}

SCENARIO(connect_packet_of_a_configuration_of_zeros)
{
    wm_mqtt_client_config_t config;
    memset(&config, 0, sizeof config);
    config.uri = uri_of("mqtt", "BROKER");
    /* 3.1.1, the session is kept, 60 seconds. */
    same_bytes(told(config), "\x10\x10\0\4MQTT\4\0\0\x3c\0\4tell", 18);
}

SCENARIO(connect_packet_of_a_full_configuration)
{
    wm_mqtt_client_config_t config = config_of("BROKER");
    config.username = "user";
    config.password = "word";
    config.will_topic = "will";
    config.will_msg = "gone";
    config.will_qos = 2;
    config.will_retain = 1;
    config.keep_alive = 513;
    config.clean_session = 1;
    same_bytes(told(config),
               "\x10\x28\0\4MQTT\4\xf6\2\1\0\4tell\0\4will\0\4gone\0\4user\0\4word", 42);
}

SCENARIO(connect_packet_of_a_user_without_password)
{
    wm_mqtt_client_config_t config = config_of("BROKER");
    config.username = "user";
    config.will_topic = "will";
    same_bytes(told(config), "\x10\x1e\0\4MQTT\4\x86\0\x3c\0\4tell\0\4will\0\0\0\4user", 32);
    config.username = NULL;
    config.password = "word";
    config.will_topic = NULL;
    same_bytes(told(config), "\x10\x10\0\4MQTT\4\2\0\x3c\0\4tell", 18);
}

SCENARIO(log_has_neither_user_nor_password)
{
    wm_mqtt_client_config_t config = config_of("PASSWORD");
    wm_mqtt_client_handle_t client;
    char user[] = "secret user", word[] = "secret word", text[128];
    config.username = user;
    config.password = word;
    config.debug = true;
    client = client_of(config);
    SAME(wm_mqtt_client_connect(client), -4995);
    wm_mqtt_client_last_error(client, text, sizeof text);
    CHECK(strstr(text, "secret") == NULL);
    SAME(wm_mqtt_client_deinit(client), 0);
    config.uri = uri_of("mqtt", "TCP");
    client = client_of(config);
    SAME(wm_mqtt_client_connect(client), 0);
    SAME(wm_mqtt_client_deinit(client), 0);
    /* Of the one that was refused, and of the one that was not. */
    CHECK(rig_log_lines() >= 2);
}

SCENARIO(default_client_identifier)
{
    wm_mqtt_client_config_t config = config_of("TCP");
    wm_mqtt_client_handle_t client;
    config.client_id = NULL;
    client = client_of(config);
    SAME(strcmp(client->client_id, "W800_29315F"), 0);
    SAME(wm_mqtt_client_connect(client), 0);
    SAME(wm_mqtt_client_deinit(client), 0);
}

SCENARIO(addresses)
{
    static const char *const good[] = {
        "mqtt://host",     "tcp://host:1",      "mqtts://host",         "ssl://host",
        "ws://host/",      "wss://host/a/b",    "host.example.org",     "host:1883",
        "mqtt://10.0.0.1", "mqtt://[::1]:1883", "ws://[fe80::1]/path",  "mqtt://host:65535"};
    static const char *const bad[] = {"",         "mqtt://",         "mqtt://host:0", "mqtt://host:65536",
                                      "mqtt://:1883", "mqtt://host:x", "mqtt://[::1"};
    wm_mqtt_client_config_t config = config_of("TCP");
    size_t i;
    char name[128];
    for (i = 0; i < sizeof good / sizeof *good; i++) {
        wm_mqtt_client_handle_t client;
        strcpy(name, good[i]);
        config.uri = name;
        client = client_of(config);
        SAME(strcmp(client->uri, good[i]), 0);
        SAME(wm_mqtt_client_deinit(client), 0);
    }
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        strcpy(name, bad[i]);
        config.uri = name;
        fprintf(stderr, "%s\n", name);
        CHECK(wm_mqtt_client_init(&config) == NULL);
        SAME(last_error(NULL), WM_ERR_INVALID_PARAM);
    }
}

SCENARIO(address_without_a_scheme)
{
    wm_mqtt_client_config_t config = config_of("TCP");
    wm_mqtt_client_handle_t client;
    config.uri += strlen("mqtt://");
    client = client_of(config);
    SAME(wm_mqtt_client_connect(client), 0);
    SAME(wm_mqtt_client_deinit(client), 0);
}
