/*
 * The shared memory of master and workers as plain data: three files in the
 * run folder, mapped before the fork (daemon/board.c), sized once.
 *
 * slots    one page a worker, written by that worker alone, read by the
 *          master and the tools, who trust nothing in it
 * state    written by the master, read by the workers
 * clients  written by all workers, atomically: what a lie in it costs is at
 *          most a 4xx or a late worker
 */
#ifndef LICTOR_SLOT_H
#define LICTOR_SLOT_H

#include <sys/types.h>

#include <stdatomic.h>
#include <stdint.h>

#include "lists/list.h"

#define SLOTS_MAX  16384
#define SLOT_BYTES 4096

/* A next hop as list routes tells it: "192.0.2.1:25", "mx:example.org:25" */
#define HOP_TEXT_MAX (TARGET_TEXT_MAX + 8)

enum slot_phase {
	SLOT_FREE,
	SLOT_IDLE,
	SLOT_GREETING,
	SLOT_COMMAND,
	SLOT_DATA,
	SLOT_DELIVERY
};

struct slot {
	_Atomic uint32_t phase;
	int32_t pid;
	uint64_t sessions;   /* ended by this worker */
	uint64_t messages;   /* handed over by this worker */
	uint64_t refusals;   /* refusals spoken by this worker */
	int64_t since_ms;    /* monotonic time at which the session began */
	uint64_t held;	     /* its client's key in clients, or 0 */
	uint32_t held_count; /* sessions that client holds, this one too */
	uint32_t hop_held;   /* the next hop it has a connection to, or 0 */
	uint32_t hop_wanted; /* the one it waits for, or 0 */
	char client[ADDR_TEXT_MAX];
	char ref[16];

	/* Lists that cannot be read: counted up with each new text. */
	_Atomic uint32_t list_trouble;
	char list_error[520];
};

_Static_assert(sizeof(struct slot) <= SLOT_BYTES, "a slot is one page");

/*
 * DNS lists by struct zone.entry: more places than one set of settings can
 * use, so that those of a reload do not meet those of workers that finish.
 */
#define ZONE_ENTRIES 1024

/*
 * What the probe helper has seen of one next hop. The text is there before
 * flags is, and stays as long as that.
 */
struct hop_seen {
	_Atomic uint32_t flags; /* SEEN_...; 0: this place is free */
	char hop[HOP_TEXT_MAX]; /* as list routes tells its hops */
};

#define SEEN_HOPS     128
#define SEEN_KEYWORDS 0xff  /* those of hops.h */
#define SEEN_HERE     0x100 /* this place is taken */
#define SEEN_DOWN     0x200 /* it did not answer last */

struct state {
	uint32_t layout;	    /* STATE_LAYOUT */
	_Atomic int32_t wake_below; /* fewer idle workers wake the master */
	_Atomic uint32_t words;	    /* words of clients.idle in use */
	_Atomic int32_t workers;    /* that are there, idle or busy */
	_Atomic uint8_t zone_out[ZONE_ENTRIES]; /* a bit a family: do not ask */
	struct hop_seen hops[SEEN_HOPS];
};

#define STATE_LAYOUT   1 /* changes with the struct */
#define SURGE_NETWORKS 20
#define ZONE_NOTED     ((uint64_t)1 << 32)

/* What the workers have seen of one DNS list since the last look. */
struct zone_load {
	_Atomic uint32_t asked, listed;		   /* answers */
	_Atomic uint32_t networks[SURGE_NETWORKS]; /* of clients; 0: free */
	_Atomic uint32_t surge; /* it lists nearly everybody */
	_Atomic uint64_t error; /* a reply that is no listing, ZONE_NOTED
				   added; or 0 */
};

/*
 * Sessions a client holds: buckets of one cache line. A word is 48 bits of the
 * client's key and 16 bits of count; 0 is free.
 */
#define CLIENT_BUCKETS	    8192
#define CLIENT_BUCKET_WORDS 8
#define CLIENT_COUNT_BITS   16

/* What is known of one next hop, see worker/hops.c. */
struct hop_note {
	_Atomic uint64_t word;	 /* whose note it is, and the hop's keywords */
	_Atomic int64_t dead_ms; /* monotonic: not to be tried before; or 0 */
	_Atomic uint32_t held;	 /* connections of all workers to it */
	_Atomic uint32_t wanted; /* workers that wait for one */
};

#define HOP_NOTES 1024

/*
 * Rates of clients: a word is 20 bits of the key and 44 bits of time, the one
 * at which all that was counted is paid off; once that has passed it is free.
 */
#define RATE_TIME_BITS 44

/*
 * Who has a message that others are still to get, see worker/delivered.c:
 * buckets of two cache lines.
 */
#define DELIVERED_BUCKETS 1024
#define DELIVERED_BUCKET  8

struct delivered_entry {
	_Atomic uint64_t word; /* a part of the hash, and when; 0: free */
	_Atomic uint64_t who;  /* the rest of it */
};

struct clients {
	uint64_t secret[2];
	_Atomic uint64_t idle[SLOTS_MAX / 64]; /* a bit an idle worker */
	_Atomic uint32_t pressed;	       /* nearly all are busy */
	_Alignas(64) _Atomic uint64_t held[CLIENT_BUCKETS][CLIENT_BUCKET_WORDS];
	_Alignas(
	    64) _Atomic uint64_t rates[CLIENT_BUCKETS][CLIENT_BUCKET_WORDS];
	struct zone_load zones[ZONE_ENTRIES];
	struct hop_note hops[HOP_NOTES];
	_Atomic uint32_t ndelivered; /* entries that are no claims */
	_Alignas(64) struct delivered_entry
	    delivered[DELIVERED_BUCKETS][DELIVERED_BUCKET];
};

/* Where slot number i lies in the mapping of all slots. */
static inline struct slot *
slot_at(void *slots, unsigned i)
{
	return (struct slot *)(void *)((char *)slots + (size_t)i * SLOT_BYTES);
}

#endif
