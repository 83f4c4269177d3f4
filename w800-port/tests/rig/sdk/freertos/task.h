#ifndef RIG_FREERTOS_TASK_H
#define RIG_FREERTOS_TASK_H

#include "freertos/FreeRTOS.h"

typedef void *TaskHandle_t;

BaseType_t xTaskCreate(void (*code)(void *), const char *name, uint32_t depth, void *argument,
                       UBaseType_t priority, TaskHandle_t *handle);
/* Only NULL, for the task that calls it. */
void vTaskDelete(TaskHandle_t task);
TickType_t xTaskGetTickCount(void);
void vTaskDelay(TickType_t ticks);

/* One lock for the process, which may be taken again by the task that has it. */
void rig_enter_critical(void);
void rig_exit_critical(void);
#define taskENTER_CRITICAL() rig_enter_critical()
#define taskEXIT_CRITICAL() rig_exit_critical()

#endif
