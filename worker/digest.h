/*
 * What a message is known by, however often and over whichever hosts it comes:
 * SHA-256 of its octets, without the fields that a host on the way puts before
 * it. Two messages with the same text are two as long as anything else differs
 * in their headers.
 */
#ifndef LICTOR_DIGEST_H
#define LICTOR_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sha2.h>

#define DIGEST_OCTETS 32

enum digest_place {
	DIGEST_START, /* of a line of the header */
	DIGEST_NAME,  /* of a field */
	DIGEST_FIELD,
	DIGEST_BODY
};

struct digest {
	SHA2_CTX sha;
	enum digest_place place;
	bool begun;    /* there was a field: a line may continue it */
	bool skip;     /* it is one that does not count */
	size_t len;    /* of the field's name so far */
	char name[12]; /* held back while it may be one of those */
};

void digest_start(struct digest *);
/* The message as it lies in the spool; any split gives the same digest. */
void digest_take(struct digest *, const char *, size_t);
void digest_end(struct digest *, uint8_t out[DIGEST_OCTETS]);

#endif
