/*
 * Rows of JSON, RFC 8259: one object a line. A text is taken as UTF-8; octets
 * that are none come out as U+FFFD each, so that any reader takes the line.
 */
#ifndef LICTOR_JSON_H
#define LICTOR_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *out;
	bool comma; /* before what comes next */
};

/* A row begins and ends; the end writes the newline. */
void json_begin(struct json *, FILE *);
void json_end(struct json *);

/* Members; in an array, and for an object in it, the name is NULL. */
void json_text(struct json *, const char *name, const char *text);
void json_number(struct json *, const char *name, int64_t);
void json_bool(struct json *, const char *name, bool);
void json_null(struct json *, const char *name);

/* An object '{' or an array '[' within. */
void json_open(struct json *, const char *name, char kind);
void json_close(struct json *, char kind);

#endif
