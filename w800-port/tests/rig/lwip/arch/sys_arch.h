/* As in the SDK: semaphores and mailboxes are FreeRTOS', and mutexes are binary semaphores. */
#ifndef RIG_SYS_ARCH_H
#define RIG_SYS_ARCH_H

#include "freertos/FreeRTOS.h"
#include "freertos/queue.h"
#include "freertos/semphr.h"

typedef SemaphoreHandle_t sys_sem_t;
typedef QueueHandle_t sys_mbox_t;
typedef void *sys_thread_t;
typedef int sys_prot_t;

#define sys_sem_valid(sem) (*(sem) != NULL)
#define sys_sem_set_invalid(sem) (*(sem) = NULL)
#define sys_mbox_valid(mbox) (*(mbox) != NULL)
#define sys_mbox_set_invalid(mbox) (*(mbox) = NULL)

sys_sem_t *rig_thread_semaphore(void);

#endif
