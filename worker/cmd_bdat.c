/*
 * bdat = "BDAT" SP chunk-size [ SP "LAST" ] CRLF *OCTET
 *
 * RFC 3030, without BINARYMIME. The octets of a chunk are read whatever the
 * answer, or the connection is closed: they must never be taken for commands.
 * The chunks of a message that has been refused are read and answered 503.
 */
#include "worker/args.h"
#include "worker/command.h"
#include "worker/message.h"
#include "worker/reply.h"
#include "worker/session.h"
#include "worker/settings.h"
#include "worker/slot.h"

#define CHUNK_MOST INT32_MAX /* octets: more than any message may have */

/* What is to be read. False: it is not known, or not bearable. */
static bool
parse(struct session *s, const char *arg, const char *end, int64_t *size,
    bool *last)
{
	if (bdat_parse(arg, end, size, last) == -1) {
		reply(s, 501, "5.5.4", "BDAT takes a size and perhaps LAST");
	} else if (*size > CHUNK_MOST) {
		reply_refuse_as(s, "limits", "size", 552, "5.3.4",
		    "the chunk is larger than this host takes", NULL);
	} else {
		return true;
	}
	session_end(s, "chunk");
	return false;
}

/* Read the octets of a chunk. False: they did not come. */
static bool
read_chunk(struct session *s, int64_t size, bool wanted)
{
	struct lineio *io = &s->io;
	enum io_result r;
	size_t n;

	while (size > 0) {
		n = io->end - io->start;
		if ((int64_t)n > size)
			n = (size_t)size;
		if (wanted)
			intake_take(s, io->in + io->start, n);
		io->start += n;
		io->searched = io->start;
		if ((size -= (int64_t)n) == 0)
			break;
		r = session_fill(s, s->set->timeouts.data_secs);
		if (r != IO_OK) {
			session_cut_off(s, r, "timeout-data", "lost-data");
			return false;
		}
	}
	return true;
}

bool
bdat_skip(struct session *s, const char *arg, const char *end)
{
	int64_t size;
	bool last;

	return parse(s, arg, end, &size, &last) && read_chunk(s, size, false);
}

void
cmd_bdat(struct session *s, const char *arg, const char *end)
{
	int64_t size;
	bool last;

	if (!parse(s, arg, end, &size, &last))
		return;
	if (s->phase == PH_RCPT)
		intake_start(s, true);
	s->phase = PH_BDAT;
	atomic_store(&s->slot->phase, SLOT_DATA);
	if (!read_chunk(s, size, true)) {
		session_reset(s);
		return;
	}
	if (last)
		message_end(s);
	else if (!message_acceptable(s))
		session_reset(s);
	else
		reply(s, 250, "2.0.0", "%lld octets taken", (long long)size);
	if (size == 0 && !last)
		s->idle_commands++;
	atomic_store(&s->slot->phase, SLOT_COMMAND);
}
