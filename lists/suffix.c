/*
 * The suffixes of two labels that a hand slips into: those of countries that
 * register below a second level. Not the public suffix list, which changes
 * every week.
 */
#include <stdio.h>
#include <string.h>

#include "lists/suffix.h"

/* clang-format off */
static const struct {
	const char *top, *second; /* a blank on both sides of each second */
} suffixes[] = {
	{ "ae", " ac co gov net org " },
	{ "ar", " com edu gob net org " },
	{ "at", " ac co gv or " },
	{ "au", " asn com edu gov id net org " },
	{ "bd", " com net org " },
	{ "br", " com edu gov ind net org " },
	{ "cn", " ac com edu gov net org " },
	{ "co", " com edu gov net org " },
	{ "cy", " ac com net org " },
	{ "ec", " com edu net org " },
	{ "eg", " com edu gov net org " },
	{ "gr", " com edu gov net org " },
	{ "hk", " com edu gov net org " },
	{ "hu", " co org " },
	{ "id", " ac co go net or web " },
	{ "il", " ac co gov net org " },
	{ "in", " ac co edu firm gen gov ind net nic org res " },
	{ "jp", " ac ad co ed go gr lg ne or " },
	{ "ke", " ac co go ne or " },
	{ "kr", " ac co go ne or pe re " },
	{ "mx", " com edu gob net org " },
	{ "my", " com edu gov net org " },
	{ "ng", " com edu gov net org " },
	{ "np", " com edu gov net org " },
	{ "nz", " ac co geek gen govt iwi kiwi maori net org school " },
	{ "pe", " com edu gob net org " },
	{ "ph", " com edu gov net org " },
	{ "pk", " com edu gov net org " },
	{ "pl", " com edu gov net org " },
	{ "pt", " com edu gov net org " },
	{ "ru", " com msk net org pp spb " },
	{ "sa", " com edu gov net org " },
	{ "sg", " com edu gov net org per " },
	{ "th", " ac co go in net or " },
	{ "tr", " av bel com edu gen gov k12 net org web " },
	{ "tw", " com edu gov idv net org " },
	{ "ua", " com edu gov in kiev net org " },
	{ "uk", " ac co gov ltd me net nhs org plc police sch " },
	{ "uy", " com edu gub net org " },
	{ "ve", " co com gob net org web " },
	{ "vn", " com edu gov net org " },
	{ "za", " ac co gov law net nom org school web " },
	{ "com", " br cn de eu gb hu jpn kr ru sa uk us za " },
	{ "net", " gb hu in jp se uk " },
	{ "org", " ae eu us " },
};

/* clang-format on */

bool
suffix_is_public(const char *name)
{
	const char *dot = strchr(name, '.');
	char word[64];
	size_t i;

	if (dot == NULL || strchr(dot + 1, '.') != NULL || dot - name > 60)
		return false;
	snprintf(word, sizeof(word), " %.*s ", (int)(dot - name), name);
	for (i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (strcmp(suffixes[i].top, dot + 1) == 0)
			return strstr(suffixes[i].second, word) != NULL;
	return false;
}
