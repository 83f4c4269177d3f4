/* Tasks, lock, semaphores and clock, memory, random numbers and log: a POSIX host. */
#define _POSIX_C_SOURCE 200809L
#include "../network.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- Clock ---- */

uint32_t wm_mqtt_port_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint32_t)((uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000);
}

/* ---- The lock ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void wm_mqtt_port_lock(void)
{
    pthread_mutex_lock(&lock);
}

void wm_mqtt_port_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

/* ---- Semaphores ---- */

struct semaphore {
    pthread_mutex_t lock;
    pthread_cond_t posted;
    bool is_posted;
};

void *wm_mqtt_port_semaphore(void)
{
    struct semaphore *semaphore = wm_mqtt_port_alloc(sizeof *semaphore);
    pthread_condattr_t attributes;
    if (semaphore == NULL) {
        return NULL;
    }
    pthread_mutex_init(&semaphore->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&semaphore->posted, &attributes);
    pthread_condattr_destroy(&attributes);
    semaphore->is_posted = false;
    return semaphore;
}

void wm_mqtt_port_post(void *made)
{
    struct semaphore *semaphore = made;
    pthread_mutex_lock(&semaphore->lock);
    semaphore->is_posted = true;
    pthread_cond_signal(&semaphore->posted);
    pthread_mutex_unlock(&semaphore->lock);
}

int wm_mqtt_port_pend(void *made, uint32_t ms)
{
    struct semaphore *semaphore = made;
    struct timespec until;
    int error = 0, was_posted;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&semaphore->lock);
    while (!semaphore->is_posted && error == 0) {
        error = pthread_cond_timedwait(&semaphore->posted, &semaphore->lock, &until);
    }
    was_posted = semaphore->is_posted;
    semaphore->is_posted = false;
    pthread_mutex_unlock(&semaphore->lock);
    return was_posted ? 0 : -1;
}

/* ---- The background task ---- */

static void (*background)(void);

static void *run(void *unused)
{
    (void)unused;
    background();
    return NULL;
}

int wm_mqtt_port_start(void (*task)(void))
{
    pthread_t thread;
    background = task;
    if (pthread_create(&thread, NULL, run, NULL) != 0) {
        return -1;
    }
    pthread_detach(thread);
    return 0;
}

/* ---- Memory ---- */

void *wm_mqtt_port_alloc(size_t size)
{
    return malloc(size);
}

void wm_mqtt_port_free(void *memory)
{
    free(memory);
}

/* ---- Random numbers ---- */

int wm_mqtt_entropy(void *buf, size_t size)
{
    FILE *file = fopen("/dev/urandom", "rb");
    size_t got;
    if (file == NULL) {
        return -1;
    }
    got = fread(buf, 1, size, file);
    fclose(file);
    return got == size ? 0 : -1;
}

void wm_mqtt_port_random(void *buf, size_t size)
{
    if (wm_mqtt_entropy(buf, size) != 0) {
        abort();
    }
}

/* ---- Identity ---- */

int wm_mqtt_port_mac(uint8_t mac[6])
{
    /* A host has several or none. This one is for tests; a product has its own. */
    static const uint8_t address[6] = {0x28, 0x6d, 0xce, 0x29, 0x31, 0x5f};
    size_t i;
    for (i = 0; i < sizeof address; i++) {
        mac[i] = address[i];
    }
    return 0;
}

/* ---- Log ---- */

void wm_mqtt_port_log(int level, const char *text)
{
    static const char *const levels[] = {"error", "info", "debug"};
    fprintf(stderr, "[%s] (%u) mqtt: %s\n", levels[level], (unsigned)wm_mqtt_port_now(), text);
}
