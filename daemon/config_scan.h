/*
 * The scan that goes before libconfuse. It refuses what libconfuse 3.3 would
 * let pass or take for something else (a file cut off, a setting set twice,
 * the environment, bytes that are no text) and remembers the lines, which
 * libconfuse forgets.
 */
#ifndef LICTOR_CONFIG_SCAN_H
#define LICTOR_CONFIG_SCAN_H

#include <stdbool.h>
#include <stddef.h>

struct config_log;

/* One setting or one section, in the order of the file. */
struct scan_item {
	char *name;
	char *title;  /* of a section; NULL: it has none */
	long section; /* index of the section it stands in; -1: none */
	bool is_section;
	bool is_list; /* its value stands in braces */
	bool append;  /* += */
	bool bad;     /* complained of, and blanked out of the text */
	unsigned line;
	unsigned *lines; /* of each value */
	size_t nvalues;
	size_t begin, end; /* its bytes in the text */
};

struct scan {
	char *text; /* borrowed */
	struct scan_item *items;
	size_t nitems;
	bool cut; /* the text ends too early: of no use to libconfuse */
};

/*
 * Scan text[len], reporting every mistake. Comments and what was complained
 * of are blanked out in place, line by line, so that libconfuse can parse the
 * rest and count its lines right. text must outlive the scan.
 */
void config_scan(struct scan *, struct config_log *, char *text, size_t len);
void config_scan_free(struct scan *);

/* Item i is a mistake: blank it out, a section with all that is in it. */
void config_scan_drop(struct scan *, size_t i);

/*
 * The first item of that name, bad ones too, at the top (section NULL) or in
 * the section of that name and title (NULL: it has none); or NULL.
 */
struct scan_item *config_scan_find(const struct scan *, const char *section,
    const char *title, const char *name);

/* The line of value n of a setting, counted over all its += too; 0: none. */
unsigned
config_scan_line(const struct scan *, const struct scan_item *first, size_t n);

#endif
