/*
 * Sections next_hop are few: they are looked through.
 */
#include <string.h>

#include "worker/hop_rules.h"
#include "worker/settings.h"
#include "worker/where.h"

static const struct next_hop *
find(const struct settings *set, const char *name)
{
	size_t i;

	for (i = 0; i < set->nnext_hops; i++)
		if (strcmp(set->next_hops[i].name, name) == 0)
			return &set->next_hops[i];
	return NULL;
}

const struct next_hop *
hop_rules(const struct settings *set, const struct place *at)
{
	const struct next_hop *rules = find(set, at->text);

	if (rules == NULL)
		rules = find(set, at->named);
	return rules != NULL ? rules : &set->any_hop;
}
