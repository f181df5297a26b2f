/*
 * What each kind of setting may hold. A value is refused here with words that
 * say what would be right; the caller knows the file and the line.
 */
#include <sys/un.h>

#include <netinet/in.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config_hop.h"
#include "daemon/config_rows.h"
#include "daemon/config_value.h"
#include "daemon/config_zone.h"
#include "worker/settings.h"

#define DNS_PORT   53
#define SPEECH_MAX 400 /* as of a text in a list */

int
config_refuse(char why[CONFIG_WHY_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, CONFIG_WHY_MAX, fmt, ap);
	va_end(ap);
	return -1;
}

void *
config_need(void *p)
{
	if (p == NULL)
		err(1, NULL);
	return p;
}

static bool
holds_control(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return true;
	return false;
}

/* ---------------------------------------------------------------- scalars */

/* Decimal digits only: libconfuse would take 010 for 8. */
static int
number(const struct config_row *row, const char *text, int64_t *n,
    char why[CONFIG_WHY_MAX])
{
	const char *digits = text[0] == '-' ? text + 1 : text;
	const char *trouble;

	*n = 0;
	if (digits[0] == '\0' || strspn(digits, "0123456789") != strlen(digits))
		return config_refuse(why, "\"%.80s\" is not a decimal number",
		    text);
	if (digits[0] == '0' && digits[1] != '\0')
		return config_refuse(why,
		    "\"%.80s\" begins with 0: write a decimal number without",
		    text);
	*n = strtonum(text, row->least, row->most, &trouble);
	if (trouble != NULL)
		return config_refuse(why, "%.80s is not in %lld to %lld", text,
		    (long long)row->least, (long long)row->most);
	return 0;
}

static int
boolean(const char *text, bool *b, char why[CONFIG_WHY_MAX])
{
	static const char *const words[] = { "false", "true", "no", "yes",
		"off", "on" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(words[i], text) == 0) {
			*b = i % 2 == 1;
			return 0;
		}
	return config_refuse(why, "\"%.80s\" is neither true nor false", text);
}

/* A word from least on: what comes before it is no choice for this row. */
static int
word(const struct config_row *row, const char *text, unsigned *place,
    char why[CONFIG_WHY_MAX])
{
	char all[128] = "";
	unsigned i;

	for (i = (unsigned)row->least; row->words[i] != NULL; i++) {
		if (strcmp(row->words[i], text) == 0) {
			*place = i;
			return 0;
		}
		if (all[0] != '\0')
			strlcat(all, ", ", sizeof(all));
		strlcat(all, row->words[i], sizeof(all));
	}
	return config_refuse(why, "\"%.80s\" is none of %s", text, all);
}

/* One more of several words. */
static int
add_word(const struct config_row *row, unsigned *bits, const char *text,
    char why[CONFIG_WHY_MAX])
{
	unsigned place;

	if (word(row, text, &place, why) == -1)
		return -1;
	if (*bits & 1u << place)
		return config_refuse(why, "\"%.80s\" is there twice", text);
	*bits |= 1u << place;
	return 0;
}

/* --------------------------------------------------------------- strings */

static int
host(const char *text, char out[NAME_TEXT_MAX], char why[CONFIG_WHY_MAX])
{
	if (name_canonical(out, text, strlen(text)) == -1)
		return config_refuse(why, "\"%.255s\" is not a host name",
		    text);
	return 0;
}

/* A local part of at most 64 octets; nothing quoted. */
static bool
is_local(const char *s, size_t len)
{
	char out[64 + 1];

	return len > 0 && s[0] != '"' && utf8_is_ascii(s, len) &&
	    local_parse(out, sizeof(out), s, len) == len;
}

static int
mailbox(const char *text, char out[MAILBOX_TEXT_MAX], char why[CONFIG_WHY_MAX])
{
	const char *at = strrchr(text, '@');
	char domain[NAME_TEXT_MAX];

	out[0] = '\0';
	if (text[0] == '\0')
		return 0;
	if (at == NULL)
		return config_refuse(why, "\"%.200s\" has no domain", text);
	if (!is_local(text, (size_t)(at - text)) ||
	    name_canonical(domain, at + 1, strlen(at + 1)) == -1)
		return config_refuse(why, "\"%.300s\" is not an address", text);
	snprintf(out, MAILBOX_TEXT_MAX, "%.*s@%s", (int)(at - text), text,
	    domain);
	return 0;
}

static int
user(const char *text, char why[CONFIG_WHY_MAX])
{
	static const char set[] = "abcdefghijklmnopqrstuvwxyz"
				  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	if (text[0] == '\0' || text[0] == '-' || strlen(text) > 32 ||
	    strspn(text, set) != strlen(text))
		return config_refuse(why, "\"%.80s\" is not a user name", text);
	return 0;
}

/* A path that means the same from everywhere and cannot climb. */
static int
path(const char *text, size_t most, char why[CONFIG_WHY_MAX])
{
	const char *p;

	if (holds_control(text))
		return config_refuse(why, "a path holds a control character");
	if (text[0] != '/')
		return config_refuse(why, "\"%.200s\" does not begin with /",
		    text);
	if (strlen(text) > most)
		return config_refuse(why,
		    "\"%.60s...\" is longer than %zu bytes", text, most);
	for (p = text; (p = strstr(p, "/..")) != NULL; p += 3)
		if (p[3] == '/' || p[3] == '\0')
			return config_refuse(why, "\"%.200s\" holds a ..",
			    text);
	return 0;
}

/* What can stand in a reply. */
static int
speech(const char *text, char why[CONFIG_WHY_MAX])
{
	const char *p;

	for (p = text; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			return config_refuse(why,
			    "only printable ASCII can be spoken");
	if (p - text > SPEECH_MAX)
		return config_refuse(why, "it is longer than %d octets",
		    SPEECH_MAX);
	return 0;
}

static int
put_string(char **place, const char *text)
{
	free(*place);
	*place = config_need(strdup(text));
	return 0;
}

/* ------------------------------------------------------------------ lists */

int
config_add_string(const struct config_row *row, struct strings *list,
    const char *text, char why[CONFIG_WHY_MAX])
{
	if (list->n >= (size_t)row->most)
		return config_refuse(why, "more than %lld values",
		    (long long)row->most);
	list->item = config_need(
	    reallocarray(list->item, list->n + 1, sizeof(*list->item)));
	list->item[list->n++] = config_need(strdup(text));
	return 0;
}

static int
port(const char *text, uint16_t *n, char why[CONFIG_WHY_MAX])
{
	const char *trouble = NULL;

	if (strspn(text, "0123456789") == strlen(text) && text[0] != '0')
		*n = (uint16_t)strtonum(text, 1, 65535, &trouble);
	else
		trouble = "invalid";
	if (trouble != NULL)
		return config_refuse(why,
		    "\"%.80s\" is not a port from 1 to 65535", text);
	return 0;
}

int
config_endpoint(struct endpoint *e, const char *text, char why[CONFIG_WHY_MAX])
{
	const char *colon = strrchr(text, ':');
	const char *close = strrchr(text, ']');
	bool v6 = text[0] == '[';
	char addr[ADDR_TEXT_MAX];
	size_t len;

	memset(e, 0, sizeof(*e));
	if (colon == NULL || (v6 && (close == NULL || colon != close + 1)))
		return config_refuse(why, "\"%.120s\" has no port", text);
	len = v6 ? (size_t)(close - text - 1) : (size_t)(colon - text);
	if (!v6 && memchr(text, ':', len) != NULL)
		return config_refuse(why,
		    "\"%.120s\": write an IPv6 address as [address]:port",
		    text);
	snprintf(addr, sizeof(addr), "%.*s", (int)len, v6 ? text + 1 : text);
	if (len >= sizeof(addr) || addr_parse(&e->addr, addr) == -1 ||
	    (v6 && strchr(addr, ':') == NULL))
		return config_refuse(why,
		    "\"%.120s\" is not %s address and a port", text,
		    v6 ? "an IPv6" : "an");
	return port(colon + 1, &e->port, why);
}

/* One more endpoint, of which none may be there twice. */
static int
add_endpoint(struct endpoint **list, size_t *n, const struct config_row *row,
    struct endpoint e, const char *text, char why[CONFIG_WHY_MAX])
{
	size_t i;

	for (i = 0; i < *n; i++)
		if (addr_equal(&(*list)[i].addr, &e.addr) &&
		    (*list)[i].port == e.port)
			return config_refuse(why, "\"%.120s\" is there twice",
			    text);
	if (*n >= (size_t)row->most)
		return config_refuse(why, "more than %lld values",
		    (long long)row->most);
	*list = config_need(reallocarray(*list, *n + 1, sizeof(e)));
	e.text = config_need(strdup(text));
	(*list)[(*n)++] = e;
	return 0;
}

static int
add_listen(struct settings *set, const struct config_row *row, const char *text,
    char why[CONFIG_WHY_MAX])
{
	struct endpoint e;

	if (config_endpoint(&e, text, why) == -1)
		return -1;
	return add_endpoint(&set->listen, &set->nlisten, row, e, text, why);
}

/* The address alone, in brackets or not: the port of DNS is meant. */
static bool
is_bare_address(struct endpoint *e, const char *text)
{
	size_t len = strlen(text);
	char addr[ADDR_TEXT_MAX + 2];

	memset(e, 0, sizeof(*e));
	e->port = DNS_PORT;
	if (addr_parse(&e->addr, text) == 0)
		return true;
	if (text[0] != '[' || text[len - 1] != ']' || len >= sizeof(addr))
		return false;
	snprintf(addr, sizeof(addr), "%.*s", (int)len - 2, text + 1);
	return strchr(addr, ':') != NULL && addr_parse(&e->addr, addr) == 0;
}

static int
add_nameserver(struct settings *set, const struct config_row *row,
    const char *text, char why[CONFIG_WHY_MAX])
{
	struct endpoint e;

	if (!is_bare_address(&e, text)) {
		if (strchr(text, ':') == NULL)
			return config_refuse(why,
			    "\"%.120s\" is not an address", text);
		if (config_endpoint(&e, text, why) == -1)
			return -1;
	}
	return add_endpoint(&set->nameservers, &set->nnameservers, row, e, text,
	    why);
}

static int
add_prefix(struct prefixes *list, const struct config_row *row,
    const char *text, char why[CONFIG_WHY_MAX])
{
	char clean[PREFIX_TEXT_MAX];
	struct prefix p;
	bool hostbits;

	if (prefix_parse(&p, text, &hostbits) == -1)
		return config_refuse(why,
		    "\"%.120s\" is neither an address nor a network", text);
	if (hostbits)
		return config_refuse(why,
		    "\"%.120s\" is not a network: is %s meant?", text,
		    prefix_format(&p, clean));
	if (list->n >= (size_t)row->most)
		return config_refuse(why, "more than %lld values",
		    (long long)row->most);
	list->item = config_need(
	    reallocarray(list->item, list->n + 1, sizeof(p)));
	list->item[list->n++] = p;
	return 0;
}

/* ----------------------------------------------------------------- public */

static int
put_number(const struct config_row *row, void *place, const char *text,
    char why[CONFIG_WHY_MAX])
{
	int64_t n;

	if (number(row, text, &n, why) == -1)
		return -1;
	if (row->kind == ROW_SIZE)
		*(int64_t *)place = n;
	else
		*(int *)place = (int)n;
	return 0;
}

int
config_value(void *base, const struct config_row *row, const char *text,
    char why[CONFIG_WHY_MAX])
{
	int64_t nowhere;
	void *place = row->at == ROW_NOWHERE ? (char *)&nowhere :
					       (char *)base + row->at;
	char buf[MAILBOX_TEXT_MAX];

	switch (row->kind) {
	case ROW_INT:
	case ROW_SIZE:
		return put_number(row, place, text, why);
	case ROW_BOOL:
		return boolean(text, place, why);
	case ROW_WORD:
		return word(row, text, place, why);
	case ROW_HOST:
		if (host(text, buf, why) == -1)
			return -1;
		return put_string(place, buf);
	case ROW_MAILBOX:
		if (mailbox(text, buf, why) == -1)
			return -1;
		return put_string(place, buf);
	case ROW_USER:
		if (user(text, why) == -1)
			return -1;
		return put_string(place, text);
	case ROW_PATH:
		if (path(text, PATH_MAX - 1, why) == -1)
			return -1;
		return put_string(place, text);
	case ROW_PATHS:
		if (path(text, PATH_MAX - 1, why) == -1)
			return -1;
		return config_add_string(row, place, text, why);
	case ROW_SOCKETS:
		if (path(text, sizeof(((struct sockaddr_un *)0)->sun_path) - 1,
			why) == -1)
			return -1;
		return config_add_string(row, place, text, why);
	case ROW_LOCALS:
		if (!is_local(text, strlen(text)))
			return config_refuse(why,
			    "\"%.120s\" is not a local part", text);
		return config_add_string(row, place, text, why);
	case ROW_LISTEN:
		return add_listen(base, row, text, why);
	case ROW_PREFIXES:
		return add_prefix(place, row, text, why);
	case ROW_ENDPOINTS:
		return add_nameserver(base, row, text, why);
	case ROW_WORDS:
		return add_word(row, place, text, why);
	case ROW_REPLIES:
		return config_zone_reply(base, row, text, why);
	case ROW_PROBE:
		return config_zone_point(row, place, text, why);
	case ROW_PINS:
		return config_hop_pin(row, place, text, why);
	case ROW_SPEECH:
		if (speech(text, why) == -1)
			return -1;
		return put_string(place, text);
	case ROW_WORDING:
		if (config_zone_text(text, why) == -1)
			return -1;
		return put_string(place, text);
	case ROW_TEXT:
		return 0;
	}
	return config_refuse(why, "a setting of no kind");
}

void
config_strings_free(struct strings *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		free(list->item[i]);
	free(list->item);
}
