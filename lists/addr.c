/*
 * Addresses and prefixes: text to bits and back. An IPv4-mapped IPv6 address
 * is IPv4 from here on, so that a ban on 192.0.2.1 holds for a client of an
 * IPv6 socket too. Nothing allocates; wrong text is -1.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lists/list.h"

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static bool
is_mapped(const uint8_t bytes[16])
{
	return memcmp(bytes, mapped, sizeof(mapped)) == 0;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Turn ::ffff:a.b.c.d into a.b.c.d. */
static void
unmap(struct addr *a)
{
	if (a->family != 6 || !is_mapped(a->bytes))
		return;
	a->family = 4;
	memmove(a->bytes, a->bytes + sizeof(mapped), 4);
	memset(a->bytes + 4, 0, sizeof(a->bytes) - 4);
}

/*
 * Four decimal numbers up to 255, no leading zeros, and nothing else; what
 * inet_pton(3) does, in a third of its time, which is felt in long lists.
 */
static int
parse_v4(uint8_t bytes[4], const char *p)
{
	unsigned i, v;

	for (i = 0; i < 4; i++, p++) {
		if (!is_digit(*p) || (*p == '0' && is_digit(p[1])))
			return -1;
		for (v = 0; is_digit(*p) && v <= 255; p++)
			v = v * 10 + (unsigned)(*p - '0');
		if (v > 255 || *p != (i < 3 ? '.' : '\0'))
			return -1;
		bytes[i] = (uint8_t)v;
	}
	return 0;
}

/* The family as it is written, mapped or not. */
static int
parse_raw(struct addr *a, const char *text)
{
	memset(a, 0, sizeof(*a));
	if (parse_v4(a->bytes, text) == 0)
		a->family = 4;
	else if (inet_pton(AF_INET6, text, a->bytes) == 1)
		a->family = 6;
	return a->family == 0 ? -1 : 0;
}

/* A decimal number without sign or leading zero, up to max; else -1. */
static int
parse_length(const char *text, int max)
{
	int n = 0;

	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return -1;
	for (; *text != '\0'; text++) {
		if (!is_digit(*text))
			return -1;
		n = n * 10 + (*text - '0');
		if (n > max)
			return -1;
	}
	return n;
}

/* Clear the bits behind the prefix; true when any was set. */
static bool
clear_hostbits(struct prefix *p)
{
	bool any = false;
	int i, size = p->addr.family == 4 ? 4 : 16;
	uint8_t mask;

	for (i = p->len / 8; i < size; i++) {
		mask = i == p->len / 8 ? 0xff >> (p->len % 8) : 0xff;
		any = any || (p->addr.bytes[i] & mask) != 0;
		p->addr.bytes[i] &= (uint8_t)~mask;
	}
	return any;
}

int
addr_parse(struct addr *a, const char *text)
{
	if (parse_raw(a, text) == -1)
		return -1;
	unmap(a);
	return 0;
}

int
prefix_parse(struct prefix *p, const char *text, bool *hostbits)
{
	char buf[ADDR_TEXT_MAX];
	const char *slash = strchr(text, '/');
	size_t n = slash == NULL ? strlen(text) : (size_t)(slash - text);
	int len, max;

	if (n >= sizeof(buf))
		return -1;
	memcpy(buf, text, n);
	buf[n] = '\0';
	if (parse_raw(&p->addr, buf) == -1)
		return -1;
	max = p->addr.family == 4 ? 32 : 128;
	len = slash == NULL ? max : parse_length(slash + 1, max);
	if (len == -1)
		return -1;
	if (p->addr.family == 6 && is_mapped(p->addr.bytes) && len >= 96) {
		unmap(&p->addr);
		len -= 96;
	}
	p->len = (uint8_t)len;
	*hostbits = clear_hostbits(p);
	return 0;
}

void
addr_from_sockaddr(struct addr *a, const struct sockaddr *sa)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	memset(a, 0, sizeof(*a));
	if (sa->sa_family == AF_INET) {
		memcpy(&in, sa, sizeof(in));
		memcpy(a->bytes, &in.sin_addr, 4);
		a->family = 4;
	} else if (sa->sa_family == AF_INET6) {
		memcpy(&in6, sa, sizeof(in6));
		memcpy(a->bytes, &in6.sin6_addr, 16);
		a->family = 6;
		unmap(a);
	}
}

socklen_t
addr_to_sockaddr(const struct addr *a, uint16_t port,
    struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)ss;
	struct sockaddr_in *sin = (struct sockaddr_in *)ss;

	memset(ss, 0, sizeof(*ss));
	if (a->family == 4) {
		sin->sin_family = AF_INET;
		sin->sin_port = htons(port);
		memcpy(&sin->sin_addr, a->bytes, 4);
		return sizeof(*sin);
	}
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(port);
	memcpy(&sin6->sin6_addr, a->bytes, 16);
	return sizeof(*sin6);
}

/* Every session has its client's address written: without printf(3). */
static void
format4(const uint8_t bytes[4], char *out)
{
	unsigned i, v;

	for (i = 0; i < 4; i++) {
		v = bytes[i];
		if (v >= 100)
			*out++ = (char)('0' + v / 100);
		if (v >= 10)
			*out++ = (char)('0' + v / 10 % 10);
		*out++ = (char)('0' + v % 10);
		*out++ = i < 3 ? '.' : '\0';
	}
}

const char *
addr_format(const struct addr *a, char buf[ADDR_TEXT_MAX])
{
	if (a->family == 4)
		format4(a->bytes, buf);
	else if (a->family == 0 ||
	    inet_ntop(AF_INET6, a->bytes, buf, ADDR_TEXT_MAX) == NULL)
		strlcpy(buf, "?", ADDR_TEXT_MAX);
	return buf;
}

const char *
prefix_format(const struct prefix *p, char buf[PREFIX_TEXT_MAX])
{
	size_t n;

	addr_format(&p->addr, buf);
	if (p->len == (p->addr.family == 4 ? 32 : 128))
		return buf;
	n = strlen(buf);
	snprintf(buf + n, PREFIX_TEXT_MAX - n, "/%u", p->len);
	return buf;
}

bool
addr_equal(const struct addr *a, const struct addr *b)
{
	return a->family == b->family &&
	    memcmp(a->bytes, b->bytes, a->family == 4 ? 4 : 16) == 0;
}

bool
prefix_contains(const struct prefix *p, const struct addr *a)
{
	int whole = p->len / 8, rest = p->len % 8;

	if (p->addr.family != a->family || a->family == 0)
		return false;
	if (memcmp(p->addr.bytes, a->bytes, (size_t)whole) != 0)
		return false;
	if (rest == 0)
		return true;
	return ((p->addr.bytes[whole] ^ a->bytes[whole]) >> (8 - rest)) == 0;
}

bool
prefix_meets(const struct prefix *a, const struct prefix *b)
{
	return a->len <= b->len ? prefix_contains(a, &b->addr) :
				  prefix_contains(b, &a->addr);
}
