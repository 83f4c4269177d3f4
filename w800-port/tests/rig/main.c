/* Runs the scenario that is named. */
#define _GNU_SOURCE
#include "rig.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "wm_mqtt_port.h"

#define MOST 200

static struct {
    const char *name;
    void (*run)(void);
} scenarios[MOST];
static int count;

void rig_register(const char *name, void (*scenario)(void))
{
    CHECK(count < MOST);
    scenarios[count].name = name;
    scenarios[count++].run = scenario;
}

const char *rig_setting(const char *name)
{
    char variable[64];
    const char *value;
    snprintf(variable, sizeof variable, "RIG_%s", name);
    value = getenv(variable);
    if (value == NULL) {
        fprintf(stderr, "%s is not set\n", variable);
        _Exit(1);
    }
    return value;
}

int rig_number(const char *name)
{
    return atoi(rig_setting(name));
}

char *rig_file(const char *name)
{
    static char *kept[32];
    static int files;
    char path[512];
    FILE *file;
    size_t length;
    CHECK(files < 32);
    snprintf(path, sizeof path, "%s/%s", rig_setting("CERTIFICATES"), name);
    file = fopen(path, "rb");
    CHECK(file != NULL);
    kept[files] = calloc(1, 16384);
    length = fread(kept[files], 1, 16383, file);
    CHECK(length > 0);
    fclose(file);
    return kept[files++];
}

int rig_world(const char *order)
{
    char answer[64];
    printf("@%s\n", order);
    fflush(stdout);
    CHECK(fgets(answer, sizeof answer, stdin) != NULL);
    CHECK(strncmp(answer, "done ", 5) == 0);
    return atoi(answer + 5);
}

/* --- counting --------------------------------------------------------------------
 * The linker has calls of X go to __wrap_X here, and __real_X is X. */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int blocks;
static int no_memory;
static int waits;

static void add(int *counter, int change)
{
    pthread_mutex_lock(&lock);
    *counter += change;
    pthread_mutex_unlock(&lock);
}

static int get(const int *counter)
{
    int value;
    pthread_mutex_lock(&lock);
    value = *counter;
    pthread_mutex_unlock(&lock);
    return value;
}

void *__real_wm_mqtt_port_alloc(size_t size);
void __real_wm_mqtt_port_free(void *block);
void *__wrap_wm_mqtt_port_alloc(size_t size);
void __wrap_wm_mqtt_port_free(void *block);

void *__wrap_wm_mqtt_port_alloc(size_t size)
{
    void *block = get(&no_memory) ? NULL : __real_wm_mqtt_port_alloc(size);
    add(&blocks, block != NULL);
    return block;
}

void __wrap_wm_mqtt_port_free(void *block)
{
    add(&blocks, -(block != NULL));
    __real_wm_mqtt_port_free(block);
}

void __real_wm_mqtt_port_wait(uint32_t ms);
void __wrap_wm_mqtt_port_wait(uint32_t ms);

void __wrap_wm_mqtt_port_wait(uint32_t ms)
{
    add(&waits, 1);
    __real_wm_mqtt_port_wait(ms);
}

int rig_waits(void)
{
    return get(&waits);
}

void rig_free(void *block)
{
    add(&blocks, -(block != NULL));
    free(block);
}

void __real_wm_mqtt_port_log(int level, const char *text);
void __wrap_wm_mqtt_port_log(int level, const char *text);

static int lines;

/* What scenarios call a secret may not be in any log. */
void __wrap_wm_mqtt_port_log(int level, const char *text)
{
    CHECK(strstr(text, "secret") == NULL);
    add(&lines, 1);
    __real_wm_mqtt_port_log(level, text);
}

int rig_log_lines(void)
{
    return get(&lines);
}

int rig_blocks(void)
{
    return get(&blocks);
}

void rig_no_memory(int is_so)
{
    add(&no_memory, is_so - get(&no_memory));
}

#ifdef RIG_LWIP

#include "lwip/api.h"

static int connections;

struct netconn *__real_netconn_new_with_proto_and_callback(enum netconn_type type, u8_t proto,
                                                           netconn_callback callback);
struct netconn *__wrap_netconn_new_with_proto_and_callback(enum netconn_type type, u8_t proto,
                                                           netconn_callback callback);
err_t __real_netconn_delete(struct netconn *conn);
err_t __wrap_netconn_delete(struct netconn *conn);

/* The stack takes them from the heap, but has eight in other builds of it. */
struct netconn *__wrap_netconn_new_with_proto_and_callback(enum netconn_type type, u8_t proto,
                                                           netconn_callback callback)
{
    struct netconn *conn = NULL;
    if (get(&connections) < MEMP_NUM_NETCONN) {
        conn = __real_netconn_new_with_proto_and_callback(type, proto, callback);
        add(&connections, conn != NULL);
    }
    return conn;
}

err_t __wrap_netconn_delete(struct netconn *conn)
{
    CHECK(get(&connections) > 0);
    add(&connections, -1);
    return __real_netconn_delete(conn);
}

int rig_connections(void)
{
    return get(&connections);
}

#else

void rig_network_up(void)
{
}

int rig_connections(void)
{
    return 0;
}

#endif

int main(int argc, char **argv)
{
    int i, looks;
    if (argc != 2) {
        for (i = 0; i < count; i++) {
            printf("%s\n", scenarios[i].name);
        }
        return 2;
    }
    for (i = 0; i < count; i++) {
        if (strcmp(scenarios[i].name, argv[1]) == 0) {
            rig_network_up();
            scenarios[i].run();
            /* Lookups that were given up end some time. */
            for (looks = 0; rig_blocks() > 0 && looks < 1000; looks++) {
                usleep(10000);
            }
            SAME(rig_blocks(), 0);
            SAME(rig_connections(), 0);
            printf("passed %s\n", argv[1]);
            fflush(stdout);
            exit(0);
        }
    }
    fprintf(stderr, "no scenario %s\n", argv[1]);
    return 2;
}
