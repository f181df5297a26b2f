/*
 * The probe helper: a confined process that asks DNS lists for their test
 * points (RFC 5782, sections 5 and 2.3) and visits next hops, so that neither
 * the master nor a session has to find out that a list is dead, parked or
 * angry, or what a next hop can do.
 *
 * Its channel to the master carries records told apart by their size. It ends when the
 * channel does.
 */
#ifndef LICTOR_PROBE_H
#define LICTOR_PROBE_H

#include <stdint.h>

#include "worker/slot.h"

struct sandbox;
struct settings;
struct tls_clients;

enum probe_outcome {
	PROBE_NONE, /* not probed yet */
	PROBE_GOOD,
	PROBE_LISTS_NOTHING, /* the listed point is not */
	PROBE_LISTS_ALL,     /* the clean point is listed */
	PROBE_ERROR,	     /* an answer that is no listing */
	PROBE_SILENT,	     /* no answer */
	PROBE_OUTCOMES
};

/* Helper to master: what a visit to a next hop has shown, where it is news. */
struct probe_visit {
	uint32_t up;	   /* it greeted us and knew EHLO */
	uint32_t keywords; /* then: HOP_..., see worker/hops.h */
	char hop[HOP_TEXT_MAX];
	char why[128]; /* it did not */
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
	int fd;		  /* SOCK_SEQPACKET, non-blocking */
	const char *hops; /* those of list routes (struct list_info), or NULL */
	const struct tls_clients *tls_clients; /* of next hops, or NULL */
};

/*
 * Probe until the channel ends. Called in a fresh child that has its final
 * user and its signals (wait_signals) already. Returns the exit code.
 */
int probe_main(const struct probe_start *);

#endif
