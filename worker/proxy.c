/*
 * Reading a PROXY header. It decides who the client is, so nothing is guessed:
 * what is not written exactly as the protocol has it is wrong, at the first
 * octet that shows it.
 */
#include <string.h>

#include "worker/lineio.h"
#include "worker/proxy.h"

/* ---------------------------------------------------------------- addresses */

/* Can a client have it? A mapped address is IPv4 by now. */
static bool
is_host(const struct addr *a)
{
	static const uint8_t unspecified[16];

	if (memcmp(a->bytes, unspecified, sizeof(unspecified)) == 0)
		return false;
	return a->family == 4 ? (a->bytes[0] & 0xf0) != 0xe0 :
				a->bytes[0] != 0xff;
}

/* ---------------------------------------------------------------- version 1 */

/*
 * v1   = "PROXY" SP ( host / unknown ) CRLF, in all at most 107 octets
 * host = ("TCP4" / "TCP6") SP source SP destination SP sport SP dport
 * unknown = "UNKNOWN" [SP *octet]
 */
#define V1_OCTETS 107

static const char v1_begin[] = "PROXY ";

/* What is left of the line; at NULL: its last word was cut off. */
struct text {
	const char *at, *end;
};

/* Cut off the next word, with the blank behind it. False: it is none. */
static bool
cut_word(struct text *line, char *word, size_t size)
{
	const char *blank;
	size_t len;

	if (line->at == NULL)
		return false;
	blank = memchr(line->at, ' ', (size_t)(line->end - line->at));
	len = (size_t)((blank != NULL ? blank : line->end) - line->at);
	if (len == 0 || len >= size || memchr(line->at, '\0', len) != NULL)
		return false;
	memcpy(word, line->at, len);
	word[len] = '\0';
	line->at = blank != NULL ? blank + 1 : NULL;
	return true;
}

/* An address that is written as one of its family. */
static bool
take_addr(struct text *line, bool six, struct addr *a)
{
	char word[ADDR_TEXT_MAX];

	return cut_word(line, word, sizeof(word)) &&
	    (strchr(word, ':') != NULL) == six && addr_parse(a, word) == 0;
}

static bool
take_port(struct text *line, uint16_t *port)
{
	char word[sizeof("65535")];
	unsigned n = 0;
	const char *p;

	if (!cut_word(line, word, sizeof(word)) ||
	    (word[0] == '0' && word[1] != '\0'))
		return false;
	for (p = word; *p != '\0'; p++) {
		if (*p < '0' || *p > '9')
			return false;
		n = n * 10 + (unsigned)(*p - '0');
	}
	*port = (uint16_t)n;
	return n <= UINT16_MAX;
}

/* The line without "PROXY " and CRLF. */
static bool
take_v1(struct text line, struct proxy_header *h)
{
	char family[sizeof("UNKNOWN")];
	bool six;

	if (!cut_word(&line, family, sizeof(family)))
		return false;
	if (strcmp(family, "UNKNOWN") == 0) {
		h->local = true;
		return true;
	}
	six = strcmp(family, "TCP6") == 0;
	return (six || strcmp(family, "TCP4") == 0) &&
	    take_addr(&line, six, &h->source) &&
	    take_addr(&line, six, &h->destination) &&
	    take_port(&line, &h->source_port) &&
	    take_port(&line, &h->destination_port) && line.at == NULL &&
	    is_host(&h->source);
}

static enum proxy_state
parse_v1(const char *buf, size_t len, struct proxy_header *h)
{
	size_t begin = sizeof(v1_begin) - 1, n;

	if (memcmp(buf, v1_begin, len < begin ? len : begin) != 0)
		return PROXY_WRONG;
	for (n = begin; n < len && buf[n] != '\r'; n++)
		if (buf[n] == '\n' || n + 2 == V1_OCTETS)
			return PROXY_WRONG;
	if (n + 1 >= len)
		return PROXY_MORE;
	h->len = n + 2;
	if (buf[n + 1] != '\n')
		return PROXY_WRONG;
	return take_v1((struct text){ buf + begin, buf + n }, h) ? PROXY_DONE :
								   PROXY_WRONG;
}

/* ---------------------------------------------------------------- version 2 */

/*
 * v2 = signature version-command family length addresses *tlv
 * tlv = type length value, the length being of two octets
 */
#define V2_FIXED    16
#define V2_MOST	    2048 /* octets behind the fixed part */
#define V2_LOCAL    0x20
#define V2_PROXY    0x21
#define TLV_CRC32C  0x03
#define TLV_FIXED   3
#define CRC_OCTETS  4
#define CRC32C_POLY 0x82f63b78 /* Castagnoli's, reflected */

static const uint8_t v2_begin[12] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a,
	0x51, 0x55, 0x49, 0x54, 0x0a };

/* Families with their transport: streams of IPv4 and IPv6, and nothing. */
static const struct family {
	uint8_t octet, family;
	size_t addr_len, len; /* of one address; of both, and both ports */
} families[] = {
	{ 0x00, 0, 0, 0 },
	{ 0x11, 4, 4, 12 },
	{ 0x21, 6, 16, 36 },
};

static const struct family *
find_family(uint8_t octet)
{
	size_t i;

	for (i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (families[i].octet == octet)
			return &families[i];
	return NULL;
}

static unsigned
number16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t
crc32c(uint32_t crc, const uint8_t *p, size_t len)
{
	int bit;

	for (; len > 0; p++, len--) {
		crc ^= *p;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? CRC32C_POLY : 0);
	}
	return crc;
}

/* The sum over all of the header, with zeros where it stands itself. */
static bool
is_sum(const uint8_t *sum, const uint8_t *buf, size_t len)
{
	static const uint8_t zeros[CRC_OCTETS];
	const uint8_t *behind = sum + CRC_OCTETS;
	uint32_t crc = UINT32_MAX;

	crc = crc32c(crc, buf, (size_t)(sum - buf));
	crc = crc32c(crc, zeros, sizeof(zeros));
	crc = ~crc32c(crc, behind, (size_t)(buf + len - behind));
	return crc ==
	    ((uint32_t)number16(sum) << 16 | (uint32_t)number16(sum + 2));
}

/* All that stands behind the addresses is whole; a sum is right. */
static bool
tlvs_are_right(const uint8_t *buf, size_t at, size_t len)
{
	size_t size;

	while (at < len) {
		if (len - at < TLV_FIXED)
			return false;
		size = number16(buf + at + 1);
		if (len - at - TLV_FIXED < size)
			return false;
		if (buf[at] == TLV_CRC32C &&
		    (size != CRC_OCTETS ||
			!is_sum(buf + at + TLV_FIXED, buf, len)))
			return false;
		at += TLV_FIXED + size;
	}
	return true;
}

static void
take_bytes(struct addr *a, const struct family *f, const uint8_t *p)
{
	struct sockaddr_storage ss;

	memset(a, 0, sizeof(*a));
	a->family = f->family;
	memcpy(a->bytes, p, f->addr_len);
	addr_to_sockaddr(a, 0, &ss);
	addr_from_sockaddr(a, (struct sockaddr *)&ss); /* mapped is IPv4 */
}

/*
 * The whole header. With LOCAL the family means nothing; where it is known
 * what stands behind the addresses is looked at all the same.
 */
static bool
take_v2(const uint8_t *buf, size_t len, struct proxy_header *h)
{
	const struct family *f = find_family(buf[13]);
	const uint8_t *p = buf + V2_FIXED;
	bool fits = f != NULL && len - V2_FIXED >= f->len;

	h->local = buf[12] == V2_LOCAL || (fits && f->family == 0);
	if (!fits)
		return h->local;
	if (!tlvs_are_right(buf, V2_FIXED + f->len, len))
		return false;
	if (h->local)
		return true;
	take_bytes(&h->source, f, p);
	take_bytes(&h->destination, f, p + f->addr_len);
	p += 2 * f->addr_len;
	h->source_port = (uint16_t)number16(p);
	h->destination_port = (uint16_t)number16(p + 2);
	return is_host(&h->source);
}

static enum proxy_state
parse_v2(const uint8_t *buf, size_t len, struct proxy_header *h)
{
	size_t begin = sizeof(v2_begin);

	if (memcmp(buf, v2_begin, len < begin ? len : begin) != 0)
		return PROXY_WRONG;
	if (len > 12 && buf[12] != V2_LOCAL && buf[12] != V2_PROXY)
		return PROXY_WRONG;
	if (len > 13 && buf[12] == V2_PROXY && find_family(buf[13]) == NULL)
		return PROXY_WRONG;
	if (len < V2_FIXED)
		return PROXY_MORE;
	h->len = V2_FIXED + number16(buf + 14);
	if (h->len > V2_FIXED + V2_MOST)
		return PROXY_WRONG;
	if (len < h->len)
		return PROXY_MORE;
	return take_v2(buf, h->len, h) ? PROXY_DONE : PROXY_WRONG;
}

/* ------------------------------------------------------------------- public */

enum proxy_state
proxy_parse(const char *buf, size_t len, struct proxy_header *out)
{
	struct proxy_header h;
	enum proxy_state r;

	memset(&h, 0, sizeof(h));
	if (len == 0)
		return PROXY_MORE;
	if (buf[0] == v1_begin[0])
		r = parse_v1(buf, len, &h);
	else
		r = parse_v2((const uint8_t *)buf, len, &h);
	if (r == PROXY_DONE)
		*out = h;
	return r;
}

enum proxy_state
proxy_read(struct lineio *io, int64_t deadline_ms, struct proxy_header *h)
{
	enum proxy_state state = PROXY_MORE;
	enum io_result r;

	while (state == PROXY_MORE) {
		r = io_fill(io, deadline_ms);
		if (r == IO_LATE)
			return PROXY_LATE;
		if (r != IO_OK)
			return io->start < io->end ? PROXY_LOST : PROXY_GONE;
		state = proxy_parse(io->in + io->start, io->end - io->start, h);
	}
	if (state == PROXY_DONE)
		io_take(io, h->len);
	return state;
}
