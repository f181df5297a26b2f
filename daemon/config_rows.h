/*
 * The settings as rows: name, kind, place, default and limits, in the order
 * of lictor.conf(5). The reader and the printer both walk them.
 */
#ifndef LICTOR_CONFIG_ROWS_H
#define LICTOR_CONFIG_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum row_kind {
	ROW_INT,       /* int */
	ROW_SIZE,      /* int64_t */
	ROW_BOOL,      /* bool */
	ROW_WORD,      /* an enum: the place of the word in words */
	ROW_HOST,      /* char *, a domain name in canonical form */
	ROW_MAILBOX,   /* char *, local@domain or "" */
	ROW_USER,      /* char * */
	ROW_PATH,      /* char *, absolute */
	ROW_PATHS,     /* struct strings, absolute */
	ROW_SOCKETS,   /* struct strings, absolute, short enough to connect */
	ROW_LOCALS,    /* struct strings, local parts */
	ROW_LISTEN,    /* listen and nlisten */
	ROW_PREFIXES,  /* struct prefixes */
	ROW_ENDPOINTS, /* nameservers and nnameservers */
	ROW_WORDS,     /* unsigned, a bit for each word of words */
	ROW_REPLIES,   /* replies and nreplies of a zone */
	ROW_PROBE,     /* struct strings, addresses or names */
	ROW_PINS,      /* struct strings, "sha256:" and 64 digits */
	ROW_SPEECH,    /* char *, what a client may be told; "": the usual */
	ROW_WORDING,   /* the same with $ip, $zone and $txt in it */
	ROW_TEXT,      /* kept nowhere */
};

#define ROW_NOWHERE ((size_t)-1) /* without effect in this version */

struct config_row {
	const char *section; /* NULL: at the top */
	const char *title;   /* NULL: the section has none, or any */
	const char *name;
	enum row_kind kind;
	size_t at;	 /* offset in the struct of its section */
	const char *def; /* a list's values have blanks between; or NULL */
	int64_t least;	 /* of a number; of a word: its place */
	int64_t most;	 /* of a number; of a list: how many */
	const char *const *words;
};

/* Where the values of a section go. */
enum config_base {
	BASE_SETTINGS, /* struct settings */
	BASE_LISTENER, /* a struct listener for each section */
	BASE_HOP,      /* a struct next_hop for each section */
	BASE_ZONE      /* a struct zone for each section */
};

struct config_section {
	const char *name;
	bool titled;
	enum config_base base;
};

extern const struct config_row config_rows[];
extern const size_t config_nrows;
extern const struct config_section config_sections[];
extern const size_t config_nsections;

const struct config_section *config_section(const char *name);

/* True when the row belongs to that section (NULL: the top) and title. */
bool config_row_in(const struct config_row *, const char *section,
    const char *title);
const struct config_row *
config_row(const char *section, const char *title, const char *name);

/* A row whose setting is in force, of that section and title; or NULL. */
const struct config_row *
config_row_used(const char *section, const char *title);
bool config_row_is_list(const struct config_row *);
enum config_base config_row_base(const struct config_row *);

#endif
