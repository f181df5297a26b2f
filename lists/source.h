/*
 * A list as its sources say it: files, entries, and what is wrong with them.
 * For the lists folder only.
 */
#ifndef LICTOR_SOURCE_H
#define LICTOR_SOURCE_H

#include "lists/list.h"
#include "lists/memory.h"
#include "lists/report.h"

#define SOURCE_LINE_MAX 4096 /* octets of a line */
#define SOURCE_TEXT_MAX 400  /* octets of a reply text; a message says it */
#define SOURCE_ARG_MAX	1000 /* octets of an argument */
#define SOURCE_NAME_MAX 200  /* octets of NAME.d/FILE */
#define DIGEST_MAX	65   /* half a SHA-512 in hex with its NUL */

/*
 * What an entry says, and where. In long lists nearly all say the same, which
 * is kept once.
 */
struct rule {
	const char *argument;
	const char *text;
	const char *file; /* relative to source_dir; equal names may differ
			     as pointers */
	int64_t until;
	uint8_t action;
};

/* One entry. All that it points to belongs to the source. */
struct entry {
	const char *key; /* as in the CDB, lists/key.h */
	const struct rule *rule;
	uint32_t line;
	uint16_t key_len;
};

struct source_file {
	const char *name;	 /* relative to source_dir */
	char digest[DIGEST_MAX]; /* "" until it is made */
	char *text;		 /* until it was parsed */
	size_t size;
};

struct source {
	enum list_id id;
	struct source_file *files;
	size_t nfiles;
	struct entry *entries;
	size_t n, room;
	struct arena strings, keys, rules;
	const struct rule *rule; /* of the last entry, or NULL */
	bool lens[2][129];	 /* prefix lengths there are: IPv4, IPv6 */
	bool names;		 /* a key is a name of a client */
	const char *first; /* domains: first plain domain accepted, or "" */
	bool sorted;	   /* by key, every key once */
};

void source_init(struct source *, enum list_id);
void source_free(struct source *);

/*
 * Read NAME and NAME.d/ (in the order of their names, dot files left out)
 * below dirfd; nothing is parsed nor digested. What is wrong is reported.
 */
void source_load(struct source *, int dirfd, struct report *);

/* A file that was loaded, by its name relative to source_dir, or NULL. */
const struct source_file *source_file(const struct source *, const char *name);

/*
 * Before it is parsed: another text for the file of that name, or for one
 * that is not there. The text was allocated and is the source's from now on.
 */
void source_replace(struct source *, const char *name, char *text, size_t size);

/* Make the digests of the files, before they are parsed. */
void source_digest_files(struct source *);

/* One digest over the names and digests of all files. */
void source_digest(const struct source *, char out[DIGEST_MAX]);

/* Parse what was loaded, digest, sort, merge; all errors are reported. */
void source_parse(struct source *, struct report *);

/* Parse one text as the file of that name. */
void source_parse_text(struct source *, const char *name, const char *text,
    size_t size, struct report *);

/*
 * Sort by key and make each key unique: of the same action the latest expiry
 * wins, then the entry that was added first; another action is an error that
 * names both lines.
 */
void source_merge(struct source *, struct report *);

/* Warn of entries that a wider one makes needless. */
void source_warn_shadowed(const struct source *, struct report *);

/* Entries that have not expired at that time. */
size_t source_unexpired(const struct source *, int64_t now);

/* The entry of that key in a sorted source, or NULL. */
const struct entry *source_find(const struct source *, const char *key);

/*
 * Append an entry. Key and rule are copied; the strings of the rule must be
 * the source's own.
 */
void source_add(struct source *, const char *key, size_t len,
    const struct rule *, uint32_t line);

/* Back to the order of files and lines. The source is not sorted then. */
void source_order_by_line(struct source *);

/* An entry and its key as they are shown outside; the strings stay e's. */
void entry_show(enum list_id, const struct entry *e, char key[MAILBOX_TEXT_MAX],
    struct list_entry *);

/* One entry as a line of source, without a newline. */
void source_print(enum list_id, const struct entry *, FILE *);

/*
 * Check the argument of an action of that list and write it in its canonical
 * form. 0, or -1 with a reason in *why.
 */
int argument_parse(char out[SOURCE_ARG_MAX + 1], enum list_action, const char *,
    size_t len, const char **why);

#endif
