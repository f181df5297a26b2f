/*
 * Arguments of commands and values of parameters, beside paths: what they may
 * be. Pure: forwards only, never behind end, no allocation.
 */
#ifndef LICTOR_ARGS_H
#define LICTOR_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * chunk-size [ SP "LAST" ] of BDAT (RFC 3030, section 2). A size that no
 * int64_t holds is INT64_MAX. 0, or -1: it is none, and nobody knows how many
 * octets follow.
 */
int bdat_parse(const char *arg, const char *end, int64_t *size, bool *last);

/*
 * The values of DSN's parameters (RFC 3461, section 4): is it one? value may
 * be NULL, when len is 0.
 */
bool dsn_ret(const char *value, size_t len);
bool dsn_envid(const char *value, size_t len);
bool dsn_notify(const char *value, size_t len);
bool dsn_orcpt(const char *value, size_t len); /* it may be UTF-8 */

#endif
