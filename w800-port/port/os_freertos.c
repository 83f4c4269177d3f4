/* Tasks, lock, semaphores and clock: FreeRTOS. */
#include "wm_mqtt_port.h"

#include "freertos/FreeRTOS.h"
#include "freertos/semphr.h"
#include "freertos/task.h"

#include "wmsdk_config.h"

/* ---- Clock ---- */

uint32_t wm_mqtt_port_now(void)
{
    /* 64 bits, as the tick count times 1000 does not fit into 32. It wraps with the tick count, which at
       1000 Hz, the SDK's default, is at 2^32 as the library expects. */
    return (uint32_t)((uint64_t)xTaskGetTickCount() * 1000 / configTICK_RATE_HZ);
}

/* Rounded up, so that nobody comes back to find that it is not time yet. */
static TickType_t ticks(uint32_t ms)
{
    const uint32_t most = 24UL * 60 * 60 * 1000;
    if (ms > most) {
        ms = most;
    }
    return (TickType_t)(((uint64_t)ms * configTICK_RATE_HZ + 999) / 1000);
}

/* ---- The lock ---- */

static StaticSemaphore_t lock_memory;
static SemaphoreHandle_t lock;

void wm_mqtt_port_lock(void)
{
    /* There is no set-up function, so whoever comes first makes it. */
    taskENTER_CRITICAL();
    if (lock == NULL) {
        lock = xSemaphoreCreateMutexStatic(&lock_memory);
    }
    taskEXIT_CRITICAL();
    xSemaphoreTake(lock, portMAX_DELAY);
}

void wm_mqtt_port_unlock(void)
{
    xSemaphoreGive(lock);
}

/* ---- Semaphores ---- */

void *wm_mqtt_port_semaphore(void)
{
    return xSemaphoreCreateBinary();
}

void wm_mqtt_port_post(void *semaphore)
{
    xSemaphoreGive((SemaphoreHandle_t)semaphore);
}

int wm_mqtt_port_pend(void *semaphore, uint32_t ms)
{
    return xSemaphoreTake((SemaphoreHandle_t)semaphore, ticks(ms)) == pdTRUE ? 0 : -1;
}

/* ---- The background task ---- */

static StaticSemaphore_t wake_memory;
static SemaphoreHandle_t wake;

static void run(void *task)
{
    ((void (*)(void))(uintptr_t)task)();
}

int wm_mqtt_port_start(void (*task)(void))
{
    if (wake == NULL) {
        wake = xSemaphoreCreateBinaryStatic(&wake_memory);
    }
    return xTaskCreate(run, "mqtt_client", CONFIG_WM_MQTT_TASK_STACK / sizeof(StackType_t),
                       (void *)(uintptr_t)task, CONFIG_WM_MQTT_TASK_PRIORITY, NULL) == pdPASS
               ? 0
               : -1;
}

void wm_mqtt_port_wait(uint32_t ms)
{
    xSemaphoreTake(wake, ms == UINT32_MAX ? portMAX_DELAY : ticks(ms));
}

void wm_mqtt_port_wake(void)
{
    if (wake != NULL) {
        xSemaphoreGive(wake);
    }
}
