#include "bench.h"

#include <pthread.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static uint64_t awaited = UINT64_MAX;

void count_up(uint64_t *counter)
{
    pthread_mutex_lock(&mutex);
    if (++*counter >= awaited)
        pthread_cond_signal(&changed);
    pthread_mutex_unlock(&mutex);
}

void count_wait(uint64_t *counter, uint64_t at_least)
{
    pthread_mutex_lock(&mutex);
    awaited = at_least;
    while (*counter < at_least)
        pthread_cond_wait(&changed, &mutex);
    awaited = UINT64_MAX;
    pthread_mutex_unlock(&mutex);
}
