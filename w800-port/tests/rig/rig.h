/* What test programs have besides the API that they test. */
#ifndef RIG_H
#define RIG_H

#include <stdio.h>
#include <stdlib.h>

/* A condition that has to hold; else the program ends, and says where. */
#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            _Exit(1); \
        } \
    } while (0)

/* Two numbers that have to be the same; else the program ends, and says which they are. */
#define SAME(one, other) \
    do { \
        long long one_ = (long long)(one), other_ = (long long)(other); \
        if (one_ != other_) { \
            fprintf(stderr, "%s:%d: %s is %lld, and %s is %lld\n", __FILE__, __LINE__, #one, one_, \
                    #other, other_); \
            _Exit(1); \
        } \
    } while (0)

/* A test, which the program runs if its name is the argument: SCENARIO(name) { ... } */
#define SCENARIO(name) \
    static void name(void); \
    __attribute__((constructor)) static void register_##name(void) \
    { \
        rig_register(#name, name); \
    } \
    static void name(void)

void rig_register(const char *name, void (*scenario)(void));

/* Connects the chip to the world. */
void rig_network_up(void);

/* What the one who started the program has set: an environment variable RIG_<name>. */
const char *rig_setting(const char *name);
int rig_number(const char *name);
/* The contents of a file among the certificates, "ca.crt"; for as long as the program runs. */
char *rig_file(const char *name);

/* Has the one who started the program do something in the world, such as "unplug", and waits until it
   is done. What comes of it, such as a port, or 0. */
int rig_world(const char *order);

/* Blocks that the port's allocator has given out, less those that came back, by the library or by
   rig_free(). */
int rig_blocks(void);
/* With 1, the port's allocator has nothing to give; with 0, it has again. */
void rig_no_memory(int is_so);
/* free(), counted: for what applications have to free. */
void rig_free(void *block);
/* How many lines the library has handed to the log. None may have the word "secret" in it. */
int rig_log_lines(void);
/* How often the background task has waited. */
int rig_waits(void);
/* TCP connections of the stack that are there (only with lwIP), and how many there were at most. */
int rig_connections(void);

#endif
