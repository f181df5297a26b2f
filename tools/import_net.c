/*
 * Addresses in all their spellings: networks with a mask, parts of addresses,
 * ranges. What comes out is as few prefixes as can be. Leading zeros are
 * refused: one program skips them, the next reads octal.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tools/import.h"

#define MOST_PREFIXES 65536 /* of one spelling */

typedef __uint128_t number; /* an address as one */

/* Four octets, each with its range. */
struct octets {
	int low[4], high[4];
	int n; /* that were written */
};

static number
to_number(const struct addr *a)
{
	number n = 0;
	int i;

	for (i = 0; i < (a->family == 4 ? 4 : 16); i++)
		n = n << 8 | a->bytes[i];
	return n;
}

static void
from_number(struct addr *a, int family, number n)
{
	int i;

	memset(a, 0, sizeof(*a));
	a->family = (uint8_t)family;
	for (i = (family == 4 ? 4 : 16) - 1; i >= 0; i--) {
		a->bytes[i] = (uint8_t)n;
		n >>= 8;
	}
}

static void
nets_append(struct import_nets *nets, const struct prefix *p)
{
	nets->p = import_grow(nets->p, nets->n, &nets->room, sizeof(*p));
	nets->p[nets->n++] = *p;
}

/* The last address of a prefix of that length. */
static number
block_end(number first, int bits, int len)
{
	number size = len == 0 ? 0 : (number)1 << (bits - len);

	if (len == 0)
		return bits == 128 ? ~(number)0 : ((number)1 << bits) - 1;
	return first + (size - 1);
}

int
nets_range(struct import_nets *nets, const struct addr *first,
    const struct addr *last, uint8_t shortest)
{
	int bits = first->family == 4 ? 32 : 128, len;
	number low = to_number(first), high = to_number(last);
	struct prefix p;

	if (first->family != last->family || low > high)
		return -1;
	for (;;) {
		for (len = bits; len > shortest; len--)
			if (block_end(low, bits, len - 1) > high ||
			    (low & ((number)1 << (bits - len))) != 0)
				break;
		from_number(&p.addr, first->family, low);
		p.len = (uint8_t)len;
		nets_append(nets, &p);
		low = block_end(low, bits, len);
		if (low >= high)
			return 0;
		low++;
	}
}

/* A decimal number of up to three digits, without leading zeros; or -1. */
static int
parse_octet(const char **text)
{
	const char *p = *text;
	int n = 0;

	if (!isdigit((unsigned char)*p) ||
	    (p[0] == '0' && isdigit((unsigned char)p[1])))
		return -1;
	for (; isdigit((unsigned char)*p) && p - *text < 3; p++)
		n = n * 10 + (*p - '0');
	*text = p;
	return n > 255 ? -1 : n;
}

/* Up to four octets or ranges of them with dots between, and one behind. */
static int
parse_octets(struct octets *o, const char *text, bool *dot)
{
	memset(o, 0, sizeof(*o));
	*dot = false;
	while (o->n < 4) {
		if ((o->low[o->n] = parse_octet(&text)) == -1)
			return -1;
		o->high[o->n] = o->low[o->n];
		if (*text == '-') {
			text++;
			if ((o->high[o->n] = parse_octet(&text)) == -1 ||
			    o->high[o->n] < o->low[o->n])
				return -1;
		}
		o->n++;
		if (*text == '\0')
			return 0;
		if (*text++ != '.')
			return -1;
		if (*text == '\0') {
			*dot = true;
			return o->n < 4 ? 0 : -1;
		}
	}
	return -1;
}

/* All addresses whose octets from i on are in their ranges. */
static int
expand_octets(struct import_nets *nets, const struct octets *o, int i,
    struct addr at)
{
	struct addr last;
	bool full = true;
	int j, v;

	for (j = i + 1; j < 4; j++)
		full = full && o->low[j] == 0 && o->high[j] == 255;
	last = at;
	if (full) {
		at.bytes[i] = (uint8_t)o->low[i];
		last.bytes[i] = (uint8_t)o->high[i];
		memset(last.bytes + i + 1, 255, (size_t)(3 - i));
		return nets_range(nets, &at, &last, 0);
	}
	for (v = o->low[i]; v <= o->high[i]; v++) {
		at.bytes[i] = (uint8_t)v;
		if (nets->n > MOST_PREFIXES ||
		    expand_octets(nets, o, i + 1, at) == -1)
			return -1;
	}
	return 0;
}

static bool
has_range(const struct octets *o)
{
	int i;

	for (i = 0; i < o->n; i++)
		if (o->low[i] != o->high[i])
			return true;
	return false;
}

/* Is there a number like 010 in it? */
static bool
has_leading_zero(const char *text)
{
	const char *p;

	for (p = text; *p != '\0'; p++)
		if (*p == '0' && isdigit((unsigned char)p[1]) &&
		    (p == text || !isdigit((unsigned char)p[-1])))
			return true;
	return false;
}

static int
parse_ipv4(struct import_nets *nets, const char *text, unsigned spellings,
    const char **why)
{
	struct addr zero = { .family = 4 };
	struct octets o;
	bool dot;
	int i;

	if (has_leading_zero(text))
		*why = "a leading zero is octal to some and nothing to others";
	if (parse_octets(&o, text, &dot) == -1)
		return -1;
	if (has_range(&o) && (spellings & NET_OCTETS) == 0)
		return -1;
	if (o.n < 4 && (spellings & (dot ? NET_PART | NET_DOT : NET_PART)) == 0)
		return -1;
	if (o.n == 1 && !dot && (spellings & NET_SHORT) == 0) {
		*why = "one number alone is no network here";
		return -1;
	}
	for (i = o.n; i < 4; i++)
		o.high[i] = 255;
	if (expand_octets(nets, &o, 0, zero) == 0)
		return 0;
	*why = "that many addresses apart are too many";
	return -1;
}

/* 2001:db8 or 2001:db8:, whole groups of an IPv6 address. */
static int
parse_groups(struct import_nets *nets, const char *text)
{
	char full[ADDR_TEXT_MAX];
	size_t n = strlen(text);
	struct prefix p;
	const char *c;
	int groups = 1;

	if (n == 0 || n > 36 || strstr(text, "::") != NULL ||
	    strchr(text, ':') == NULL || text[0] == ':')
		return -1;
	for (c = text; *c != '\0'; c++)
		if (*c == ':' && c[1] != '\0')
			groups++;
	if (groups > 7)
		return -1;
	snprintf(full, sizeof(full),
	    "%.*s::", (int)(text[n - 1] == ':' ? n - 1 : n), text);
	/* Seven groups and :: are seven and one of zeros. */
	if (addr_parse(&p.addr, full) == -1 || p.addr.family != 6)
		return -1;
	p.len = (uint8_t)(groups * 16);
	nets_append(nets, &p);
	return 0;
}

/* The length that a mask of ones and then zeros stands for; or -1. */
static int
mask_length(const char *text)
{
	struct addr a;
	number n;
	int len = 0;

	if (addr_parse(&a, text) == -1 || a.family != 4)
		return -1;
	n = to_number(&a);
	while (len < 32 && (n & ((number)1 << (31 - len))) != 0)
		len++;
	return n == (((number)0xffffffff << (32 - len)) & 0xffffffff) ? len :
									-1;
}

/* addr/mask, or with NET_SHORT 192.0/16; rewritten as addr/len. */
static int
parse_slash(struct import_nets *nets, const char *text, const char *slash,
    unsigned spellings, const char **why)
{
	char cidr[PREFIX_TEXT_MAX];
	struct octets o;
	struct prefix p;
	bool dot, bits;
	int len;

	snprintf(cidr, sizeof(cidr), "%.*s", (int)(slash - text), text);
	if ((spellings & NET_MASK) && strchr(slash, '.') != NULL) {
		if ((len = mask_length(slash + 1)) == -1) {
			*why = "the mask is none of ones and then zeros";
			return -1;
		}
		snprintf(cidr, sizeof(cidr), "%.*s/%d", (int)(slash - text),
		    text, len);
	} else if ((spellings & NET_SHORT) &&
	    parse_octets(&o, cidr, &dot) == 0 && !dot && !has_range(&o)) {
		snprintf(cidr, sizeof(cidr), "%d.%d.%d.%d%.4s", o.low[0],
		    o.low[1], o.low[2], o.low[3], slash);
	} else if ((spellings & NET_SHORT) && parse_groups(nets, cidr) == 0) {
		nets->n--; /* only its address is wanted */
		addr_format(&nets->p[nets->n].addr, cidr);
		strlcat(cidr, slash, sizeof(cidr));
	} else {
		return -1;
	}
	if (prefix_parse(&p, cidr, &bits) == -1)
		return -1;
	nets->hostbits = nets->hostbits || bits;
	nets_append(nets, &p);
	return 0;
}

static int
parse_first_last(struct import_nets *nets, const struct addr *first,
    const struct addr *last, const char **why)
{
	if (nets_range(nets, first, last, 0) == 0)
		return 0;
	*why = "the range ends before it begins";
	return -1;
}

/*
 * Parts of addresses: the first is filled up with zeros, the last with 255;
 * a last one of one number takes the place of the last number of the first.
 */
static int
parse_ends(struct import_nets *nets, const char *first, const char *last,
    const char **why)
{
	struct addr a = { .family = 4 }, b = { .family = 4 };
	struct octets o, p;
	bool dot, dot2;
	int i;

	if (parse_octets(&o, first, &dot) == -1 ||
	    parse_octets(&p, last, &dot2) == -1 || dot || dot2 ||
	    has_range(&o) || has_range(&p) || (p.n != 1 && p.n != o.n))
		return -1;
	if (p.n == 1 && o.n > 1) {
		i = p.low[0];
		p = o;
		p.low[o.n - 1] = i;
	}
	for (i = 0; i < 4; i++) {
		a.bytes[i] = (uint8_t)(i < o.n ? o.low[i] : 0);
		b.bytes[i] = (uint8_t)(i < p.n ? p.low[i] : 255);
	}
	return parse_first_last(nets, &a, &b, why);
}

/* first-last, both whole addresses; 1 when it is something else. */
static int
parse_range(struct import_nets *nets, const char *text, const char *dash,
    unsigned spellings, const char **why)
{
	char buf[ADDR_TEXT_MAX];
	struct addr first, last;

	if ((size_t)(dash - text) >= sizeof(buf))
		return -1;
	memcpy(buf, text, (size_t)(dash - text));
	buf[dash - text] = '\0';
	if (addr_parse(&first, buf) == 0 && addr_parse(&last, dash + 1) == 0)
		return parse_first_last(nets, &first, &last, why);
	if (spellings & NET_ENDS)
		return parse_ends(nets, buf, dash + 1, why);
	return strchr(text, ':') == NULL ? 1 : -1;
}

/* Copy without [ and ]: [addr], [addr]/len. */
static int
strip_brackets(char *out, size_t size, const char *text)
{
	const char *end = strchr(text, ']');

	if (end == NULL || (end[1] != '\0' && end[1] != '/'))
		return -1;
	return (size_t)snprintf(out, size, "%.*s%s", (int)(end - text - 1),
		   text + 1, end + 1) < size ?
	    0 :
	    -1;
}

static int
parse_any(struct import_nets *nets, const char *text, unsigned spellings,
    const char **why)
{
	const char *slash, *dash;
	char bare[PREFIX_TEXT_MAX];
	struct prefix p;
	bool bits;
	int r;

	*why = "no IP address or network";
	if (strlen(text) >= sizeof(bare) * 2)
		return -1;
	if (text[0] == '[' && (spellings & NET_BRACKETS)) {
		if (strip_brackets(bare, sizeof(bare), text) == -1)
			return -1;
		text = bare;
	}
	if (prefix_parse(&p, text, &bits) == 0) {
		nets->hostbits = nets->hostbits || bits;
		nets_append(nets, &p);
		return 0;
	}
	if ((slash = strchr(text, '/')) != NULL)
		return parse_slash(nets, text, slash, spellings, why);
	dash = strchr(text, '-');
	if (dash != NULL && (spellings & NET_RANGE) &&
	    (r = parse_range(nets, text, dash, spellings, why)) != 1)
		return r;
	if (strchr(text, ':') != NULL)
		return (spellings & NET_GROUPS) ? parse_groups(nets, text) : -1;
	return parse_ipv4(nets, text, spellings, why);
}

int
nets_parse(struct import_nets *nets, const char *text, unsigned spellings,
    const char **why)
{
	size_t before = nets->n;
	int r = parse_any(nets, text, spellings, why);

	if (r == 0)
		return 0;
	nets->n = before; /* half of a range is none */
	nets->hostbits = false;
	return -1;
}

void
nets_free(struct import_nets *nets)
{
	free(nets->p);
	memset(nets, 0, sizeof(*nets));
}

char *
host_bare(char *host)
{
	char *end = strchr(host, ']');

	if (*host != '[' || end == NULL ||
	    memchr(host, ':', (size_t)(end - host)) != NULL)
		return host;
	memmove(end, end + 1, strlen(end));
	return host + 1;
}

void
nets_add(struct import *im, enum list_id list, const char *text,
    unsigned spellings)
{
	enum list_action action = list == LIST_RELAY ? ACT_RELAY : ACT_REJECT;
	struct import_nets nets = { .p = NULL };
	char out[PREFIX_TEXT_MAX];
	const char *why;
	size_t i;

	if (nets_parse(&nets, text, spellings, &why) == -1)
		import_error(im, "`%.60s`: %s", text, why);
	if (nets.hostbits)
		import_warn(im, "`%.60s` has host bits set: taken as %s", text,
		    prefix_format(&nets.p[0], out));
	for (i = 0; i < nets.n; i++)
		import_add(im, list, prefix_format(&nets.p[i], out), action,
		    NULL, NULL);
	nets_free(&nets);
}
