/*
 * data = "DATA" CRLF
 *
 * The message is read to its real end whatever is wrong with it, then refused
 * or handed over, and answered once.
 */
#include "worker/command.h"
#include "worker/message.h"
#include "worker/rate.h"
#include "worker/reply.h"
#include "worker/session.h"
#include "worker/settings.h"
#include "worker/slot.h"

/* Read up to the end of data. False: there was no end. */
static bool
receive(struct session *s)
{
	struct lineio *io = &s->io;
	enum io_result r;

	intake_start(s, false);
	for (;;) {
		io->start += intake_take(s, io->in + io->start,
		    io->end - io->start);
		io->searched = io->start;
		if (s->scan.done)
			return true;
		r = session_fill(s, s->set->timeouts.data_secs);
		if (r != IO_OK) {
			session_cut_off(s, r, "timeout-data", "lost-data");
			return false;
		}
	}
}

void
cmd_data(struct session *s, const char *arg, const char *end)
{
	(void)arg;
	(void)end;
	if (rate_refuses(s, RATE_MESSAGES)) {
		session_reset(s);
		return;
	}
	reply(s, 354, NULL, "end the message with CRLF.CRLF");
	atomic_store(&s->slot->phase, SLOT_DATA);
	if (receive(s))
		message_end(s);
	else
		session_reset(s);
	atomic_store(&s->slot->phase, SLOT_COMMAND);
}
