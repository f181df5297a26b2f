/*
 * field = "Authentication-Results" *WSP ":" [CFWS] authserv-id ...
 * authserv-id = token / quoted-string       (RFC 8601, section 2.2)
 *
 * Octets are either passed on, left out, or held: held are those of a field
 * of which it is not known yet, and a dot at the start of a line, behind
 * which the line may go on with a field or with a blank. What is held within
 * one call stays where it is; only at the end of the call it is kept.
 */
#include <string.h>

#include "worker/authres.h"

static const char field_name[] = "authentication-results";

void
authres_start(struct authres *a, const char *hostname,
    void (*put)(void *, const char *, size_t), void *arg)
{
	a->hostname = hostname;
	a->put = put;
	a->arg = arg;
	a->place = AUTHRES_LINE_START;
	a->field = AUTHRES_OTHER;
	a->held = a->kept = 0;
	a->removed = 0;
	a->removed_octets = 0;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* An octet of a token (RFC 2045, section 5.1), or of one in UTF-8. */
static bool
is_token(char c)
{
	return (unsigned char)c > ' ' && c != 0x7f &&
	    strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

static bool
is_undecided(const struct authres *a)
{
	return a->field >= AUTHRES_NAME;
}

/* Is the name in it ours? However it is written, and with a dot behind. */
static enum authres_field
decide_by_id(const struct authres *a)
{
	const char *id = a->id, *end = id + a->id_len;
	char name[NAME_TEXT_MAX];

	while (id < end && is_blank(*id)) /* a string may have blanks */
		id++;
	while (id < end && is_blank(end[-1]))
		end--;
	if (id < end && end[-1] == '.')
		end--;
	if (name_from_text(name, id, (size_t)(end - id)) == -1 ||
	    strcmp(name, a->hostname) != 0)
		return AUTHRES_OTHER;
	return AUTHRES_OURS;
}

static void
id_octet(struct authres *a, char c)
{
	if (a->id_len < sizeof(a->id))
		a->id[a->id_len++] = c;
}

/* ------------------------------------------------ what a field says, by octet */

static enum authres_field
in_name(struct authres *a, char c)
{
	if (a->matched < sizeof(field_name) - 1)
		return lower(c) == field_name[a->matched++] ? AUTHRES_NAME :
							      AUTHRES_OTHER;
	if (is_blank(c))
		return AUTHRES_COLON;
	a->depth = 0;
	a->escaped = false;
	a->id_len = 0;
	return c == ':' ? AUTHRES_BEFORE : AUTHRES_OTHER;
}

static enum authres_field
in_colon(struct authres *a, char c)
{
	return is_blank(c) ? AUTHRES_COLON : in_name(a, c);
}

static enum authres_field
in_comment(struct authres *a, char c)
{
	if (a->escaped)
		a->escaped = false;
	else if (c == '\\')
		a->escaped = true;
	else if (c == '(')
		a->depth++;
	else if (c == ')')
		a->depth--;
	return AUTHRES_BEFORE;
}

static enum authres_field
in_atom(struct authres *a, char c)
{
	if (!is_token(c))
		return decide_by_id(a);
	id_octet(a, c);
	return AUTHRES_ATOM;
}

static enum authres_field
in_before(struct authres *a, char c)
{
	if (a->depth > 0 || c == '(')
		return in_comment(a, c);
	if (is_blank(c))
		return AUTHRES_BEFORE;
	return c == '"' ? AUTHRES_QUOTED : in_atom(a, c);
}

static enum authres_field
in_quoted(struct authres *a, char c)
{
	if (!a->escaped && c == '"')
		return decide_by_id(a);
	if (!a->escaped && c == '\\') {
		a->escaped = true;
	} else {
		a->escaped = false;
		id_octet(a, c);
	}
	return AUTHRES_QUOTED;
}

/* Folding ends an atom, and is nothing in a string or between words. */
static enum authres_field
field_octet(struct authres *a, char c)
{
	bool folds = c == '\r' || c == '\n';

	if (folds && (a->field == AUTHRES_BEFORE || a->field == AUTHRES_QUOTED))
		return a->field;
	switch (a->field) {
	case AUTHRES_NAME:
		return in_name(a, c);
	case AUTHRES_COLON:
		return in_colon(a, c);
	case AUTHRES_BEFORE:
		return in_before(a, c);
	case AUTHRES_ATOM:
		return in_atom(a, c);
	case AUTHRES_QUOTED:
		return in_quoted(a, c);
	default:
		return a->field;
	}
}

/* The field is over: a comment or a string in it that is not is a trick. */
static enum authres_field
field_end(const struct authres *a)
{
	if (a->field == AUTHRES_QUOTED ||
	    (a->field == AUTHRES_BEFORE && a->depth > 0))
		return AUTHRES_OURS;
	if (a->field == AUTHRES_ATOM)
		return decide_by_id(a);
	return is_undecided(a) ? AUTHRES_OTHER : a->field;
}

/* ------------------------------------------------------------ what is passed */

/* The octets of one call. */
struct run {
	const char *p;
	size_t from; /* before it all is passed on, left out or kept */
	size_t at;   /* before it all is looked at */
};

static void
pass(struct authres *a, struct run *r, size_t to)
{
	if (to > r->from)
		a->put(a->arg, r->p + r->from, to - r->from);
	r->from = to;
}

static void
leave_out(struct authres *a, struct run *r, size_t to)
{
	a->removed_octets += (int64_t)(to - r->from);
	r->from = to;
}

/* Where in this call what is held begins. */
static size_t
held_from(const struct authres *a, const struct run *r)
{
	return r->at - (a->held - a->kept);
}

/* From octet at on, octets are held. */
static void
hold(struct authres *a, struct run *r)
{
	if (a->field == AUTHRES_OURS)
		leave_out(a, r, r->at);
}

/* What becomes of what is held is known. */
static void
decide(struct authres *a, struct run *r, enum authres_field field)
{
	if (field == AUTHRES_OURS) {
		pass(a, r, held_from(a, r));
		a->removed += is_undecided(a);
		a->removed_octets += (int64_t)a->kept;
	} else if (a->kept > 0) {
		a->put(a->arg, a->hold, a->kept);
	}
	a->field = field;
	a->held = a->kept = 0;
}

/* The same, but for a dot at its end, with which something new begins. */
static void
decide_before_dot(struct authres *a, struct run *r, enum authres_field field)
{
	bool here = a->held > a->kept; /* else the dot is kept */

	a->held--;
	a->kept -= !here;
	r->at -= here;
	decide(a, r, field);
	hold(a, r);
	r->at += here;
	a->held = 1;
	if (!here) {
		a->hold[0] = '.';
		a->kept = 1;
	}
}

static void
field_begins(struct authres *a, struct run *r)
{
	if (a->place == AUTHRES_DOT) {
		decide_before_dot(a, r, field_end(a));
	} else {
		if (is_undecided(a))
			decide(a, r, field_end(a));
		hold(a, r);
	}
	a->field = AUTHRES_NAME;
	a->matched = 0;
}

/* An octet within a field; held is what is undecided with it. */
static void
take_field_octet(struct authres *a, struct run *r, char c)
{
	enum authres_field now;

	if (a->place == AUTHRES_DOT && !is_undecided(a))
		decide(a, r, a->field); /* the dot goes with its line */
	a->place = c == '\r'			? AUTHRES_CR :
	    c == '\n' && a->place == AUTHRES_CR ? AUTHRES_LINE_START :
						  AUTHRES_LINE;
	if (!is_undecided(a)) {
		r->at++;
		return;
	}
	now = field_octet(a, c);
	a->held++;
	r->at++;
	if (now < AUTHRES_NAME)
		decide(a, r, now);
	else if (a->held >= AUTHRES_HELD_MAX)
		decide(a, r, AUTHRES_OURS);
	else
		a->field = now;
}

/* The first octet of a line, or the one behind its dot. */
static void
take_line_start(struct authres *a, struct run *r, char c)
{
	if (c == '.' && a->place == AUTHRES_LINE_START) {
		if (!is_undecided(a))
			hold(a, r);
		a->place = AUTHRES_DOT;
		a->held++;
		r->at++;
	} else if (c == '\r' && a->place == AUTHRES_LINE_START) {
		field_begins(a, r);
		decide(a, r, AUTHRES_OTHER);
		a->place = AUTHRES_EMPTY;
		r->at++;
	} else {
		if (!is_blank(c))
			field_begins(a, r);
		take_field_octet(a, r, c);
	}
}

static void
take_octet(struct authres *a, struct run *r, char c)
{
	switch (a->place) {
	case AUTHRES_LINE_START:
	case AUTHRES_DOT:
		take_line_start(a, r, c);
		return;
	case AUTHRES_EMPTY:
		a->place = c == '\n' ? AUTHRES_BODY :
		    c == '\r'	     ? AUTHRES_CR :
				       AUTHRES_LINE;
		r->at++;
		return;
	default:
		take_field_octet(a, r, c);
	}
}

/* To the end of the line at once, or to the end of all. */
static void
skip(const struct authres *a, struct run *r, size_t len)
{
	const char *cr = NULL;

	if (a->place != AUTHRES_BODY)
		cr = memchr(r->p + r->at, '\r', len - r->at);
	r->at = cr != NULL ? (size_t)(cr - r->p) : len;
}

void
authres_take(struct authres *a, const char *p, size_t len)
{
	struct run r = { p, 0, 0 };

	while (r.at < len) {
		if (a->place == AUTHRES_BODY ||
		    (a->place == AUTHRES_LINE && !is_undecided(a)))
			skip(a, &r, len);
		if (r.at < len)
			take_octet(a, &r, p[r.at]);
	}
	if (a->field == AUTHRES_OURS && a->held == 0) {
		leave_out(a, &r, len);
		return;
	}
	pass(a, &r, held_from(a, &r));
	memcpy(a->hold + a->kept, p + r.from, len - r.from);
	a->kept = a->held;
}

void
authres_end(struct authres *a)
{
	struct run none = { "", 0, 0 };

	decide(a, &none, field_end(a));
}
