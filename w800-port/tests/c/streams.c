/* The port by itself: streams, waiting and waking, as the library's background task uses them. */
#include "rig.h"

#include <string.h>

#include "wm_mqtt_port.h"

/* --- a background task of ours ---------------------------------------------------- */

static void (*job)(void);
static void *finished;

static void task(void)
{
    job();
    wm_mqtt_port_post(finished);
    for (;;) {
        wm_mqtt_port_wait(UINT32_MAX);
    }
}

static void in_background(void (*what)(void))
{
    job = what;
    finished = wm_mqtt_port_semaphore();
    SAME(wm_mqtt_port_start(task), 0);
    SAME(wm_mqtt_port_pend(finished, 60000), 0);
    wm_mqtt_port_semaphore_free(finished);
}

/* Waits, and keeps count: nothing may turn round and round. */
static void await(int *turns)
{
    wm_mqtt_port_wait(10000);
    (*turns)++;
}

static wm_mqtt_port_target_t target(const char *host, const char *port)
{
    wm_mqtt_port_target_t to;
    memset(&to, 0, sizeof to);
    to.host = host;
    to.port = (uint16_t)rig_number(port);
    return to;
}

/* Opens it; 1, or the error, with the reason in `why`. */
static int try_open(const wm_mqtt_port_target_t *to, void **stream, char *why)
{
    int error = 0, result = 0, turns = 0;
    why[0] = '\0';
    *stream = wm_mqtt_port_open(to, &error);
    if (*stream == NULL) {
        CHECK(error < 0);
        return error;
    }
    while ((result = wm_mqtt_port_step(*stream)) == 0) {
        await(&turns);
        CHECK(turns < 100);
    }
    if (result < 0) {
        const char *reason = wm_mqtt_port_reason(*stream);
        snprintf(why, 128, "%s", reason != NULL ? reason : "");
        wm_mqtt_port_close(*stream);
        *stream = NULL;
    }
    return result;
}

static void *opened(const wm_mqtt_port_target_t *to)
{
    char why[128];
    void *stream;
    int result = try_open(to, &stream, why);
    if (result != 1) {
        fprintf(stderr, "error %d, %s\n", result, why);
    }
    SAME(result, 1);
    return stream;
}

static unsigned char byte_at(size_t position)
{
    return (unsigned char)(position * 7 + position / 256);
}

/* Sends so many bytes to an echo, in pieces of all sizes, and looks at what comes back. */
static void echo(void *stream, size_t length)
{
    size_t sent = 0, received = 0, i;
    int turns = 0;
    while (received < length) {
        unsigned char bytes[5000];
        size_t size = 1 + sent * 31 % sizeof bytes;
        int written = 0, read;
        if (size > length - sent) {
            size = length - sent;
        }
        for (i = 0; i < size; i++) {
            bytes[i] = byte_at(sent + i);
        }
        if (size > 0) {
            written = wm_mqtt_port_write(stream, bytes, size);
            CHECK(written >= 0 && written <= (int)size);
            sent += (size_t)written;
        }
        read = wm_mqtt_port_read(stream, bytes, 1 + received * 17 % sizeof bytes);
        CHECK(read >= 0);
        for (i = 0; i < (size_t)read; i++) {
            SAME(bytes[i], byte_at(received + i));
        }
        received += (size_t)read;
        if (read == 0 && written == 0) {
            await(&turns);
        }
    }
    SAME(sent, length);
}

static void echo_job(void)
{
    wm_mqtt_port_target_t to = target(rig_setting("HOST"), "ECHO");
    void *stream = opened(&to);
    echo(stream, 300000);
    wm_mqtt_port_close(stream);
}

SCENARIO(stream_echoes)
{
    in_background(echo_job);
}

static void name_job(void)
{
    wm_mqtt_port_target_t to = target(rig_setting("NAME"), "ECHO");
    void *stream = opened(&to);
    echo(stream, 1000);
    wm_mqtt_port_close(stream);
}

SCENARIO(stream_to_a_name)
{
    in_background(name_job);
}
