/* FreeRTOS over POSIX threads. What the real one asserts, this one aborts on. */
#define _GNU_SOURCE
#include "freertos/FreeRTOS.h"
#include "freertos/queue.h"
#include "freertos/semphr.h"
#include "freertos/task.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct timespec after(TickType_t ticks)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += ticks / 1000;
    time.tv_nsec += (long)(ticks % 1000) * 1000000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_sec++;
        time.tv_nsec -= 1000000000;
    }
    return time;
}

static void condition(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* Waits until `*count` is not `not`, and says whether it is. */
static int wait_while(const unsigned *count, unsigned not, pthread_cond_t *cond,
                      pthread_mutex_t *lock, TickType_t ticks)
{
    struct timespec until = after(ticks == portMAX_DELAY ? 0 : ticks);
    while (*count == not) {
        if (ticks == portMAX_DELAY) {
            pthread_cond_wait(cond, lock);
        } else if (ticks == 0 || pthread_cond_timedwait(cond, lock, &until) != 0) {
            return *count != not;
        }
    }
    return 1;
}

/* --- tasks ---------------------------------------------------------------- */

struct start {
    void (*code)(void *);
    void *argument;
};

static void *run(void *argument)
{
    struct start start = *(struct start *)argument;
    free(argument);
    start.code(start.argument);
    /* A task of FreeRTOS must not return. */
    abort();
}

BaseType_t xTaskCreate(void (*code)(void *), const char *name, uint32_t depth, void *argument,
                       UBaseType_t priority, TaskHandle_t *handle)
{
    pthread_t thread;
    struct start *start = malloc(sizeof *start);
    assert(priority < configMAX_PRIORITIES && depth >= 256);
    start->code = code;
    start->argument = argument;
    if (pthread_create(&thread, NULL, run, start) != 0) {
        free(start);
        return pdFAIL;
    }
    pthread_setname_np(thread, name);
    pthread_detach(thread);
    if (handle != NULL) {
        *handle = NULL;
    }
    return pdPASS;
}

void vTaskDelete(TaskHandle_t task)
{
    assert(task == NULL);
    pthread_exit(NULL);
}

TickType_t xTaskGetTickCount(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (TickType_t)((uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000);
}

void vTaskDelay(TickType_t ticks)
{
    usleep(ticks * 1000);
}

static pthread_mutex_t critical = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

void rig_enter_critical(void)
{
    pthread_mutex_lock(&critical);
}

void rig_exit_critical(void)
{
    pthread_mutex_unlock(&critical);
}

/* --- semaphores ----------------------------------------------------------- */

static SemaphoreHandle_t make(StaticSemaphore_t *semaphore, unsigned count, int is_mutex)
{
    memset(semaphore, 0, sizeof *semaphore);
    pthread_mutex_init(&semaphore->lock, NULL);
    condition(&semaphore->given);
    semaphore->count = count;
    semaphore->most = 1;
    semaphore->is_mutex = is_mutex;
    return semaphore;
}

SemaphoreHandle_t xSemaphoreCreateBinary(void)
{
    return make(malloc(sizeof(StaticSemaphore_t)), 0, 0);
}

SemaphoreHandle_t xSemaphoreCreateBinaryStatic(StaticSemaphore_t *storage)
{
    return make(storage, 0, 0);
}

SemaphoreHandle_t xSemaphoreCreateMutexStatic(StaticSemaphore_t *storage)
{
    return make(storage, 1, 1);
}

BaseType_t xSemaphoreTake(SemaphoreHandle_t semaphore, TickType_t ticks)
{
    BaseType_t taken = pdFALSE;
    pthread_mutex_lock(&semaphore->lock);
    /* Not recursive: the real one would wait for itself for ever. */
    assert(!(semaphore->is_mutex && semaphore->count == 0 &&
             pthread_equal(semaphore->owner, pthread_self())));
    if (wait_while(&semaphore->count, 0, &semaphore->given, &semaphore->lock, ticks)) {
        semaphore->count--;
        semaphore->owner = pthread_self();
        taken = pdTRUE;
    }
    pthread_mutex_unlock(&semaphore->lock);
    return taken;
}

BaseType_t xSemaphoreGive(SemaphoreHandle_t semaphore)
{
    BaseType_t given = pdFALSE;
    pthread_mutex_lock(&semaphore->lock);
    assert(!semaphore->is_mutex || pthread_equal(semaphore->owner, pthread_self()));
    if (semaphore->count < semaphore->most) {
        semaphore->count++;
        memset(&semaphore->owner, 0, sizeof semaphore->owner);
        pthread_cond_signal(&semaphore->given);
        given = pdTRUE;
    }
    pthread_mutex_unlock(&semaphore->lock);
    return given;
}

void vSemaphoreDelete(SemaphoreHandle_t semaphore)
{
    pthread_mutex_destroy(&semaphore->lock);
    pthread_cond_destroy(&semaphore->given);
    free(semaphore);
}

/* --- queues --------------------------------------------------------------- */

struct rig_queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned count;
    unsigned length;
    unsigned first;
    void *items[];
};

QueueHandle_t xQueueCreate(UBaseType_t length, UBaseType_t size)
{
    QueueHandle_t queue = calloc(1, sizeof *queue + length * sizeof(void *));
    assert(size == sizeof(void *));
    pthread_mutex_init(&queue->lock, NULL);
    condition(&queue->changed);
    queue->length = (unsigned)length;
    return queue;
}

BaseType_t xQueueSend(QueueHandle_t queue, const void *item, TickType_t ticks)
{
    BaseType_t sent = pdFALSE;
    pthread_mutex_lock(&queue->lock);
    if (wait_while(&queue->count, queue->length, &queue->changed, &queue->lock, ticks)) {
        memcpy(&queue->items[(queue->first + queue->count) % queue->length], item, sizeof(void *));
        queue->count++;
        pthread_cond_broadcast(&queue->changed);
        sent = pdTRUE;
    }
    pthread_mutex_unlock(&queue->lock);
    return sent;
}

BaseType_t xQueueReceive(QueueHandle_t queue, void *item, TickType_t ticks)
{
    BaseType_t received = pdFALSE;
    pthread_mutex_lock(&queue->lock);
    if (wait_while(&queue->count, 0, &queue->changed, &queue->lock, ticks)) {
        memcpy(item, &queue->items[queue->first], sizeof(void *));
        queue->first = (queue->first + 1) % queue->length;
        queue->count--;
        pthread_cond_broadcast(&queue->changed);
        received = pdTRUE;
    }
    pthread_mutex_unlock(&queue->lock);
    return received;
}

void vQueueDelete(QueueHandle_t queue)
{
    pthread_mutex_destroy(&queue->lock);
    pthread_cond_destroy(&queue->changed);
    free(queue);
}
