/*
 * The settings of a DNS list, a line each, its first letter telling which: n
 * its name, r a reply that counts, p a test point, t what is told to a client.
 * What is taken has to work: a name with every address before it, a filter on
 * every reply, words whatever TXT record comes.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config_rows.h"
#include "daemon/config_zone.h"
#include "worker/dns.h"
#include "worker/dnsbl.h"
#include "worker/slot.h"
#include "worker/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const struct config_row row = { .most = 64 };
static struct addr ipv4 = { .family = 4, .bytes = { 255, 255, 255, 255 } };
static struct addr ipv6 = { .family = 6 };

/* One line of the input, whatever it is, into the zone. */
static void
take_line(struct zone *z, const char *line, char why[CONFIG_WHY_MAX])
{
	switch (line[0]) {
	case 'n':
		free(z->name);
		z->name = NULL;
		config_zone_name(z, line + 1, why);
		break;
	case 'r':
		config_zone_reply(z, &row, line + 1, why);
		break;
	case 'p':
		config_zone_point(&row, &z->probe, line + 1, why);
		break;
	case 't':
		if (config_zone_text(line + 1, why) == -1)
			break;
		free(z->text);
		z->text = config_need(strdup(line + 1));
		break;
	default:
		break;
	}
}

static void
see_replies(const struct zone *z)
{
	struct dns_answer a = { .state = DNS_FOUND, .n = 1 };
	const struct reply_filter *f;
	uint32_t reply;
	size_t i;

	for (i = 0; i < z->nreplies; i++) {
		f = &z->replies[i];
		assert(f->is_mask ? f->first != 0 : f->first <= f->last);
		a.addrs[0] = ipv4;
		a.addrs[0].bytes[0] = (uint8_t)(f->first >> 24);
		a.addrs[0].bytes[1] = (uint8_t)(f->first >> 16);
		a.addrs[0].bytes[2] = (uint8_t)(f->first >> 8);
		a.addrs[0].bytes[3] = (uint8_t)f->first;
		switch (zone_reply(z, &a, &reply)) {
		case ZONE_LISTED:
			assert(zone_error_text(reply, false) == NULL);
			break;
		case ZONE_ERROR:
			assert(zone_error_text(reply, false) != NULL);
			break;
		default:
			abort();
		}
	}
}

static void
see_words(struct zone *z)
{
	struct settings set = { .zones = z, .nzones = 1 };
	struct state state = { .words = 0 };
	struct dnsbl b = { .set = &set, .state = &state };
	const char *p;

	z->mode = MODE_ON;
	assert(dnsbl_begin(&b, NULL, &ipv4) == 0);
	b.text_of = dnsbl_listing(&b, 0, OF_CLIENT);
	strlcpy(b.text, "$txt: $ip, $", sizeof(b.text));
	p = dnsbl_words(&b, b.text_of);
	assert(strlen(p) < DNSBL_WORDS_MAX);
	for (; *p != '\0'; p++)
		assert(*p >= ' ' && *p <= '~');
	dnsbl_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct zone z = { .weight = 1, .of = 1u << OF_CLIENT };
	char question[NAME_TEXT_MAX], why[CONFIG_WHY_MAX];
	char *text = config_need(malloc(len + 1)), *rest = text, *line;

	memcpy(text, data, len);
	text[len] = '\0';
	while ((line = strsep(&rest, "\n")) != NULL)
		take_line(&z, line, why);
	if (z.text == NULL)
		z.text = config_need(strdup(""));
	if (z.name != NULL && config_zone_check(&z, why) == 0) {
		assert(zone_addr_question(question, &z, &ipv4) == 0);
		assert(zone_addr_question(question, &z, &ipv6) == 0);
		assert(strlen(z.show_as) <= strlen(z.name));
		see_words(&z);
	}
	see_replies(&z);
	config_zone_free(&z);
	free(text);
	return 0;
}
