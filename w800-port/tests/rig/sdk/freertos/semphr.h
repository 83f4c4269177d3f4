#ifndef RIG_FREERTOS_SEMPHR_H
#define RIG_FREERTOS_SEMPHR_H

#include "freertos/FreeRTOS.h"

#include <pthread.h>

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t given;
    unsigned count;
    unsigned most;
    int is_mutex;
    pthread_t owner;
} StaticSemaphore_t;

typedef StaticSemaphore_t *SemaphoreHandle_t;

SemaphoreHandle_t xSemaphoreCreateBinary(void);
SemaphoreHandle_t xSemaphoreCreateBinaryStatic(StaticSemaphore_t *storage);
SemaphoreHandle_t xSemaphoreCreateMutexStatic(StaticSemaphore_t *storage);
BaseType_t xSemaphoreTake(SemaphoreHandle_t semaphore, TickType_t ticks);
BaseType_t xSemaphoreGive(SemaphoreHandle_t semaphore);
void vSemaphoreDelete(SemaphoreHandle_t semaphore);

#endif
