/* lwIP's operating system layer over the stand-in for FreeRTOS. */
#include "lwip/sys.h"

#include "freertos/task.h"

#include <assert.h>
#include <pthread.h>

static StaticSemaphore_t protection_memory;
static SemaphoreHandle_t protection;

void sys_init(void)
{
    protection = xSemaphoreCreateMutexStatic(&protection_memory);
}

/* As the SDK's, not to be taken twice; the stand-in aborts if it is. */
sys_prot_t sys_arch_protect(void)
{
    xSemaphoreTake(protection, portMAX_DELAY);
    return 0;
}

void sys_arch_unprotect(sys_prot_t level)
{
    (void)level;
    xSemaphoreGive(protection);
}

u32_t sys_now(void)
{
    return xTaskGetTickCount();
}

/* --- semaphores ----------------------------------------------------------- */

err_t sys_sem_new(sys_sem_t *sem, u8_t count)
{
    *sem = xSemaphoreCreateBinary();
    if (count != 0) {
        xSemaphoreGive(*sem);
    }
    return ERR_OK;
}

void sys_sem_free(sys_sem_t *sem)
{
    vSemaphoreDelete(*sem);
    *sem = NULL;
}

void sys_sem_signal(sys_sem_t *sem)
{
    xSemaphoreGive(*sem);
}

u32_t sys_arch_sem_wait(sys_sem_t *sem, u32_t timeout)
{
    TickType_t ticks = timeout == 0 ? portMAX_DELAY : timeout;
    return xSemaphoreTake(*sem, ticks) == pdTRUE ? 0 : SYS_ARCH_TIMEOUT;
}

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void drop(void *semaphore)
{
    sys_sem_free(semaphore);
    free(semaphore);
}

static void make_key(void)
{
    pthread_key_create(&key, drop);
}

sys_sem_t *rig_thread_semaphore(void)
{
    sys_sem_t *semaphore;
    pthread_once(&once, make_key);
    semaphore = pthread_getspecific(key);
    if (semaphore == NULL) {
        semaphore = malloc(sizeof *semaphore);
        sys_sem_new(semaphore, 0);
        pthread_setspecific(key, semaphore);
    }
    return semaphore;
}

/* --- mailboxes ------------------------------------------------------------ */

err_t sys_mbox_new(sys_mbox_t *mbox, int size)
{
    *mbox = xQueueCreate((UBaseType_t)size, sizeof(void *));
    return ERR_OK;
}

void sys_mbox_free(sys_mbox_t *mbox)
{
    vQueueDelete(*mbox);
    *mbox = NULL;
}

void sys_mbox_post(sys_mbox_t *mbox, void *message)
{
    xQueueSend(*mbox, &message, portMAX_DELAY);
}

err_t sys_mbox_trypost(sys_mbox_t *mbox, void *message)
{
    return xQueueSend(*mbox, &message, 0) == pdTRUE ? ERR_OK : ERR_MEM;
}

err_t sys_mbox_trypost_fromisr(sys_mbox_t *mbox, void *message)
{
    return sys_mbox_trypost(mbox, message);
}

u32_t sys_arch_mbox_fetch(sys_mbox_t *mbox, void **message, u32_t timeout)
{
    void *unused;
    TickType_t ticks = timeout == 0 ? portMAX_DELAY : timeout;
    if (message == NULL) {
        message = &unused;
    }
    if (xQueueReceive(*mbox, message, ticks) == pdTRUE) {
        return 0;
    }
    *message = NULL;
    return SYS_ARCH_TIMEOUT;
}

u32_t sys_arch_mbox_tryfetch(sys_mbox_t *mbox, void **message)
{
    void *unused;
    if (message == NULL) {
        message = &unused;
    }
    return xQueueReceive(*mbox, message, 0) == pdTRUE ? 0 : SYS_MBOX_EMPTY;
}

sys_thread_t sys_thread_new(const char *name, lwip_thread_fn code, void *argument, int stack,
                            int priority)
{
    TaskHandle_t handle = NULL;
    BaseType_t started = xTaskCreate(code, name, (uint32_t)stack / sizeof(StackType_t), argument,
                                     (UBaseType_t)priority, &handle);
    assert(started == pdPASS);
    (void)started;
    return handle;
}
