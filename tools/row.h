/* What several tools print alike: an entry of a list. */
#ifndef LICTOR_ROW_H
#define LICTOR_ROW_H

#include <stdint.h>

struct json;
struct list_entry;

/*
 * The members list, key, action, argument, text, until, file and line of a
 * row; an until that is never is null.
 */
void row_entry(struct json *, const char *key, const struct list_entry *);

#define ROW_SPAN_MAX 48
/* A span of seconds in its two greatest units: "1d 2h", "59m 3s". */
const char *row_span(int64_t secs, char out[ROW_SPAN_MAX]);

#endif
