/* Every row of the error table of the vendor's guide, where the guide and the header say it comes. */
#include "client.h"

#include <string.h>

#include "freertos/FreeRTOS.h"
#include "freertos/semphr.h"
#include "freertos/task.h"

#define NOT_UTF8 "\xc3("

/* init fails, and says why. */
static int refused(const wm_mqtt_client_config_t *config, const wm_mqtt_client_options_t *options)
{
    int error = 0;
    CHECK(wm_mqtt_client_init_with(config, options, &error) == NULL);
    SAME(last_error(NULL), error);
    return error;
}

/* connect fails, and says why; there is no event. */
static int cannot_connect(wm_mqtt_client_config_t config)
{
    wm_mqtt_client_handle_t client = client_of(config);
    int error;
    watch_events();
    error = wm_mqtt_client_connect(client);
    SAME(last_error(client), error);
    expect_no_event(100);
    SAME(wm_mqtt_client_deinit(client), 0);
    expect_no_event(100);
    return error;
}

/* How many CONNECT packets the broker has had, with this one; and messages of topic "mute". */
static int connects(int *mutes)
{
    wm_mqtt_client_config_t config = config_of("BROKER");
    wm_mqtt_client_handle_t client;
    struct seen seen;
    char count[] = "count";
    int value;
    char *end;
    config.client_id = count;
    client = client_of(config);
    watch_events();
    SAME(wm_mqtt_client_connect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    seen = expect_event(WM_EVENT_MQTT_CLIENT_DATA);
    value = (int)strtol(seen.data.mqtt_client_data_info.payload, &end, 10);
    if (mutes != NULL) {
        *mutes = atoi(end);
    }
    release(&seen);
    finish(client);
    return value;
}

/* --- FAILURE ------------------------------------------------------------------------------ */

SCENARIO(failure_nobody_listens)
{
    wm_mqtt_client_config_t config = config_of("TCP");
    config.uri = uri_of("mqtt", "CLOSED");
    SAME(cannot_connect(config), WM_MQTT_CLIENT_ERROR_FAILURE);
}

SCENARIO(failure_no_such_host)
{
    wm_mqtt_client_config_t config = config_of("TCP");
    char name[] = "mqtt://no-such-host.invalid";
    config.uri = name;
    SAME(cannot_connect(config), WM_MQTT_CLIENT_ERROR_FAILURE);
}

SCENARIO(failure_no_answer_to_connect)
{
    wm_mqtt_client_config_t config = config_of("BROKER");
    char id[] = "mute";
    unsigned began = now();
    config.client_id = id;
    SAME(cannot_connect(config), WM_MQTT_CLIENT_ERROR_FAILURE);
    CHECK(now() - began >= 29000 && now() - began < 36000);
}

SCENARIO(failure_no_answer_to_subscribe)
{
    wm_mqtt_client_handle_t client = connected_to("BROKER");
    unsigned began = now();
    struct seen seen;
    SAME(wm_mqtt_client_subscribe(client, "mute", 1), WM_MQTT_CLIENT_ERROR_FAILURE);
    CHECK(now() - began >= 9000 && now() - began < 16000);
    seen = expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    CHECK(seen.has_data);

    SAME(wm_mqtt_client_connect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    SAME(wm_mqtt_client_unsubscribe(client, "mute"), WM_MQTT_CLIENT_ERROR_FAILURE);
    expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    SAME(wm_mqtt_client_deinit(client), 0);
}

SCENARIO(failure_topics_that_are_none)
{
    static char longest[8192];
    wm_mqtt_client_handle_t client = connected_to("TCP");
    memset(longest, 't', sizeof longest - 1);
    SAME(wm_mqtt_client_subscribe(client, "a/#/b", 1), WM_MQTT_CLIENT_ERROR_FAILURE);
    SAME(wm_mqtt_client_subscribe(client, "", 1), WM_MQTT_CLIENT_ERROR_FAILURE);
    SAME(wm_mqtt_client_unsubscribe(client, "a+"), WM_MQTT_CLIENT_ERROR_FAILURE);
    SAME(wm_mqtt_client_subscribe(client, longest, 1), WM_MQTT_CLIENT_ERROR_FAILURE);
    SAME(wm_mqtt_client_publish(client, "a/+", "x", 1, 0, 0), WM_MQTT_CLIENT_ERROR_FAILURE);
    SAME(wm_mqtt_client_publish(client, "a/#", "x", 1, 1, 0), WM_MQTT_CLIENT_ERROR_FAILURE);
    SAME(wm_mqtt_client_publish(client, "", "x", 1, 1, 0), WM_MQTT_CLIENT_ERROR_FAILURE);
    /* More than the transmit buffer ever holds. */
    SAME(wm_mqtt_client_publish(client, "a", longest, sizeof longest - 1, 1, 0),
         WM_MQTT_CLIENT_ERROR_FAILURE);
    SAME(last_error(client), WM_MQTT_CLIENT_ERROR_FAILURE);
    /* None of it has hurt the connection. */
    CHECK(wm_mqtt_client_publish(client, "a", "x", 1, 1, 0) > 0);
    expect_event(WM_EVENT_MQTT_CLIENT_PUBLISHED);
    finish(client);
}

/* --- PERSISTENCE_ERROR ---------------------------------------------------------------------- */

static int journal_fails;

static int append(void *context, const void *record, size_t size)
{
    CHECK(context == &journal_fails);
    CHECK(record != NULL && size > 0);
    return journal_fails;
}

static int read_record(void *context, uint32_t index, void *buffer, size_t size)
{
    (void)context;
    (void)index;
    (void)buffer;
    (void)size;
    return journal_fails;
}

static int reset(void *context)
{
    (void)context;
    return journal_fails;
}

SCENARIO(persistence_error)
{
    const wm_mqtt_client_journal_t journal = {&journal_fails, append, read_record, reset};
    wm_mqtt_client_options_t options = WM_MQTT_CLIENT_OPTIONS_INIT;
    wm_mqtt_client_config_t config = config_of("BROKER");
    wm_mqtt_client_handle_t client;
    options.journal = &journal;
    config.clean_session = 0;

    journal_fails = -1;
    SAME(refused(&config, &options), WM_MQTT_CLIENT_ERROR_PERSISTENCE_ERROR);

    journal_fails = 0;
    watch_events();
    client = wm_mqtt_client_init_with(&config, &options, NULL);
    CHECK(client != NULL);
    SAME(wm_mqtt_client_connect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    CHECK(wm_mqtt_client_publish(client, "a", "x", 1, 1, 0) > 0);
    expect_event(WM_EVENT_MQTT_CLIENT_PUBLISHED);
    /* That it is through is recorded, too; a failure there would end the connection. */
    vTaskDelay(200);
    journal_fails = -1;
    SAME(wm_mqtt_client_publish(client, "a", "x", 1, 1, 0), WM_MQTT_CLIENT_ERROR_PERSISTENCE_ERROR);
    SAME(last_error(client), WM_MQTT_CLIENT_ERROR_PERSISTENCE_ERROR);
    SAME(wm_mqtt_client_deinit(client), 0);
}

/* A journal in memory, which is there when the client is not. */
static struct {
    unsigned char bytes[8192];
    size_t length;
} records[64];
static uint32_t record_count;

static int append_to_memory(void *context, const void *record, size_t size)
{
    (void)context;
    CHECK(record_count < 64 && size <= sizeof records->bytes);
    memcpy(records[record_count].bytes, record, size);
    records[record_count++].length = size;
    return 0;
}

static int read_memory(void *context, uint32_t index, void *buffer, size_t size)
{
    (void)context;
    if (index >= record_count) {
        return 0;
    }
    CHECK(records[index].length <= size);
    memcpy(buffer, records[index].bytes, records[index].length);
    return (int)records[index].length;
}

static int reset_memory(void *context)
{
    (void)context;
    record_count = 0;
    return 0;
}

SCENARIO(journal_has_what_is_not_through)
{
    const wm_mqtt_client_journal_t journal = {NULL, append_to_memory, read_memory, reset_memory};
    wm_mqtt_client_options_t options = WM_MQTT_CLIENT_OPTIONS_INIT;
    wm_mqtt_client_config_t config = config_of("BROKER");
    wm_mqtt_client_handle_t client;
    char id[] = "kept";
    int before, after, turn;
    options.journal = &journal;
    config.client_id = id;
    config.clean_session = 0;
    watch_events();
    connects(&before);
    for (turn = 0; turn < 2; turn++) {
        client = wm_mqtt_client_init_with(&config, &options, NULL);
        CHECK(client != NULL);
        SAME(wm_mqtt_client_connect(client), 0);
        expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
        if (turn == 0) {
            CHECK(wm_mqtt_client_publish(client, "mute", "x", 1, 1, 0) > 0);
            CHECK(record_count > 0);
        }
        /* It is not acknowledged, ever. */
        SAME(wm_mqtt_client_deinit(client), 0);
        expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    }
    /* Another client, with the same journal, has sent it again. */
    connects(&after);
    SAME(after - before, 2);
}

/* --- DISCONNECTED ----------------------------------------------------------------------------- */

static void not_connected(wm_mqtt_client_handle_t client)
{
    SAME(wm_mqtt_client_subscribe(client, "a", 0), WM_MQTT_CLIENT_ERROR_DISCONNECTED);
    SAME(wm_mqtt_client_unsubscribe(client, "a"), WM_MQTT_CLIENT_ERROR_DISCONNECTED);
    SAME(wm_mqtt_client_publish(client, "a", "x", 1, 0, 0), WM_MQTT_CLIENT_ERROR_DISCONNECTED);
    SAME(wm_mqtt_client_publish(client, "a", "x", 1, 2, 0), WM_MQTT_CLIENT_ERROR_DISCONNECTED);
    SAME(wm_mqtt_client_publish_large(client, "a", 0, "x", 1, 1, 0),
         WM_MQTT_CLIENT_ERROR_DISCONNECTED);
    SAME(last_error(client), WM_MQTT_CLIENT_ERROR_DISCONNECTED);
}

SCENARIO(disconnected_before_and_after)
{
    wm_mqtt_client_handle_t client = client_of(config_of("TCP"));
    watch_events();
    not_connected(client);
    SAME(wm_mqtt_client_connect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    SAME(wm_mqtt_client_disconnect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    not_connected(client);
    SAME(wm_mqtt_client_deinit(client), 0);
}

SCENARIO(disconnected_while_subscribing)
{
    wm_mqtt_client_handle_t client = connected_to("BROKER");
    unsigned began = now();
    SAME(wm_mqtt_client_subscribe(client, "gone", 1), WM_MQTT_CLIENT_ERROR_DISCONNECTED);
    CHECK(now() - began < 8000);
    expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    not_connected(client);
    SAME(wm_mqtt_client_deinit(client), 0);
}

static SemaphoreHandle_t returned;
static int result_of_waiting;

static void wait_for_suback(void *client)
{
    result_of_waiting = wm_mqtt_client_subscribe(client, "mute", 1);
    xSemaphoreGive(returned);
    for (;;) {
        vTaskDelay(100000);
    }
}

SCENARIO(disconnected_by_another_task)
{
    wm_mqtt_client_handle_t client = connected_to("BROKER");
    unsigned began = now();
    returned = xSemaphoreCreateBinary();
    CHECK(xTaskCreate(wait_for_suback, "waits", 512, client, 1, NULL) == pdPASS);
    CHECK(xSemaphoreTake(returned, pdMS_TO_TICKS(500)) != pdTRUE);
    SAME(wm_mqtt_client_deinit(client), 0);
    CHECK(xSemaphoreTake(returned, pdMS_TO_TICKS(PATIENCE)) == pdTRUE);
    SAME(result_of_waiting, WM_MQTT_CLIENT_ERROR_DISCONNECTED);
    CHECK(now() - began < 8000);
    expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    vSemaphoreDelete(returned);
}

/* --- MAX_MESSAGES_INFLIGHT --------------------------------------------------------------------- */

SCENARIO(max_messages_inflight)
{
    wm_mqtt_client_options_t options = WM_MQTT_CLIENT_OPTIONS_INIT;
    wm_mqtt_client_config_t config = config_of("BROKER");
    wm_mqtt_client_handle_t client;
    unsigned began;
    options.window = 3;
    client = wm_mqtt_client_init_with(&config, &options, NULL);
    CHECK(client != NULL);
    watch_events();
    SAME(wm_mqtt_client_connect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    /* More than one at a time, other than with the vendor's client. */
    began = now();
    CHECK(wm_mqtt_client_publish(client, "mute", "x", 1, 1, 0) > 0);
    CHECK(wm_mqtt_client_publish(client, "mute", "x", 1, 2, 0) > 0);
    CHECK(wm_mqtt_client_publish(client, "mute", "x", 1, 1, 0) > 0);
    CHECK(now() - began < 8000);
    began = now();
    SAME(wm_mqtt_client_publish(client, "mute", "x", 1, 1, 0),
         WM_MQTT_CLIENT_ERROR_MAX_MESSAGES_INFLIGHT);
    CHECK(now() - began >= 9000 && now() - began < 16000);
    SAME(last_error(client), WM_MQTT_CLIENT_ERROR_MAX_MESSAGES_INFLIGHT);
    /* QoS 0 needs no acknowledgement. */
    SAME(wm_mqtt_client_publish(client, "mute", "x", 1, 0, 0), 0);
    finish(client);
}

/* --- BAD_UTF8_STRING ------------------------------------------------------------------------------ */

SCENARIO(bad_utf8_string)
{
    char bad[] = NOT_UTF8;
    wm_mqtt_client_config_t config = config_of("TCP");
    wm_mqtt_client_handle_t client = connected_to("TCP");
    SAME(wm_mqtt_client_subscribe(client, NOT_UTF8, 0), WM_MQTT_CLIENT_ERROR_BAD_UTF8_STRING);
    SAME(wm_mqtt_client_unsubscribe(client, NOT_UTF8), WM_MQTT_CLIENT_ERROR_BAD_UTF8_STRING);
    SAME(wm_mqtt_client_publish(client, NOT_UTF8, "x", 1, 0, 0),
         WM_MQTT_CLIENT_ERROR_BAD_UTF8_STRING);
    SAME(wm_mqtt_client_publish_large(client, NOT_UTF8, 0, "x", 1, 1, 0),
         WM_MQTT_CLIENT_ERROR_BAD_UTF8_STRING);
    SAME(last_error(client), WM_MQTT_CLIENT_ERROR_BAD_UTF8_STRING);
    finish(client);

    config.username = bad;
    SAME(cannot_connect(config), WM_MQTT_CLIENT_ERROR_BAD_UTF8_STRING);
    config.username = NULL;
    config.will_topic = bad;
    SAME(cannot_connect(config), WM_MQTT_CLIENT_ERROR_BAD_UTF8_STRING);
    config.will_topic = NULL;
    config.client_id = bad;
    CHECK(wm_mqtt_client_init(&config) == NULL);
    SAME(last_error(NULL), WM_MQTT_CLIENT_ERROR_BAD_UTF8_STRING);
    SAME(refused(&config, NULL), WM_MQTT_CLIENT_ERROR_BAD_UTF8_STRING);
}

/* --- NULL_PARAMETER --------------------------------------------------------------------------------- */

SCENARIO(null_parameter)
{
    wm_mqtt_client_config_t config = config_of("TLS");
    config.uri = uri_of("mqtts", "TLS");
    config.auth_mode = WM_MQTT_CLIENT_AUTH_MODE_AUTH_SERVER_CERT;
    SAME(cannot_connect(config), WM_MQTT_CLIENT_ERROR_NULL_PARAMETER);
    config.auth_mode = WM_MQTT_CLIENT_AUTH_MODE_PROVIDE_CLIENT_CERT;
    SAME(cannot_connect(config), WM_MQTT_CLIENT_ERROR_NULL_PARAMETER);
    config.cert = rig_file("client.crt");
    SAME(cannot_connect(config), WM_MQTT_CLIENT_ERROR_NULL_PARAMETER);
    config.key = rig_file("client.key");
    config.auth_mode = WM_MQTT_CLIENT_AUTH_MODE_MUTUAL_AUTH;
    SAME(cannot_connect(config), WM_MQTT_CLIENT_ERROR_NULL_PARAMETER);
}

/* --- TOPICNAME_TRUNCATED ---------------------------------------------------------------------------- */

SCENARIO(topicname_truncated)
{
    static char longest[70000];
    wm_mqtt_client_handle_t client = connected_to("TCP");
    memset(longest, 't', sizeof longest - 1);
    SAME(wm_mqtt_client_publish(client, longest, "x", 1, 0, 0),
         WM_MQTT_CLIENT_ERROR_TOPICNAME_TRUNCATED);
    SAME(wm_mqtt_client_subscribe(client, longest, 0), WM_MQTT_CLIENT_ERROR_TOPICNAME_TRUNCATED);
    SAME(wm_mqtt_client_unsubscribe(client, longest), WM_MQTT_CLIENT_ERROR_TOPICNAME_TRUNCATED);
    SAME(wm_mqtt_client_publish_large(client, "a\0b", 3, "x", 1, 0, 0),
         WM_MQTT_CLIENT_ERROR_TOPICNAME_TRUNCATED);
    SAME(last_error(client), WM_MQTT_CLIENT_ERROR_TOPICNAME_TRUNCATED);
    finish(client);
}

/* --- SSL_NOT_SUPPORTED --------------------------------------------------------------------------- */

#ifdef RIG_WITHOUT_TLS

SCENARIO(ssl_not_supported)
{
    wm_mqtt_client_config_t config = config_of("TCP");
    config.uri = uri_of("mqtts", "TCP");
    SAME(cannot_connect(config), WM_MQTT_CLIENT_ERROR_SSL_NOT_SUPPORTED);
    config.uri = uri_of("wss", "TCP");
    SAME(cannot_connect(config), WM_MQTT_CLIENT_ERROR_SSL_NOT_SUPPORTED);
    /* The other half of the build works. */
    finish(connected_to("TCP"));
}

#endif

/* --- BAD_STRUCTURE ------------------------------------------------------------------------------------ */

SCENARIO(bad_structure)
{
    const wm_mqtt_client_journal_t complete = {NULL, append_to_memory, read_memory, reset_memory};
    wm_mqtt_client_journal_t journal;
    int i;
    wm_mqtt_client_config_t config = config_of("TCP");
    wm_mqtt_client_options_t options = WM_MQTT_CLIENT_OPTIONS_INIT;
    options.size = 0;
    SAME(refused(&config, &options), WM_MQTT_CLIENT_ERROR_BAD_STRUCTURE);
    options.size = sizeof options + 4;
    SAME(refused(&config, &options), WM_MQTT_CLIENT_ERROR_BAD_STRUCTURE);
    options.size = sizeof options;
    /* A journal without one of its functions. */
    options.journal = &journal;
    for (i = 0; i < 3; i++) {
        journal = complete;
        journal.append = i == 0 ? NULL : journal.append;
        journal.read = i == 1 ? NULL : journal.read;
        journal.reset = i == 2 ? NULL : journal.reset;
        SAME(refused(&config, &options), WM_MQTT_CLIENT_ERROR_BAD_STRUCTURE);
    }
}

/* --- BAD_QOS --------------------------------------------------------------------------------------------- */

SCENARIO(bad_qos)
{
    wm_mqtt_client_handle_t client = connected_to("TCP");
    wm_mqtt_client_config_t config = config_of("TCP");
    char topic[] = "will";
    SAME(wm_mqtt_client_subscribe(client, "a", 3), WM_MQTT_CLIENT_ERROR_BAD_QOS);
    SAME(wm_mqtt_client_publish(client, "a", "x", 1, 3, 0), WM_MQTT_CLIENT_ERROR_BAD_QOS);
    SAME(wm_mqtt_client_publish_large(client, "a", 0, "x", 1, 255, 0), WM_MQTT_CLIENT_ERROR_BAD_QOS);
    SAME(last_error(client), WM_MQTT_CLIENT_ERROR_BAD_QOS);
    finish(client);
    config.will_topic = topic;
    config.will_qos = 3;
    SAME(cannot_connect(config), WM_MQTT_CLIENT_ERROR_BAD_QOS);
}

/* --- versions, options, schemes ---------------------------------------------------------------------------- */

SCENARIO(bad_mqtt_version)
{
    wm_mqtt_client_config_t config = config_of("TCP");
    wm_mqtt_client_options_t options = WM_MQTT_CLIENT_OPTIONS_INIT;
    options.mqtt_version = 6;
    SAME(refused(&config, &options), WM_MQTT_CLIENT_ERROR_BAD_MQTT_VERSION);
    options.mqtt_version = 1;
    SAME(refused(&config, &options), WM_MQTT_CLIENT_ERROR_BAD_MQTT_VERSION);
}

SCENARIO(bad_protocol)
{
    static const char *const schemes[] = {"http://host", "MQTT://host", "mqtt5://host", "://host"};
    wm_mqtt_client_config_t config = config_of("TCP");
    char uri[32];
    size_t i;
    for (i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        strcpy(uri, schemes[i]);
        config.uri = uri;
        CHECK(wm_mqtt_client_init(&config) == NULL);
        SAME(last_error(NULL), WM_MQTT_CLIENT_ERROR_BAD_PROTOCOL);
        SAME(refused(&config, NULL), WM_MQTT_CLIENT_ERROR_BAD_PROTOCOL);
    }
}

SCENARIO(bad_mqtt_option)
{
    wm_mqtt_client_config_t config = config_of("TCP");
    wm_mqtt_client_options_t options = WM_MQTT_CLIENT_OPTIONS_INIT;
    options.session_expiry = 60;
    SAME(refused(&config, &options), WM_MQTT_CLIENT_ERROR_BAD_MQTT_OPTION);
}

SCENARIO(wrong_mqtt_version)
{
    wm_mqtt_client_handle_t client = connected_to("TCP");
    SAME(wm_mqtt_client_subscribe_with(client, "a", 0, WM_MQTT_CLIENT_NO_LOCAL),
         WM_MQTT_CLIENT_ERROR_WRONG_MQTT_VERSION);
    SAME(last_error(client), WM_MQTT_CLIENT_ERROR_WRONG_MQTT_VERSION);
    finish(client);
}

SCENARIO(will_topic_is_empty)
{
    wm_mqtt_client_config_t config = config_of("TCP");
    char empty[] = "";
    config.will_topic = empty;
    SAME(cannot_connect(config), WM_MQTT_CLIENT_ERROR_0_LEN_WILL_TOPIC);
}

/* --- values without a name ------------------------------------------------------------------------------------ */

SCENARIO(server_refuses_the_connection)
{
    static const int codes[] = {-4999, -4998, -4997, -4996, -4995};
    wm_mqtt_client_config_t config = config_of("BROKER");
    char id[] = "refuse-0";
    int i, before = connects(NULL);
    config.client_id = id;
    for (i = 0; i < 5; i++) {
        id[7] = (char)('1' + i);
        SAME(cannot_connect(config), codes[i]);
    }
    /* Each was one CONNECT: the vendor's client tries again with MQTT 3.1. */
    SAME(connects(NULL) - before, 5 + 1);
}

SCENARIO(server_refuses_a_wrong_password)
{
    wm_mqtt_client_config_t config = config_of("PASSWORD");
    char user[] = "nobody", word[] = "wrong";
    config.username = user;
    config.password = word;
    SAME(cannot_connect(config), -4995);
}

SCENARIO(server_refuses_or_lowers_a_subscription)
{
    wm_mqtt_client_handle_t client = connected_to("BROKER");
    SAME(wm_mqtt_client_subscribe(client, "refused", 1), -4872);
    SAME(last_error(client), -4872);
    CHECK(wm_mqtt_client_subscribe(client, "lower", 2) > 0);
    CHECK(wm_mqtt_client_subscribe(client, "granted", 2) > 0);
    expect_no_event(100);
    finish(client);
}

SCENARIO(tls_errors_have_the_code_of_the_library)
{
    wm_mqtt_client_config_t config = config_of("TLS");
    char bad[] = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n";
    int error;
    config.uri = uri_of("mqtts", "WRONG_HOST");
    config.auth_mode = WM_MQTT_CLIENT_AUTH_MODE_AUTH_SERVER_CERT;
    config.ca = rig_file("ca.crt");
    /* MBEDTLS_ERR_X509_CERT_VERIFY_FAILED */
    SAME(cannot_connect(config), -5000 - 0x2700);
    config.ca = bad;
    error = cannot_connect(config);
    CHECK(error < -5100);
}

SCENARIO(no_memory)
{
    wm_mqtt_client_config_t config = config_of("TCP");
    wm_mqtt_client_handle_t client = client_of(config);
    watch_events();
    rig_no_memory(1);
    SAME(refused(&config, NULL), -5099);
    CHECK(wm_mqtt_client_init(&config) == NULL);
    SAME(wm_mqtt_client_connect(client), -5099);
    SAME(last_error(client), -5099);
    rig_no_memory(0);
    SAME(wm_mqtt_client_connect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    finish(client);
}

/* --- messages that are sent from where they lie ------------------------------------------------------------------ */

static char *large;
#define LARGE 20000

static int publish_large(wm_mqtt_client_handle_t client, const char *topic, uint8_t qos)
{
    int result;
    large = malloc(LARGE);
    CHECK(large != NULL);
    memset(large, 'l', LARGE);
    result = wm_mqtt_client_publish_large(client, topic, 0, large, LARGE, qos, 0);
    /* From here on, the library has no business with it. */
    memset(large, 'x', LARGE);
    free(large);
    return result;
}

SCENARIO(large_messages_are_through_when_the_call_returns)
{
    wm_mqtt_client_handle_t client = connected_to("TCP");
    uint8_t qos;
    CHECK(wm_mqtt_client_subscribe(client, "large", 0) > 0);
    for (qos = 0; qos <= 2; qos++) {
        int id = publish_large(client, "large", qos), published = 0, received = 0;
        CHECK(qos == 0 ? id == 0 : id > 0);
        while (!received || (qos > 0 && !published)) {
            struct seen seen = next_event();
            if (seen.event == WM_EVENT_MQTT_CLIENT_PUBLISHED) {
                SAME(seen.data.mqtt_client_published_info.msg_id, id);
                published = 1;
            } else {
                SAME(seen.event, WM_EVENT_MQTT_CLIENT_DATA);
                SAME(seen.data.mqtt_client_data_info.payload_len, LARGE);
                SAME(strspn(seen.data.mqtt_client_data_info.payload, "l"), LARGE);
                release(&seen);
                received = 1;
            }
        }
    }
    finish(client);
}

SCENARIO(large_message_that_is_never_acknowledged)
{
    wm_mqtt_client_handle_t client = connected_to("BROKER");
    SAME(publish_large(client, "mute", 1), WM_MQTT_CLIENT_ERROR_FAILURE);
    expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    /* What it was is given up, and nothing is stuck. */
    SAME(wm_mqtt_client_connect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    CHECK(wm_mqtt_client_publish(client, "a", "x", 1, 1, 0) > 0);
    expect_event(WM_EVENT_MQTT_CLIENT_PUBLISHED);
    CHECK(publish_large(client, "a", 1) > 0);
    expect_event(WM_EVENT_MQTT_CLIENT_PUBLISHED);
    finish(client);
}

SCENARIO(large_message_of_a_session_that_is_kept)
{
    wm_mqtt_client_config_t config = config_of("BROKER");
    wm_mqtt_client_handle_t client;
    char id[] = "kept";
    config.client_id = id;
    config.clean_session = 0;
    client = client_of(config);
    watch_events();
    SAME(wm_mqtt_client_connect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    SAME(publish_large(client, "mute", 1), WM_MQTT_CLIENT_ERROR_FAILURE);
    expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    /* It is sent again, though the application has its memory back. */
    SAME(wm_mqtt_client_connect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    CHECK(wm_mqtt_client_publish(client, "a", "x", 1, 1, 0) > 0);
    expect_event(WM_EVENT_MQTT_CLIENT_PUBLISHED);
    SAME(wm_mqtt_client_deinit(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
}

SCENARIO(large_message_whose_connection_breaks)
{
    wm_mqtt_client_config_t config = config_of("BROKER");
    wm_mqtt_client_handle_t client;
    char id[] = "kept";
    unsigned began = now();
    config.client_id = id;
    config.clean_session = 0;
    client = client_of(config);
    watch_events();
    SAME(wm_mqtt_client_connect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    SAME(publish_large(client, "gone", 1), WM_MQTT_CLIENT_ERROR_DISCONNECTED);
    expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    CHECK(now() - began < 8000);

    /* Without memory for a copy, the message is given up, and nothing is stuck. */
    SAME(wm_mqtt_client_reconnect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    rig_no_memory(1);
    SAME(publish_large(client, "gone", 1), WM_MQTT_CLIENT_ERROR_DISCONNECTED);
    expect_event(WM_EVENT_MQTT_CLIENT_DISCONNECTED);
    rig_no_memory(0);
    SAME(wm_mqtt_client_connect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    CHECK(wm_mqtt_client_publish(client, "a", "x", 1, 1, 0) > 0);
    expect_event(WM_EVENT_MQTT_CLIENT_PUBLISHED);
    finish(client);
}

SCENARIO(lwip_large_message_over_a_slow_line)
{
    static char text[60000];
    wm_mqtt_client_config_t config = config_of("BROKER");
    wm_mqtt_client_handle_t client;
    char id[] = "slow";
    unsigned began = now();
    memset(text, 's', sizeof text);
    config.client_id = id;
    client = client_of(config);
    watch_events();
    SAME(wm_mqtt_client_connect(client), 0);
    expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED);
    /* More than the ten seconds that a call waits, as it goes on all the time. */
    CHECK(wm_mqtt_client_publish_large(client, "slow", 0, text, sizeof text, 1, 0) > 0);
    CHECK(now() - began > 12000);
    expect_event(WM_EVENT_MQTT_CLIENT_PUBLISHED);
    finish(client);
}
