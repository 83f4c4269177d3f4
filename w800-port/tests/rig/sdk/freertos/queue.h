#ifndef RIG_FREERTOS_QUEUE_H
#define RIG_FREERTOS_QUEUE_H

#include "freertos/FreeRTOS.h"

/* Only queues of pointers, which is what the SDK's OS layer makes of them. */
typedef struct rig_queue *QueueHandle_t;

QueueHandle_t xQueueCreate(UBaseType_t length, UBaseType_t size);
BaseType_t xQueueSend(QueueHandle_t queue, const void *item, TickType_t ticks);
BaseType_t xQueueReceive(QueueHandle_t queue, void *item, TickType_t ticks);
void vQueueDelete(QueueHandle_t queue);

#endif
