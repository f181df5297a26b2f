/*
 * The records of many entries, most of which say the same: only what differs
 * from the entry before is put together again.
 */
#ifndef LICTOR_VALUE_H
#define LICTOR_VALUE_H

#include "lists/lookup.h"
#include "lists/source.h"

struct value {
	const struct rule *rule; /* of which the octets are, or NULL */
	size_t head;		 /* octets before the line */
	size_t tail;		 /* octets of the text, with its NUL */
	char octets[RECORD_MAX];
};

/* Starts with rule NULL. The length of the record, or 0: it does not fit. */
size_t value_encode(struct value *, const struct entry *);

#endif
