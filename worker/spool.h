/*
 * Where a message waits until it is complete: in memory, and from a certain
 * size on in one unlinked file that the worker opened before its sandbox. It
 * is kept as it came over the wire, dots stuffed.
 */
#ifndef LICTOR_SPOOL_H
#define LICTOR_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPOOL_MEMORY 131072 /* octets kept in memory */

struct spool {
	int fd;		   /* the unlinked file, or -1: there is none */
	int error;	   /* errno of the first write that failed, or 0 */
	char *memory;	   /* SPOOL_MEMORY octets, from the first use on */
	size_t memory_len; /* octets in memory behind those in the file */
	int64_t file_len;
};

/* Open the unlinked file in dir. -1 with errno. */
int spool_open(struct spool *, const char *dir);
void spool_close(struct spool *);

/* Empty it for the next message. */
void spool_reset(struct spool *);
/* Trouble is kept in error, and what comes later is dropped. */
void spool_add(struct spool *, const char *, size_t);

/* Would so many octets more be the first that do not fit into its memory? */
bool spool_overflows(const struct spool *, size_t len);

/*
 * The message is complete and len octets long: call write for one piece after
 * the other. -1 when write or the reading failed.
 */
int spool_each(struct spool *, int64_t len,
    int (*write)(void *, const char *, size_t), void *arg);

#endif
