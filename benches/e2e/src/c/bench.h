/* What programs in C are told, and what they may ask for: see src/c.rs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum bench_work { BENCH_PUBLISH, BENCH_RECEIVE, BENCH_LATENCY, BENCH_SLOW };
enum bench_transport { BENCH_TCP, BENCH_TLS, BENCH_WS };

struct bench_job {
    enum bench_work work;
    enum bench_transport transport;
    int port;
    int level; /* 5 for 5.0, 4 for 3.1.1 */
    int qos;
    int window;
    int nodelay; /* -1 for what the client does by itself */
    int pause_millis;
    bool is_alone; /* in a loop on the calling thread */
    const char *client_id;
    const char *topic;
    const char *ca;
    int size;
    const uint8_t *payload;
};

/* Starts the meter. */
void bench_start(void);
/* No further message is to be begun. */
bool bench_is_over(void);
/* Stops the meter. */
void bench_stop(uint64_t messages);
/* Waits until message n is to be begun; false if there is none. The first call starts the meter. */
bool bench_wait(uint64_t n);
/* The oldest message that is under way is through. */
void bench_end(void);
/* 1 for the expected payload, 2 for the broker's last, 3 for what is not to be counted. */
int bench_check(const void *payload, int size);

/* Does the job; for src/c.rs. */
void bench_run(const struct bench_job *given);

/* What all clients have: run.c. */

/* How many messages of QoS 0 may wait to be written. */
#define QUEUE 4096

extern const struct bench_job *job;
/* CONNACK and SUBACK, messages of ours that are through, the broker's last message. */
extern uint64_t answers, published, overs;

/* Counts what is through, and lets one thread wait for the other. */
void count_up(uint64_t *counter);
void count_wait(uint64_t *counter, uint64_t at_least);
/* A message of ours is through. */
void take_end(void);
/* A message was received. */
void take(const void *payload, int size);
/* Ends the process. */
void fail(const char *what, const char *why);

/* What each client is. */

/* Its version. */
const char *bench_version(void);
/* Connects; CONNACK counts as an answer. */
void client_connect(void);
/* Subscribes to the topic; SUBACK counts as an answer. */
void client_subscribe(void);
/* Publishes to the topic. */
void client_send(const void *payload, int size, int qos);
/* Waits until a counter has come so far. */
void client_wait(uint64_t *counter, uint64_t at_least);
/* Lets the client go on for some milliseconds. */
void client_go_on(void);
