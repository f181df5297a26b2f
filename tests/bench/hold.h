/*
 * The idle mode of the load driver: many sessions that say EHLO and nothing
 * more, and what a new client finds meanwhile.
 */
#ifndef LICTOR_HOLD_H
#define LICTOR_HOLD_H

#include <stdint.h>

#include "tests/bench/client.h"

struct hold_limits {
	int sessions, newcomers;
	int64_t hold_us, end_us; /* end_us: on the clock of net_now_us() */
};

/* Run it and print its line. The number of failures. */
uint64_t hold_run(const struct job *, const struct hold_limits *);

#endif
