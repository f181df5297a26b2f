/*
 * One open list: a CDB whose @meta record and size were checked. For the
 * lists folder only; the searches on top of it are in lists/find.c.
 */
#ifndef LICTOR_LOOKUP_H
#define LICTOR_LOOKUP_H

#include "lists/list.h"

#define LIST_FORMAT 1
#define META_KEY    "@meta"
#define CDB_TOC	    2048 /* octets before the first record */
#define CDB_RECORD  8	 /* octets of a record besides key and value */
#define CDB_SLOT    16	 /* octets of the hash tables for one record */

/* Action, argument, expiry, file, line, text; see record_encode. */
#define RECORD_MAX 2048

/* What @meta says. */
struct list_meta {
	uint64_t count;		 /* records without @meta */
	uint64_t size;		 /* of the file */
	uint8_t v4[33], v6[129]; /* prefix lengths present, falling */
	unsigned nv4, nv6;
	bool names;
	char first[NAME_TEXT_MAX];
	char *hops;	     /* of routes, or NULL; see struct list_info */
	char *text;	     /* all of it */
	const char *sources; /* the lines "source FILE DIGEST" */
};

struct list;

/*
 * Open NAME.cdb below dirfd. NULL, with the error filled, unless it is whole by
 * its own account; errno EPROTO when it is damaged, else what kept it from
 * being opened.
 */
struct list *list_open(int dirfd, enum list_id, struct list_error *);
void list_close(struct list *);
const struct list_meta *list_meta(const struct list *);
enum list_id list_id(const struct list *);
/* When its file was written, seconds since 1970 UTC. */
int64_t list_built(const struct list *);
/* One of an open generation. */
struct list *generation_list(const struct generation *, enum list_id);

/*
 * What changes of an open list while it is searched. A generation keeps those
 * of its lists side by side: in a process that has inherited it by fork they
 * cost one page, and the lists themselves stay shared.
 */
struct list_watch {
	bool due;     /* compare the file before the next look-up */
	bool damaged; /* it has changed, or a look-up found it broken */
	uint8_t rest; /* so many times an empty list is not compared */
};

/* An empty list is compared the first time, and after every so many. */
#define LIST_REST 99

void list_watch(struct list *, struct list_watch *);

/* Has a look-up found that it cannot be trusted any more? */
bool list_damaged(const struct list *);

/* The record of that very key, expired or not. */
enum list_found
list_get(struct list *, const char *key, size_t len, struct list_entry *);

/*
 * Call each for every record but @meta, in the order of the file, until it
 * returns false. 0, or -1 when the file is damaged; never more steps than
 * @meta counts.
 */
int list_each(struct list *,
    bool (
	*each)(void *, const char *key, size_t len, const struct list_entry *),
    void *arg);

/* Every record is there and is found by its key. 0, or -1. */
int list_verify(struct list *);

/*
 * A record as octets: six strings, each with its NUL. Returns the length, or
 * 0 when it does not fit.
 */
size_t record_encode(char out[RECORD_MAX], const struct list_entry *);
/* 0, or -1; the strings of the entry point into the record. */
int
record_decode(struct list_entry *, enum list_id, const char *value, size_t len);

/* Text of @meta. 0, or -1 with a reason in *why. */
int meta_parse(struct list_meta *, enum list_id, const char *text, size_t len,
    const char **why);
void meta_free(struct list_meta *);

#endif
