/*
 * Reply-line = *( Reply-code "-" [ textstring ] CRLF )
 *		Reply-code [ SP textstring ] CRLF
 *
 * A line may end in a bare LF: that is answered for by nobody but the hop.
 */
#include <ctype.h>
#include <string.h>

#include "worker/hop_reply.h"

void
hop_reply_start(struct hop_reply *r)
{
	r->code = 0;
	r->status[0] = r->text[0] = '\0';
	r->lines = 0;
	r->line_len = 0;
}

/* class "." subject "." detail, RFC 3463; its length, or 0. */
static size_t
status_len(const char *p, char class)
{
	size_t i = 2, digits, part;

	if (p[0] != class || p[1] != '.')
		return 0;
	for (part = 0; part < 2; part++) {
		for (digits = 0; isdigit((unsigned char)p[i]); i++)
			digits++;
		if (digits < 1 || digits > 3)
			return 0;
		if (part == 0 && p[i++] != '.')
			return 0;
	}
	return p[i] == ' ' || p[i] == '\0' ? i : 0;
}

/* What goes to a client or a log: printable ASCII, cut to size. */
static void
copy_text(char *dst, size_t size, const char *src)
{
	size_t i;

	for (i = 0; i + 1 < size && src[i] != '\0'; i++)
		dst[i] = src[i] >= 0x20 && src[i] < 0x7f ? src[i] : '?';
	dst[i] = '\0';
}

static enum hop_reply_state
take_line(struct hop_reply *r, void (*each_line)(void *, const char *),
    void *arg)
{
	char *p = r->line, mark;
	size_t n;
	int code;

	if (r->line_len > 0 && p[r->line_len - 1] == '\r')
		r->line_len--;
	p[r->line_len] = '\0';
	if (r->line_len < 3 || !isdigit((unsigned char)p[0]) ||
	    !isdigit((unsigned char)p[1]) || !isdigit((unsigned char)p[2]))
		return REPLY_BROKEN;
	code = (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
	mark = p[3];
	if (code < 200 || code > 599 ||
	    (mark != '-' && mark != ' ' && mark != '\0') ||
	    (r->lines > 0 && code != r->code) || r->lines == HOP_LINES)
		return REPLY_BROKEN;
	r->code = code;
	p += mark == '\0' ? 3 : 4;
	if (each_line != NULL)
		each_line(arg, p);
	if (r->lines++ == 0) {
		if ((n = status_len(p, r->line[0])) > 0 &&
		    n < sizeof(r->status)) {
			memcpy(r->status, p, n);
			r->status[n] = '\0';
			p += p[n] == ' ' ? n + 1 : n;
		}
		copy_text(r->text, sizeof(r->text), p);
	}
	r->line_len = 0;
	return mark == '-' ? REPLY_MORE : REPLY_DONE;
}

enum hop_reply_state
hop_reply_take(struct hop_reply *r, const char *p, size_t len, size_t *used,
    void (*each_line)(void *, const char *), void *arg)
{
	enum hop_reply_state state = REPLY_MORE;
	size_t i;

	for (i = 0; i < len && state == REPLY_MORE; i++) {
		if (p[i] == '\n')
			state = take_line(r, each_line, arg);
		else if (p[i] == '\0' || r->line_len == sizeof(r->line) - 1)
			state = REPLY_BROKEN;
		else
			r->line[r->line_len++] = p[i];
	}
	*used = i;
	return state;
}
