/*
 * Handing over by SMTP. Nothing but the next hop's own 2xx behind the dot, or
 * the chunk, is a success. When the connection is lost between the two, nobody
 * knows whether the message was taken (RFC 1047): the client is told to try
 * again.
 */
#include "worker/deliver_hop.h"
#include "worker/hop_share.h"

static void
smtp_end(struct delivery *d, struct hop_answer *a)
{
	struct hop *h = d->hop;
	bool sent = hop_dot(h);

	if (!sent || hop_read(h, HOP_END_MS, NULL) == -1) {
		hop_answer_lost(h, a);
		if (sent)
			a->result = HOP_DOUBTFUL;
	} else {
		hop_pass_on(h, a, hop_end_name(h));
	}
	hop_done(h);
}

/*
 * A client that is slow with a large message holds the connection that long,
 * and may mean to: half of them stay for others.
 */
static bool
smtp_may_stream(const struct delivery *d)
{
	return hop_is_spare(d->hop);
}

const struct deliver_ops deliver_smtp = {
	.name = "smtp",
	.unsure = "doubtful",
	.recipient = hop_recipient,
	.data = hop_data,
	.may_stream = smtp_may_stream,
	.write = hop_write,
	.end = smtp_end,
	.abort = hop_abort,
	.close = hop_leave,
};
