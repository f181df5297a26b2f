/*
 * Messages of the compiler on their way to its caller: made printable, with
 * the file as an administrator would open it, errors counted.
 */
#ifndef LICTOR_REPORT_H
#define LICTOR_REPORT_H

#include <stdarg.h>
#include <stdbool.h>

#include "lists/list.h"

#define PROGRESS_STEP 65536 /* lines or records from one call to the next */

struct report {
	void (*send)(void *, bool warning, const struct list_error *);
	void *arg;
	const char *dir; /* source_dir, put before relative file names */
	unsigned errors;

	/* As in struct list_compile. */
	void (*progress)(void *, enum list_id, const char *what, size_t done,
	    size_t all);
	void *progress_arg;
};

/* file is relative to dir when dir is set; NULL is the folder itself. */
void report_error(struct report *, const char *file, unsigned line,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void report_warning(struct report *, const char *file, unsigned line,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Fill an error with a path as it is. */
void list_error_set(struct list_error *, const char *file, unsigned line,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Pass on one that list_error_set has filled. */
void report_pass(struct report *, const struct list_error *);

/* Tell whoever looks on how far we are; step counts the calls. */
void report_progress(const struct report *, enum list_id, const char *what,
    size_t step, size_t done, size_t all);

#endif
