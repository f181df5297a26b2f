/*
 * Inside of lictor-import: what a format is, and what it has to write
 * entries and messages. A format is handed one line at a time, without its
 * end and blanks behind it; it may change the line, which lives until the
 * import is freed. Nothing is printed before all was read.
 */
#ifndef LICTOR_IMPORT_H
#define LICTOR_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lists/list.h"

#define BIT(n) (1U << (n))

struct import;

struct import_format {
	const char *name;
	unsigned lists; /* bits of enum list_id that it can feed */
	int first;	/* the list it is for without -l, or -1 */
	unsigned flags;
	void (*line)(struct import *, char *text);
	void (*end)(struct import *); /* of each file; or NULL */
	const char *about;	      /* for --help */
};

enum {
	IMPORT_FEED = 1,     /* made by somebody else: an empty one is wrong */
	IMPORT_APART = 2,    /* no line changes what another one means */
	IMPORT_NAMED = 4,    /* -l must be given */
	IMPORT_BLANKS = 8,   /* blanks before a line mean something */
	IMPORT_COUNTED = 16, /* tells itself when it was cut off */
	IMPORT_JOINED = 32   /* a line may go on in the next */
};

/* Rules of a table and names in it, see below. */
struct import_rule;
struct import_name;

struct import {
	const struct import_format *format;
	int list;	  /* the one of -l, or -1 */
	bool lenient;	  /* skip lines that are wrong */
	int64_t now;	  /* seconds since 1970 */
	unsigned max_age; /* days; 0: any */
	FILE *messages;

	/* What is at hand; a format sets line back for what it put off. */
	const char *file;
	unsigned line;
	bool stop;    /* the rest of this file is not looked at */
	char *joined; /* a line that may still go on, or NULL */
	unsigned joined_line;

	/* Of this file, for the format alone; all zero when it begins. */
	struct {
		size_t entries;	    /* lines that are or should be one */
		unsigned seen;	    /* bits of the format's own */
		unsigned places[4]; /* lines to come back to */
		uint64_t numbers[4];
		char *text;

		struct {
			struct prefix prefix;
			unsigned line;
			bool skip; /* what stands in it is not looked at */
		} nest[32];

		unsigned nnest;
	} own;
	struct import_rule *rules;
	size_t nrules, rules_room;
	struct import_name *names;
	size_t nnames, names_room;

	/* The rest is import_run.c's. */
	unsigned errors, skipped;
	struct list_draft *drafts[LIST_COUNT];

	struct {
		unsigned n, line;
		const char *file;
	} left[LIST_COUNT + 1]; /* out, as they are for another list */

	FILE *head;
	char *head_text;
	size_t head_size;
	struct import_comment *comments;
	size_t ncomments, comments_room;
	char **texts; /* that are kept */
	size_t ntexts, texts_room;
};

extern const struct import_format import_formats[];
extern const size_t import_nformats;
const struct import_format *import_format_find(const char *name);

/* ------------------------------------------------------------ the whole */

void import_init(struct import *, const struct import_format *);
void import_free(struct import *);

/* Read a file's text, which must be allocated and is freed with the import. */
void import_text(struct import *, const char *file, char *text, size_t size);

/*
 * After the last text: write the source. The exit status: 0, or EX_DATAERR
 * after something was reported, and then nothing is written.
 */
int import_finish(struct import *, FILE *out);

/* ---------------------------------------------------------- for formats */

/* The line at hand is wrong. */
void import_error(struct import *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The whole file is; never only skipped. */
void import_fail(struct import *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void import_warn(struct import *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Is the entry at hand, which is for that list, to be written? One that is not
 * is counted, and said. LIST_COUNT is what no list of ours is for.
 */
bool import_wants(struct import *, enum list_id);

/* Write an entry. argument and text may be NULL. */
void import_add(struct import *, enum list_id, const char *key,
    enum list_action, const char *argument, const char *text);

/* A comment at the head of the output; behind the entries of this line. */
void import_credit(struct import *, const char *text);
void import_comment(struct import *, const char *text);

/* The feed says it was made then: refuse what is too old, or of the future. */
void import_date(struct import *, int64_t when);

/* A copy that lives as long as the import. */
char *import_keep(struct import *, const char *text);

/* Cut off a word at text: what is behind it and its blanks. */
char *import_word(char *text);
/* Cut blanks off the end. */
char *import_trim(char *text);

void *import_grow(void *array, size_t n, size_t *room, size_t size);

/* ------------------------------------------------------------- addresses */

struct import_nets {
	struct prefix *p;
	size_t n, room;
	bool hostbits; /* some were set, and are cleared */
};

enum {
	NET_MASK = 1,	 /* 192.0.2.0/255.255.255.0 */
	NET_PART = 2,	 /* 192.0.2 and 192.0.2. are /24 */
	NET_DOT = 4,	 /* only 192.0.2. is */
	NET_RANGE = 8,	 /* 192.0.2.1-192.0.2.9 */
	NET_OCTETS = 16, /* 192.0.2.1-9, 192.0.2-3, 192.0.2-3.1-9 */
	NET_GROUPS = 32, /* 2001:db8 and 2001:db8: are /32 */
	NET_BRACKETS = 64,
	NET_SHORT = 128, /* 192.0/16 is 192.0.0.0/16, 10 is 10.0.0.0/8 */
	NET_ENDS = 256	 /* with NET_RANGE, 192.0-31 and 192.0-192.31.255 */
};

/*
 * Append what a spelling stands for, as few prefixes as can be. 0, or -1 with
 * a reason in *why. CIDR notation is always understood.
 */
int nets_parse(struct import_nets *, const char *text, unsigned spellings,
    const char **why);
/* Append first to last, none shorter than that. 0, or -1: no range. */
int nets_range(struct import_nets *, const struct addr *first,
    const struct addr *last, uint8_t shortest);
void nets_free(struct import_nets *);
/* Write what a spelling stands for, with the first action of the list. */
void
nets_add(struct import *, enum list_id, const char *text, unsigned spellings);
/* [host]:port as host:port, in place; an IPv6 address keeps its brackets. */
char *host_bare(char *host);

/* ----------------------------------------------------------------- rules */

/* What a table says of a client, to one of our lists or to several. */
struct import_rule {
	struct prefix prefix;
	unsigned line;
	uint8_t level; /* for the format alone */
	int ban;       /* an action of list banned, or -1 */
	bool relay;
	const char *text; /* of the ban, or NULL */
};

void rule_add(struct import *, const struct import_rule *);
/* Sort by address, wider ones first. */
void rules_sort(struct import *);
bool rule_same(const struct import_rule *, const struct import_rule *);

/*
 * Write list banned, or relay, from rules of which the most specific decides.
 * One that says nothing to the list is written, as its exception, where a
 * wider one is written; or, when always is set, always but for /0. A list that is not
 * wanted is not written, and its rules are counted.
 */
void rules_write(struct import *, enum list_id, bool always);

/*
 * A name of a table: a domain, ".domain" for what is below it alone, or "*" for
 * all; or whatever else a format wants to find again.
 */
struct import_name {
	const char *key; /* canonical */
	unsigned line;
	int action; /* or NAME_SILENT, NAME_WRONG */
	bool relay; /* for formats in which a name says two things */
	const char *argument, *text; /* NULL: none */
};

enum {
	NAME_SILENT = -1, /* says nothing to the list */
	NAME_WRONG = -2	  /* its line was, so nobody knows */
};

/* A new one of the line at hand, all else zero. */
struct import_name *name_new(struct import *, const char *key);
/* Remember a name, which is made canonical in place; or report it. */
void name_add(struct import *, char *key, int action, const char *argument,
    const char *text);
/* Sort them, so that they can be found. */
void names_sort(struct import *);
const struct import_name *name_find(const struct import *, const char *key);
/* What decides on a name but for its own entry: .parents and *; or NULL. */
const struct import_name *name_wider(const struct import *, const char *name);

/*
 * Write names of which ".domain" does not hold the domain itself, as ours
 * does. none is the action that says as much as no entry does, or -1: then
 * what cannot be said is an error.
 */
void names_write(struct import *, enum list_id, int none);

/* --------------------------------------------------- shared by formats */

/* A line that may go on in the next ones; hand on the one that was pending. */
void logical_line(struct import *, char *text);
void logical_flush(struct import *);
/* Cut off the key, at the first blank that is not quoted: the value. */
char *logical_value(char *text);

/* Behind an enhanced status code ("5.7.1 text"), if text begins with one. */
char *import_past_status(char *text);

/* A mailbox as it is compared: unquoted where it can be, lower case. */
int mailbox_key(char out[MAILBOX_TEXT_MAX], const char *text);

/* key is forwarded to the one address that value is; until forwards_write. */
void forward_add(struct import *, char *key, char *value);
/* Each to where it ends up, as a forward is rewritten only once. */
void forwards_write(struct import *);

/* ---------------------------------------------------------- the formats */

void drop_line(struct import *, char *);
void drop_end(struct import *);
void drop_json_line(struct import *, char *);
void drop_json_end(struct import *);
void firehol_line(struct import *, char *);
void firehol_end(struct import *);
void plain_line(struct import *, char *);
void cidr_line(struct import *, char *);
void cidr_end(struct import *);
void access_line(struct import *, char *);
void access_end(struct import *);
void relay_recipients_line(struct import *, char *);
void virtual_line(struct import *, char *);
void virtual_end(struct import *);
void relocated_line(struct import *, char *);
void transport_line(struct import *, char *);
void transport_end(struct import *);
void tcprules_line(struct import *, char *);
void tcprules_end(struct import *);
void rcpthosts_line(struct import *, char *);
void rcpthosts_end(struct import *);
void badmailfrom_line(struct import *, char *);
void smtproutes_line(struct import *, char *);
void smtproutes_end(struct import *);
void sendmail_line(struct import *, char *);
void sendmail_end(struct import *);
void ip4set_line(struct import *, char *);
void ip4set_end(struct import *);
void iptrie_line(struct import *, char *);
void iptrie_end(struct import *);
void dnset_line(struct import *, char *);
void dnset_end(struct import *);
void opensmtpd_line(struct import *, char *);
void opensmtpd_end(struct import *);

#endif
