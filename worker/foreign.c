/*
 * One octet decides where the first one is no text, so that however the rest
 * comes in, the answer is the same; and a line where it is.
 */
#include <string.h>

#include "worker/foreign.h"

static const struct {
	const char *begin, *protocol;
} lines[] = {
	{ "GET ", "http" },
	{ "POST ", "http" },
	{ "HEAD ", "http" },
	{ "PUT ", "http" },
	{ "DELETE ", "http" },
	{ "OPTIONS ", "http" }, /* RTSP and SIP probes as well */
	{ "TRACE ", "http" },
	{ "CONNECT ", "http" },
	{ "PATCH ", "http" },
	{ "PROPFIND ", "http" },
	{ "PRI * HTTP/", "http" },
	{ "SSH-", "ssh" },
};

const char *
foreign_octet(char first)
{
	unsigned char c = (unsigned char)first;

	if (c == '\t' || c == '\r' || c == '\n' || (c >= ' ' && c < 0x7f))
		return NULL;
	if (c == 0x16) /* a record of a handshake */
		return "tls";
	return c == 4 || c == 5 ? "socks" : "binary";
}

const char *
foreign_line(const char *line, size_t len)
{
	size_t i, n;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		n = strlen(lines[i].begin);
		if (len >= n && memcmp(line, lines[i].begin, n) == 0)
			return lines[i].protocol;
	}
	return NULL;
}
