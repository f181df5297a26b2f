/*
 * Keys: as an administrator writes them, and as they stand in a CDB. There an
 * address key is '4' or '6', two hex digits of the prefix length, then hex of
 * the network (IPv4 always 8 digits, IPv6 cut to the digits the prefix
 * covers); hex text, because the hash of a CDB spreads short binary keys
 * badly. Every other key is '=' and the canonical key of the source, so that
 * none can be "@meta".
 */
#ifndef LICTOR_KEY_H
#define LICTOR_KEY_H

#include "lists/list.h"
#include "lists/table.h"

#define KEY_MAX	 MAILBOX_TEXT_MAX /* any CDB key with a NUL */
#define WORD_MAX 255		  /* octets of a word or phrase */

struct key {
	enum key_kind kind;
	char text[KEY_MAX]; /* as in the CDB */
	size_t len;
	struct prefix prefix; /* KEY_ADDR */
	bool hostbits;	      /* bits behind the prefix were set */
};

/* Read a key of that list. 0, or -1 with a reason in *why. */
int key_parse(struct key *, enum list_id, const char *text, size_t len,
    const char **why);

/* The CDB key of a prefix; returns its length. */
size_t key_from_prefix(char out[KEY_MAX], const struct prefix *);

/* The prefix length that an address key begins with; of any other key -1. */
int key_prefix_len(const char *key);

/* The prefix of an address key. 0, or -1 when it is none. */
int key_to_prefix(struct prefix *, const char *key, size_t len);

/* A CDB key as one would write it in a source, without quotes around it. */
void key_format(char out[KEY_MAX], enum list_id, const char *key, size_t len);

#endif
