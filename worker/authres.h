/*
 * Authentication-Results fields in a message that is received (RFC 8601,
 * section 5): one that bears our name says that we have tested the message,
 * and whoever wrote it, it was not us. It is left out of what goes on. All
 * else passes as it came, octet for octet, and nothing but the beginning of
 * such a field is ever held back. Pure but for the octets that it passes on;
 * any split of the same octets gives the same result.
 */
#ifndef LICTOR_AUTHRES_H
#define LICTOR_AUTHRES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lists/list.h"

/*
 * Octets from the start of a field to the end of the name in it. Who needs
 * more, with comments before it, means to hide: the field counts as ours.
 */
#define AUTHRES_HELD_MAX 1024

enum authres_place {
	AUTHRES_LINE_START, /* behind a CRLF */
	AUTHRES_DOT,	    /* a stuffed dot, or of the end of data */
	AUTHRES_EMPTY,	    /* a CR at the start of a line */
	AUTHRES_LINE,
	AUTHRES_CR,
	AUTHRES_BODY
};

enum authres_field {
	AUTHRES_OTHER, /* passes on */
	AUTHRES_OURS,  /* is left out */
	AUTHRES_NAME,  /* from here on it is not known yet */
	AUTHRES_COLON,
	AUTHRES_BEFORE, /* blanks and comments before the name in it */
	AUTHRES_ATOM,
	AUTHRES_QUOTED
};

struct authres {
	const char *hostname; /* ours, in canonical form; the caller's */
	/* What passes on goes here. */
	void (*put)(void *, const char *, size_t);
	void *arg;

	enum authres_place place;
	enum authres_field field;
	unsigned matched; /* octets of the field's name */
	unsigned depth;	  /* of comments */
	bool escaped;	  /* behind a backslash, in a comment or a string */
	uint16_t id_len;
	char id[4 * NAME_TEXT_MAX]; /* the name in it, a quoted one unquoted */

	size_t held; /* octets that are known not to be passed on or not */
	size_t kept; /* of these, from earlier calls: they are in hold */
	char hold[AUTHRES_HELD_MAX + 2];

	unsigned removed;	/* fields that were left out */
	int64_t removed_octets; /* of these and all their lines */
};

void authres_start(struct authres *, const char *hostname,
    void (*put)(void *, const char *, size_t), void *arg);
/* The next octets of the message as on the wire, dots stuffed. */
void authres_take(struct authres *, const char *, size_t);
/* There are no more: decide and pass on what is held. */
void authres_end(struct authres *);

#endif
