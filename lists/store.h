/*
 * The state folder as a writer sees it: generations/N, the link current, the
 * lock, and the file held. For the lists folder only.
 */
#ifndef LICTOR_STORE_H
#define LICTOR_STORE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "lists/list.h"
#include "lists/source.h"

#define GENERATION_NAME_MAX 40 /* "generations/" and a number */
#define GENERATIONS_KEPT    5

/* The number of "generations/N" as written by generation_text, or 0. */
uint64_t generation_parse(const char *name);
void generation_text(char out[GENERATION_NAME_MAX], uint64_t number);

/* What --previous stepped back from. */
struct held {
	struct held_list {
		enum list_id id;
		char digest[DIGEST_MAX]; /* of the sources that stay out */
	} * lists;

	size_t nlists;
	uint64_t *out; /* generations that are not to be gone back to */
	size_t nout;
};

struct store {
	int fd;	    /* state_dir; -1: not there, only when checking */
	int dirfd;  /* generations; -1: none yet */
	int lockfd; /* held locked until store_close; -1: read only */
	gid_t gid;
	uint64_t current; /* in force; 0: none */
	struct held held;
};

/*
 * Open the state folder and read what is in force. To write, the lock is
 * waited for. 0, or -1 with the error filled and errno kept.
 */
int store_open(struct store *, const char *state_dir, gid_t, bool write,
    struct list_error *);
void store_close(struct store *);

/* Open the folder of a generation, or -1. */
int store_generation(const struct store *, uint64_t number);

/* Both hold the very same file of that list, linked from one to the other. */
bool
store_same_list(const struct store *, uint64_t a, uint64_t b, enum list_id);
/*
 * All lists are the same; list bans, which programs change at any time, makes
 * no difference.
 */
bool store_same(const struct store *, uint64_t a, uint64_t b);

/* The newest generation before the one in force that is not the same and can
   be gone back to, or 0; below is where to begin, 0 for the one in force. */
uint64_t store_earlier(const struct store *, uint64_t below);

/* An empty folder in which the next generation is built, or -1. */
int store_begin(struct store *);
/* Give the built folder the next number. 0 with errno when that failed. */
uint64_t store_finish(struct store *, int dirfd);
/* Remove what store_begin made. */
void store_abandon(struct store *);

/* Make ready to swing current, so that little is left to fail. 0, or -1. */
int store_aim(const struct store *, uint64_t number);
/* Swing current to what was aimed at. 0, or -1 with errno. */
int store_swing(struct store *, uint64_t number);
/* Leave out, from now on, all that is newer than this up to the current. */
void store_leave_out(struct store *, uint64_t number);
/* Remove all but the newest; what cannot be removed stays. */
void store_prune(struct store *);

bool held_has(const struct held *, enum list_id, const char *digest);
void held_add(struct held *, enum list_id, const char *digest);
void held_drop(struct held *, enum list_id);
bool held_is_out(const struct held *, uint64_t number);
void held_add_out(struct held *, uint64_t number);
void held_free(struct held *);
/* A missing file is an empty one. */
void held_load(struct held *, int state_dirfd);
/* 0, or -1 with errno. */
int held_save(const struct held *, int state_dirfd);

#endif
