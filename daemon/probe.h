/*
 * The probe helper: a confined process that asks DNS lists for their test
 * points (RFC 5782, sections 5 and 2.3), so that neither the master nor a
 * session has to find out that a list is dead, parked or angry.
 *
 * Its channel to the master carries records of one size. It ends when the
 * channel does.
 */
#ifndef LICTOR_PROBE_H
#define LICTOR_PROBE_H

#include <stdint.h>

struct sandbox;
struct settings;

enum probe_outcome {
	PROBE_NONE, /* not probed yet */
	PROBE_GOOD,
	PROBE_LISTS_NOTHING, /* the listed point is not */
	PROBE_LISTS_ALL,     /* the clean point is listed */
	PROBE_ERROR,	     /* an answer that is no listing */
	PROBE_SILENT,	     /* no answer */
	PROBE_OUTCOMES
};

/* Master to helper: probe that zone now. */
struct probe_request {
	uint32_t zone; /* its place in the settings */
};

/* Helper to master: what came out, where it is news or was requested. */
struct probe_answer {
	uint32_t zone;
	uint32_t family;  /* enum zone_family */
	uint32_t outcome; /* enum probe_outcome */
	uint32_t reply;	  /* host order; of the last three */
};

struct probe_start {
	const struct settings *settings;
	const struct sandbox *sandbox;
	int fd; /* SOCK_SEQPACKET, non-blocking */
};

/*
 * Probe until the channel ends. Called in a fresh child that has its final
 * user and its signals (wait_signals) already. Returns the exit code.
 */
int probe_main(const struct probe_start *);

#endif
