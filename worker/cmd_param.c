/*
 * ESMTP parameters of MAIL and RCPT, by the rows of their commands; and what
 * an address may be because of them.
 */
#include <string.h>

#include "worker/command.h"
#include "worker/path.h"
#include "worker/reply.h"
#include "worker/session.h"

/* The row of a parameter that may be used here, or rows + n. */
static const struct param_row *
find(const struct session *s, const struct param *par,
    const struct param_row *rows, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (param_is(par, rows[i].key) &&
		    (rows[i].needs & ~s->offered) == 0)
			break;
	return &rows[i];
}

bool
address_is_allowed(struct session *s, const struct mailbox *m)
{
	if (s->env.utf8 || utf8_is_ascii(m->text, strlen(m->text)))
		return true;
	reply(s, 553, "5.6.7", "MAIL must say SMTPUTF8 for such an address");
	return false;
}

int
params_take(struct session *s, void *arg, const char *p, const char *end,
    const struct param_row *rows, size_t n)
{
	const struct param_row *row;
	unsigned seen = 0;
	struct param par;
	int r;

	while ((r = param_next(&p, end, &par)) == 1) {
		row = find(s, &par, rows, n);
		if (row == rows + n) {
			reply(s, 555, "5.5.4", "unknown parameter");
			return -1;
		}
		if (seen & 1u << (row - rows)) {
			reply(s, 501, "5.5.4", "a parameter stands twice");
			return -1;
		}
		seen |= 1u << (row - rows);
		if (row->take(s, arg, &par) == -1)
			return -1;
	}
	if (r == -1)
		reply(s, 501, "5.5.4", "malformed parameters");
	return r;
}
