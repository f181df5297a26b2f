/*
 * The end of data is CRLF.CRLF and nothing else (RFC 5321, section 4.1.1.4):
 * whatever mixture of CR, LF, dots and NUL arrives, no other sequence ends it.
 * Whole lines are found with memchr(3); what is left of them, and the octets
 * around their ends, go through the states of enum data_place.
 */
#include <string.h>
#include <strings.h>

#include "worker/data.h"

void
data_start(struct data_scan *d)
{
	memset(d, 0, sizeof(*d));
	d->place = DATA_LINE_START;
	d->in_header = true;
}

static bool
field_is(const struct data_scan *d, const char *name)
{
	size_t len = strlen(name);

	return d->line_len >= len && strncasecmp(d->line, name, len) == 0;
}

/* Keep what stands in the header line from octet at on. */
static void
keep_message_id(struct data_scan *d, size_t at)
{
	size_t end = d->line_len;

	while (at < end && (d->line[at] == ' ' || d->line[at] == '\t'))
		at++;
	while (
	    end > at && (d->line[end - 1] == ' ' || d->line[end - 1] == '\t'))
		end--;
	d->in_message_id = at == end;
	if (end - at >= sizeof(d->message_id))
		end = at + sizeof(d->message_id) - 1;
	memcpy(d->message_id, d->line + at, end - at);
	d->message_id[end - at] = '\0';
}

/* The first line of a field. */
static void
header_field(struct data_scan *d)
{
	static const char id[] = "message-id:";

	d->in_message_id = false;
	if (field_is(d, id) && d->message_id[0] == '\0')
		keep_message_id(d, sizeof(id) - 1);
	else if (field_is(d, "received:"))
		d->received++;
}

/* A whole header line stands in d->line (cut at its size). */
static void
header_line(struct data_scan *d)
{
	bool folded = d->line[0] == ' ' || d->line[0] == '\t';

	if (d->line_len == 0)
		d->in_header = false; /* the empty line */
	else if (folded && d->in_message_id)
		keep_message_id(d, 0);
	else if (!folded)
		header_field(d);
	d->line_len = 0;
}

static void
header_octet(struct data_scan *d, char c)
{
	if (c == '\n' && d->place == DATA_LINE_START)
		header_line(d);
	else if (c != '\r' && d->place != DATA_DOT &&
	    d->line_len < sizeof(d->line))
		d->line[d->line_len++] = c;
}

/* A CRLF was counted as the last two octets. */
static void
line_ends(struct data_scan *d)
{
	if (d->size - 2 - d->line_at > d->longest)
		d->longest = d->size - 2 - d->line_at;
	d->line_at = d->size;
}

/* The state machine, for one octet. */
static void
take_octet(struct data_scan *d, char c)
{
	enum data_place was = d->place;

	d->size++;
	if (c == '\n') {
		if (was == DATA_DOT_CR) {
			d->done = true;
			d->size -= DATA_END_OCTETS;
			return;
		}
		d->place = was == DATA_CR ? DATA_LINE_START : DATA_MIDDLE;
		d->bare_lf |= was != DATA_CR;
		if (was == DATA_CR)
			line_ends(d);
		d->size -= was == DATA_DOT; /* ".\n" is no end: a stuffed dot */
	} else {
		d->bare_cr |= was == DATA_CR || was == DATA_DOT_CR;
		if (c == '\r')
			d->place = was == DATA_DOT ? DATA_DOT_CR : DATA_CR;
		else if (c == '.' && was == DATA_LINE_START)
			d->place = DATA_DOT;
		else
			d->place = DATA_MIDDLE;
		/* ".x": the dot was a stuffed one. */
		d->size -= was == DATA_DOT && c != '\r';
		d->size -= was == DATA_DOT_CR; /* so was that of ".\rx" */
	}
	if (d->in_header)
		header_octet(d, c);
}

/* In the middle of a body line: all octets before the next LF at once. */
static size_t
take_middle(struct data_scan *d, const char *p, size_t len)
{
	const char *lf = memchr(p, '\n', len);
	size_t n = lf != NULL ? (size_t)(lf - p) : len;

	if (n < 2)
		return 0;
	n--; /* the octet before the LF, or the last one, may be a CR */
	if (memchr(p, '\r', n) != NULL)
		d->bare_cr = true;
	d->size += (int64_t)n;
	d->place = p[n - 1] == '\r' ? DATA_CR : DATA_MIDDLE;
	return n;
}

/* At the start of a body line: all whole lines that nothing is odd about. */
static size_t
take_lines(struct data_scan *d, const char *p, size_t len)
{
	const char *line = p, *end = p + len, *lf;

	while (line < end && *line != '.' &&
	    (lf = memchr(line, '\n', (size_t)(end - line))) != NULL) {
		if (lf == line || lf[-1] != '\r' ||
		    memchr(line, '\r', (size_t)(lf - 1 - line)) != NULL)
			break;
		d->size += lf + 1 - line;
		line_ends(d);
		line = lf + 1;
	}
	return (size_t)(line - p);
}

size_t
data_take(struct data_scan *d, const char *p, size_t len)
{
	size_t i = 0;

	while (i < len && !d->done) {
		if (d->place == DATA_LINE_START && !d->in_header)
			i += take_lines(d, p + i, len - i);
		else if (d->place == DATA_MIDDLE && !d->in_header)
			i += take_middle(d, p + i, len - i);
		if (i < len)
			take_octet(d, p[i++]);
	}
	d->nul |= memchr(p, '\0', i) != NULL;
	d->wire += (int64_t)i - (d->done ? DATA_END_OCTETS : 0);
	return i;
}

int64_t
data_certain(const struct data_scan *d)
{
	if (d->done)
		return d->size;
	return d->size - (d->place == DATA_DOT) - 2 * (d->place == DATA_DOT_CR);
}

/* ----------------------------------------------------------------- mending */

void
data_mend_start(struct data_mend *m, bool stuffed)
{
	memset(m, 0, sizeof(*m));
	m->stuffed = m->may_dot = stuffed;
}

/* Is this dot one that the client put before a line's own? */
static bool
is_stuffed(struct data_mend *m, char c)
{
	bool stuffed = m->may_dot && c == '.';

	m->may_dot = m->stuffed && c == '\n' && m->wire_cr;
	m->wire_cr = c == '\r';
	return stuffed;
}

static char *
end_line(struct data_mend *m, char *o)
{
	m->cr = m->in_line = false;
	*o++ = '\r';
	*o++ = '\n';
	return o;
}

size_t
data_mend(struct data_mend *m, const char *in, size_t len, char *out)
{
	const char *end = in + len;
	char *o = out;

	for (; in < end; in++) {
		bool after_cr = m->wire_cr;

		if (is_stuffed(m, *in))
			continue;
		if (*in == '\n') {
			m->bare_lf |= !after_cr;
			o = end_line(m, o);
			continue;
		}
		m->bare_cr |= after_cr;
		if (*in == '\r') {
			m->cr = true;
			continue;
		}
		if (m->cr)
			o = end_line(m, o);
		if (*in == '.' && !m->in_line)
			*o++ = '.';
		m->in_line = true;
		*o++ = *in;
	}
	return (size_t)(o - out);
}

size_t
data_mend_end(struct data_mend *m, char *out)
{
	if (!m->cr && !m->in_line)
		return 0;
	m->bare_cr |= m->wire_cr;
	return (size_t)(end_line(m, out) - out);
}

/* -------------------------------------------------------------- unstuffing */

void
data_unstuff_start(struct data_unstuff *u)
{
	u->line_start = true;
	u->cr = false;
}

size_t
data_unstuff(struct data_unstuff *u, const char *in, size_t len, char *out)
{
	const char *end = in + len, *lf;
	char *o = out;
	bool had_cr;
	size_t n;

	while (in < end) {
		if (u->line_start && *in == '.') {
			u->line_start = false;
			in++;
			continue;
		}
		u->line_start = false;
		if ((had_cr = u->cr) && *in != '\n')
			*o++ = '\r'; /* a bare CR: passed on as it is */
		u->cr = false;
		lf = memchr(in, '\n', (size_t)(end - in));
		n = (size_t)((lf != NULL ? lf : end) - in);
		if (n > 0 && in[n - 1] == '\r') {
			u->cr = true;
			memcpy(o, in, n - 1);
			o += n - 1;
		} else {
			memcpy(o, in, n);
			o += n;
		}
		in += n;
		if (lf == NULL)
			break;
		u->line_start = u->cr || (had_cr && n == 0);
		u->cr = false;
		*o++ = '\n';
		in++;
	}
	return (size_t)(o - out);
}
