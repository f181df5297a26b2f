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
	const struct next_hop *rules = find(set, at->named);

	if (rules == NULL)
		rules = find(set, at->text);
	return rules != NULL ? rules : &set->any_hop;
}

bool
hop_host_name(char host[NAME_TEXT_MAX], const char *text)
{
	size_t len = strcspn(text, ":");
	struct addr a;

	if (text[0] == '[' || text[0] == '/' || len == 0 ||
	    len >= NAME_TEXT_MAX ||
	    strncmp(text, LIST_MX, sizeof(LIST_MX) - 1) == 0)
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	return addr_parse(&a, host) == -1;
}
