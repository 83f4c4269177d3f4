/* What clients in C do, whatever the library. */
#include "bench.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

const struct bench_job *job;
uint64_t answers, published, overs;
static uint64_t received;

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

void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    _exit(1);
}

void take_end(void)
{
    if (job->work == BENCH_LATENCY)
        bench_end();
    count_up(&published);
}

void take(const void *payload, int size)
{
    switch (bench_check(payload, size)) {
    case 1:
        received++;
        if (job->work == BENCH_SLOW)
            usleep(job->pause_millis * 1000);
        break;
    case 2:
        count_up(&overs);
        break;
    case 3:
        break;
    default:
        fail("received", "a message that nobody sent");
    }
}

static void publish(void)
{
    uint64_t window = job->qos == 0 ? QUEUE : (uint64_t)job->window;
    uint64_t sent = 0;
    bench_start();
    while (!bench_is_over()) {
        for (int i = 0; i < 32; i++) {
            if (sent >= window)
                client_wait(&published, sent - window + 1);
            client_send(job->payload, job->size, job->qos);
            sent++;
        }
    }
    /* When this is acknowledged, all before it has arrived. */
    if (job->qos == 0)
        client_send("end", 3, 1);
    client_wait(&published, sent + (job->qos == 0));
    bench_stop(sent);
}

static void receive(void)
{
    client_subscribe();
    client_wait(&answers, 2);
    bench_start();
    client_send("ready", 5, 0);
    if (job->work == BENCH_SLOW) {
        while (!bench_is_over())
            client_go_on();
    } else {
        client_wait(&overs, 1);
    }
    bench_stop(received);
}

static void pace(void)
{
    uint64_t n = 0;
    while (bench_wait(n)) {
        client_send(job->payload, job->size, job->qos);
        n++;
    }
    client_wait(&published, n);
    bench_stop(n);
}

void bench_run(const struct bench_job *given)
{
    job = given;
    client_connect();
    client_wait(&answers, 1);
    switch (job->work) {
    case BENCH_PUBLISH:
        publish();
        break;
    case BENCH_LATENCY:
        pace();
        break;
    default:
        receive();
    }
}
