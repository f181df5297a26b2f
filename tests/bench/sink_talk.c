/*
 * What is said to the sink: commands, and messages by DATA and by BDAT, of
 * which it keeps what stands in X-Ledger.
 */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/bench/net.h"
#include "tests/bench/sink.h"

void
sink_reply(struct conn *c, const char *text)
{
	size_t n = strlen(text);

	memcpy(c->out + c->out_bytes, text, n);
	c->out_bytes += n;
}

/* Room for the longest reply must be left before a line is taken. */
static bool
has_room(const struct conn *c)
{
	return sizeof(c->out) - c->out_bytes >= 256;
}

/* ------------------------------------------------------------- commands */

static void
cmd_helo(struct sink *k, struct conn *c)
{
	(void)k;
	sink_reply(c, "250 sink.bench.example\r\n");
}

static void
cmd_ehlo(struct sink *k, struct conn *c)
{
	(void)k;
	sink_reply(c,
	    "250-sink.bench.example\r\n250-PIPELINING\r\n"
	    "250-8BITMIME\r\n250-CHUNKING\r\n250 SIZE 1073741824\r\n");
}

static void
cmd_ok(struct sink *k, struct conn *c)
{
	(void)k;
	sink_reply(c, "250 2.0.0 ok\r\n");
}

/* MAIL and RSET: of a message that has begun by BDAT no more is heard. */
static void
cmd_anew(struct sink *k, struct conn *c)
{
	c->chunked = false;
	cmd_ok(k, c);
}

static void
cmd_rcpt(struct sink *k, struct conn *c)
{
	k->recipients++;
	sink_reply(c, "250 2.1.5 ok\r\n");
}

static void
message_begins(struct conn *c)
{
	c->phase = PH_HEADER;
	c->line_begins = true;
	c->last = '\n';
	c->id[0] = '\0';
	c->field_bytes = 0;
}

static void
cmd_data(struct sink *k, struct conn *c)
{
	(void)k;
	message_begins(c);
	sink_reply(c, "354 go on\r\n");
}

static void
cmd_quit(struct sink *k, struct conn *c)
{
	(void)k;
	c->phase = PH_CLOSE;
	sink_reply(c, "221 2.0.0 bye\r\n");
}

static void
cmd_unknown(struct sink *k, struct conn *c)
{
	(void)k;
	sink_reply(c, "500 5.5.1 what?\r\n");
}

static void
message_ends(struct sink *k, struct conn *c)
{
	k->messages++;
	if (k->ledger != NULL &&
	    fprintf(k->ledger, "have %s\n", c->id[0] ? c->id : "-") < 0)
		err(1, "ledger");
	if (k->delay_us == 0) {
		c->phase = PH_COMMAND;
		sink_reply(c, "250 2.0.0 taken\r\n");
		return;
	}
	c->phase = PH_DELAY;
	c->due_us = net_now_us() + k->delay_us;
	c->waits = true;
	TAILQ_INSERT_TAIL(&k->waiting, c, entry);
}

static void
chunk_ends(struct sink *k, struct conn *c)
{
	if (c->chunk_last) {
		c->chunked = false;
		message_ends(k, c);
		return;
	}
	c->chunk_phase = c->phase;
	c->phase = PH_COMMAND;
	sink_reply(c, "250 2.0.0 more\r\n");
}

/* BDAT and a number, and perhaps LAST. */
static void
cmd_bdat(struct sink *k, struct conn *c)
{
	char *end;

	errno = 0;
	c->chunk_left = strtoull(c->arg, &end, 10);
	if (end == c->arg || errno != 0) {
		cmd_unknown(k, c);
		return;
	}
	c->chunk_last = strncasecmp(end, " LAST", 5) == 0;
	if (!c->chunked)
		message_begins(c);
	else
		c->phase = c->chunk_phase;
	c->chunked = true;
	if (c->chunk_left == 0)
		chunk_ends(k, c);
}

static const struct {
	const char *verb;
	void (*run)(struct sink *, struct conn *);
} commands[] = {
	{ "HELO", cmd_helo }, { "EHLO", cmd_ehlo }, { "MAIL", cmd_anew },
	{ "RCPT", cmd_rcpt }, { "DATA", cmd_data }, { "BDAT", cmd_bdat },
	{ "RSET", cmd_anew }, { "NOOP", cmd_ok },
	{ "XFOR", cmd_ok }, /* XFORWARD */
	{ "XCLI", cmd_ok }, /* XCLIENT */
	{ "QUIT", cmd_quit },
	{ "", cmd_unknown }, /* the row that always matches */
};

static void
take_command(struct sink *k, struct conn *c, const char *line)
{
	size_t i = 0;

	while (
	    strncasecmp(line, commands[i].verb, strlen(commands[i].verb)) != 0)
		i++;
	c->arg = line + strlen(commands[i].verb);
	commands[i].run(k, c);
}

/* -------------------------------------------------------------- message */

/* A whole line of the header, or so much of it as there is room for. */
static void
take_field(struct conn *c)
{
	static const char name[] = "X-Ledger:";
	size_t skip = sizeof(name) - 1, n = c->field_bytes;
	const char *line = c->field;

	c->field_bytes = 0;
	if (n <= 2) {
		c->phase = PH_BODY;
		return;
	}
	if (n < skip || strncasecmp(line, name, skip) != 0)
		return;
	while (skip < n && line[skip] == ' ')
		skip++;
	n -= skip + 2;
	if (n >= sizeof(c->id))
		n = sizeof(c->id) - 1;
	memcpy(c->id, line + skip, n);
	c->id[n] = '\0';
}

/* A piece of the header; chunks may cut a line anywhere. */
static void
take_header(struct conn *c, const char *p, size_t n)
{
	size_t room = sizeof(c->field) - c->field_bytes;

	if (n < room)
		room = n;
	memcpy(c->field + c->field_bytes, p, room);
	c->field_bytes += room;
	if (c->line_begins)
		take_field(c);
}

/*
 * A line of the message that ends in LF, or a part of one that is too long
 * to be seen whole. A dot counts only where CRLF stands on both sides, and not
 * by BDAT.
 */
static void
take_data(struct sink *k, struct conn *c, const char *line, size_t n)
{
	bool begins = c->line_begins;
	char before = n > 1 ? line[n - 2] : c->last;

	k->bytes += n;
	c->line_begins = line[n - 1] == '\n' && before == '\r';
	c->last = line[n - 1];
	if (!c->chunked && begins && c->line_begins && n == 3 && line[0] == '.')
		message_ends(k, c);
	else if (c->phase == PH_HEADER)
		take_header(c, line, n);
}

/* Octets of a chunk: the header line by line, the body as it comes. */
static size_t
take_chunk(struct sink *k, struct conn *c, const char *p, size_t n)
{
	const char *end;

	if (n > c->chunk_left)
		n = c->chunk_left;
	if (c->phase == PH_HEADER && (end = memchr(p, '\n', n)) != NULL)
		n = (size_t)(end - p) + 1;
	take_data(k, c, p, n);
	c->chunk_left -= n;
	if (c->chunk_left == 0)
		chunk_ends(k, c);
	return n;
}

bool
sink_takes_input(const struct conn *c)
{
	return c->phase != PH_DELAY && c->phase != PH_CLOSE && has_room(c);
}

void
sink_take(struct sink *k, struct conn *c)
{
	char *line = c->in, *end;
	size_t left = c->in_bytes, n;

	while (left > 0 && sink_takes_input(c)) {
		if (c->chunked && c->phase != PH_COMMAND) {
			n = take_chunk(k, c, line, left);
			line += n;
			left -= n;
			continue;
		}
		end = memchr(line, '\n', left);
		if (end == NULL && left < sizeof(c->in))
			break;
		n = end == NULL ? left : (size_t)(end - line) + 1;
		if (c->phase == PH_COMMAND) {
			line[n - 1] = '\0';
			take_command(k, c, line);
		} else {
			take_data(k, c, line, n);
		}
		line += n;
		left -= n;
	}
	memmove(c->in, line, left);
	c->in_bytes = left;
}
