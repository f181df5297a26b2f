/*
 * DATA with whole line ends goes through as it is. What is to be mended, and
 * all that comes in chunks, is mended piece by piece: what the spool holds is
 * the same kind of thing in the end, lines with dots stuffed.
 */
#include <string.h>

#include "worker/intake.h"
#include "worker/session.h"
#include "worker/settings.h"
#include "worker/stream.h"
#include "worker/wait.h"

#define PIECE 8192

/* What becomes of this client's bare line ends. */
static bool
normalises(const struct session *s, bool chunked)
{
	const struct settings *set = s->set;
	size_t i;

	if ((chunked ? set->bare_ends_bdat : set->bare_ends) == ENDS_NORMALISE)
		return true;
	for (i = 0; i < set->normalise_from.n; i++)
		if (prefix_contains(&set->normalise_from.item[i],
			&s->peer.addr))
			return true;
	return false;
}

void
intake_start(struct session *s, bool chunked)
{
	struct intake *in = &s->intake;

	memset(in, 0, sizeof(*in));
	in->begun_ms = clock_ms();
	in->chunked = chunked;
	in->refused = !normalises(s, chunked);
	in->mended = chunked || !in->refused;
	data_start(&in->wire);
	in->wire.in_header = false; /* it is asked for the end alone */
	data_mend_start(&in->mend, !chunked);
	data_start(&s->scan);
	stream_start(s);
	authres_start(&in->authres, s->set->hostname, stream_put, s);
}

/*
 * A dot that may be the end already counts while it is not known, and must
 * not make a message too large.
 */
static size_t
keep(struct session *s, const char *p, size_t len)
{
	int64_t most = s->set->limits.message_bytes + DATA_END_OCTETS;
	size_t n = data_take(&s->scan, p, len);

	if (s->scan.size <= most)
		authres_take(&s->intake.authres, p, n);
	return n;
}

static void
mend(struct session *s, const char *p, size_t len)
{
	char out[2 * PIECE + 4];
	size_t n, part;

	for (; len > 0; p += part, len -= part) {
		part = len < PIECE ? len : PIECE;
		n = data_mend(&s->intake.mend, p, part, out);
		keep(s, out, n);
	}
}

size_t
intake_take(struct session *s, const char *p, size_t len)
{
	struct intake *in = &s->intake;
	size_t n = len;

	if (!in->mended)
		return keep(s, p, len);
	if (!in->chunked)
		n = data_take(&in->wire, p, len);
	mend(s, p, in->wire.done ? n - 1 : n); /* not the LF behind the dot */
	s->scan.done = in->wire.done;
	return n;
}

void
intake_end(struct session *s)
{
	struct intake *in = &s->intake;
	char out[4];

	if (in->chunked) {
		keep(s, out, data_mend_end(&in->mend, out));
		if (in->refused) {
			s->scan.bare_cr = in->mend.bare_cr;
			s->scan.bare_lf = in->mend.bare_lf;
		}
	}
	authres_end(&in->authres);
}

int64_t
intake_len(const struct session *s)
{
	return s->scan.wire - s->intake.authres.removed_octets;
}

const char *
intake_mended(const struct intake *in)
{
	const struct data_mend *m = &in->mend;

	if (!in->mended || (!m->bare_cr && !m->bare_lf))
		return "";
	return !m->bare_cr ? "bare-lf" :
	    !m->bare_lf	   ? "bare-cr" :
			     "bare-lf,bare-cr";
}
