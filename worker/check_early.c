/*
 * Early talkers: a client that speaks before it was greeted does not listen to
 * what it is told, which no mail server does (RFC 5321, section 4.3.1).
 */
#include "worker/check.h"
#include "worker/peer.h"

enum verdict
check_early(const struct peer *peer, const struct settings *set,
    struct reason *why)
{
	(void)set;
	if (peer->relay || peer->banned)
		return V_NEXT;
	if (!peer->listened)
		return V_LATER;
	if (!peer->early)
		return V_NEXT;
	why->code = "early-talker";
	why->status = "5.5.1";
	why->text = "you spoke before you were greeted";
	return V_REJECT;
}
