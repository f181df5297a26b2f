/*
 * From a route to addresses.
 */
#include <stdio.h>
#include <string.h>

#include "worker/route.h"
#include "worker/where.h"

int
where_find(struct places *to, const struct route *r, char *why, size_t size)
{
	const char *rest = route_argument(r);
	struct list_target target;
	struct place *at;

	to->n = 0;
	while (*rest != '\0' && to->n < PLACES_MAX) {
		if ((rest = list_target(&target, rest)) == NULL)
			break;
		at = &to->item[to->n++];
		strlcpy(at->text, target.text, sizeof(at->text));
		strlcpy(at->named, target.text, sizeof(at->named));
		at->addr = target.addr;
		at->port = target.port;
		at->lmtp = false;
	}
	if (to->n > 0)
		return 0;
	snprintf(why, size, "the route cannot be read");
	return -1;
}
