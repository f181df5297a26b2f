/*
 * A value that is not known is said to be not known, for the next hop would
 * else take our own.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "worker/deliver.h"
#include "worker/hop.h"
#include "worker/hop_client.h"
#include "worker/hop_rules.h"
#include "worker/log.h"
#include "worker/peer.h"
#include "worker/settings.h"

#define VALUE_MAX  (3 * NAME_TEXT_MAX + 8) /* in xtext */
#define VALUE_MOST 464			   /* of these, that a line holds */
#define LINE_MOST  480			   /* of 512, its CRLF included */
#define GREET_MS   60000

bool
hop_wants_local(const struct settings *set)
{
	size_t i;

	for (i = 0; i < set->nnext_hops; i++)
		if (set->next_hops[i].client == TELL_PROXY)
			return true;
	return false;
}

static enum hop_tells
tells(const struct hop *h)
{
	enum hop_tells wanted = h->rules->client;

	/* Our own visits have no client to tell of, but a header to say. */
	return h->peer == NULL && wanted != TELL_PROXY ? TELL_NONE : wanted;
}

/* ------------------------------------------------------------------- PROXY */

static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

#define V2_LOCAL 0x20
#define V2_PROXY 0x21
#define V2_TCP4	 0x11
#define V2_TCP6	 0x21

static char *
put_octets(char *p, const void *octets, size_t len)
{
	memcpy(p, octets, len);
	return p + len;
}

static char *
put_16(char *p, unsigned n)
{
	*p++ = (char)(n >> 8);
	*p++ = (char)(n & 0xff);
	return p;
}

void
hop_say_proxy(struct hop *h)
{
	const struct peer *peer = h->peer;
	char header[64], *p;
	size_t octets;

	if (tells(h) != TELL_PROXY)
		return;
	p = put_octets(header, signature, sizeof(signature));
	if (peer == NULL || peer->addr.family != peer->local.family) {
		/* We ourselves, or a client whose way to us is not known. */
		*p++ = V2_LOCAL;
		*p++ = 0;
		p = put_16(p, 0);
	} else {
		octets = peer->addr.family == 6 ? 16 : 4;
		*p++ = V2_PROXY;
		*p++ = peer->addr.family == 6 ? V2_TCP6 : V2_TCP4;
		p = put_16(p, (unsigned)(2 * octets + 4));
		p = put_octets(p, peer->addr.bytes, octets);
		p = put_octets(p, peer->local.bytes, octets);
		p = put_16(p, peer->port);
		p = put_16(p, peer->local_port);
	}
	h->personal = true;
	hop_put(h, header, (size_t)(p - header));
}

/* -------------------------------------------------------------- attributes */

/*
 * Where nobody asked, or there is no answer, it may have a name; XFORWARD has
 * no word for that.
 */
static void
value_name(const struct hop *h, char *out, size_t size)
{
	const struct rdns *rdns = h->peer->rdns;
	const char *name = rdns_confirmed(rdns);
	bool unknown = rdns == &rdns_nothing ||
	    strcmp(rdns_state_name(rdns), "unknown") == 0;

	if (name == NULL)
		name = unknown && tells(h) == TELL_XCLIENT ? "[TEMPUNAVAIL]" :
							     "[UNAVAILABLE]";
	strlcpy(out, name, size);
}

static void
value_addr(const struct hop *h, char *out, size_t size)
{
	snprintf(out, size, "%s%s", h->peer->addr.family == 6 ? "IPV6:" : "",
	    h->peer->addr_text);
}

static void
value_port(const struct hop *h, char *out, size_t size)
{
	snprintf(out, size, "%u", h->peer->port);
}

static void
value_proto(const struct hop *h, char *out, size_t size)
{
	strlcpy(out, h->peer->esmtp ? "ESMTP" : "SMTP", size);
}

static void
value_helo(const struct hop *h, char *out, size_t size)
{
	strlcpy(out, h->peer->helo[0] != '\0' ? h->peer->helo : "[UNAVAILABLE]",
	    size);
}

static void
value_ident(const struct hop *h, char *out, size_t size)
{
	strlcpy(out, h->ref, size);
}

static void
value_source(const struct hop *h, char *out, size_t size)
{
	strlcpy(out, h->peer->relay ? "LOCAL" : "REMOTE", size);
}

static const struct {
	const char *name;
	void (*value)(const struct hop *, char *, size_t);
} attributes[] = {
	{ "NAME", value_name },
	{ "ADDR", value_addr },
	{ "PORT", value_port },
	{ "PROTO", value_proto },
	{ "HELO", value_helo },
	{ "IDENT", value_ident },
	{ "SOURCE", value_source },
};

#define ATTRIBUTES (sizeof(attributes) / sizeof(attributes[0]))

/* The keyword that announces the attributes we are to tell. */
static const char *
keyword(const struct hop *h)
{
	switch (tells(h)) {
	case TELL_XCLIENT:
		return "XCLIENT";
	case TELL_XFORWARD:
		return "XFORWARD";
	default:
		return NULL;
	}
}

static bool
is_word(const char *p, size_t len, const char *word)
{
	return strlen(word) == len && strncasecmp(p, word, len) == 0;
}

void
hop_take_attributes(struct hop *h, const char *line)
{
	const char *wanted = keyword(h);
	size_t len = strcspn(line, " "), i;

	if (wanted == NULL || !is_word(line, len, wanted))
		return;
	while (line[len] != '\0') {
		line += len + 1;
		len = strcspn(line, " ");
		for (i = 0; i < ATTRIBUTES; i++)
			if (is_word(line, len, attributes[i].name))
				h->attributes |= 1U << i;
	}
}

/* xtext of RFC 3461, section 4. */
static void
put_xtext(char out[VALUE_MAX], const char *text)
{
	size_t n = 0;

	for (; *text != '\0' && n + 4 < VALUE_MAX; text++) {
		unsigned char c = (unsigned char)*text;

		if (c > ' ' && c < 0x7f && c != '+' && c != '=')
			out[n++] = *text;
		else
			n += (size_t)snprintf(out + n, VALUE_MAX - n, "+%02X",
			    c);
	}
	out[n] = '\0';
}

/* Gather the attributes it takes, in as many commands as lines are short. */
static int
say_attributes(struct hop *h, const char *verb)
{
	char text[NAME_TEXT_MAX], value[VALUE_MAX], line[LINE_MOST + 1] = "";
	size_t i, len;
	int n = 0;

	for (i = 0; i < ATTRIBUTES; i++) {
		if (!(h->attributes & 1U << i))
			continue;
		attributes[i].value(h, text, sizeof(text));
		put_xtext(value, text);
		if (strlen(value) > VALUE_MOST) /* of an odd HELO */
			put_xtext(value, "[UNAVAILABLE]");
		len = strlen(attributes[i].name) + strlen(value) + 2;
		if (strlen(verb) + strlen(line) + len > LINE_MOST) {
			hop_command(h, "%s%s", verb, line);
			line[0] = '\0';
			n++;
		}
		strlcat(line, " ", sizeof(line));
		strlcat(line, attributes[i].name, sizeof(line));
		strlcat(line, "=", sizeof(line));
		strlcat(line, value, sizeof(line));
	}
	if (line[0] == '\0')
		return n;
	hop_command(h, "%s%s", verb, line);
	return n + 1;
}

/* ------------------------------------------------------ XCLIENT, XFORWARD */

/* The client's own name goes on, as far as it can be one. */
static void
set_hello(struct hop *h)
{
	size_t i;

	strlcpy(h->hello, h->peer->helo, sizeof(h->hello));
	for (i = 0; h->hello[i] != '\0'; i++)
		if (!isalnum((unsigned char)h->hello[i]) &&
		    strchr("-._:[]", h->hello[i]) == NULL)
			h->hello[i] = '?';
	if (i == 0)
		strlcpy(h->hello, h->set->hostname, sizeof(h->hello));
}

bool
hop_say_xclient(struct hop *h)
{
	int n;

	if (tells(h) != TELL_XCLIENT)
		return false;
	if (h->attributes == 0) {
		hop_lose(h, "it does not offer XCLIENT");
		return false;
	}
	h->personal = true;
	for (n = say_attributes(h, "XCLIENT"); n > 0; n--) {
		if (hop_read(h, GREET_MS, NULL) == -1)
			return false;
		if (h->reply.code != 220) {
			hop_lose(h, "XCLIENT: %d %s", h->reply.code,
			    h->reply.text);
			return false;
		}
	}
	set_hello(h);
	return true;
}

int
hop_say_xforward(struct hop *h)
{
	struct logline l;

	if (tells(h) != TELL_XFORWARD)
		return 0;
	if (h->attributes != 0)
		return say_attributes(h, "XFORWARD");
	if (!h->warned) {
		log_start(&l, LOG_ODD, "hop");
		log_text(&l, "next_hop", h->at.text);
		log_text(&l, "text", "it does not offer XFORWARD");
		log_send(&l);
	}
	h->warned = true;
	return 0;
}
