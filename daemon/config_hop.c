/*
 * TLS to next hops, as it is set. A setting that would not be looked at is a
 * mistake: who wrote it believes that somebody is verified.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config_hop.h"
#include "worker/hop_rules.h"
#include "worker/settings.h"

#define PIN_HEAD   "sha256:"
#define PIN_DIGITS 64

int
config_hop_pin(const struct config_row *row, struct strings *list,
    const char *text, char why[CONFIG_WHY_MAX])
{
	char pin[sizeof(PIN_HEAD) + PIN_DIGITS];
	const char *digits = text + sizeof(PIN_HEAD) - 1;
	char *p;

	if (strncmp(text, PIN_HEAD, sizeof(PIN_HEAD) - 1) != 0 ||
	    strlen(digits) != PIN_DIGITS ||
	    strspn(digits, "0123456789abcdefABCDEF") != PIN_DIGITS)
		return config_refuse(why,
		    "\"%.100s\" is not " PIN_HEAD " and %d hexadecimal digits",
		    text, PIN_DIGITS);
	strlcpy(pin, text, sizeof(pin));
	for (p = pin; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return config_add_string(row, list, pin, why);
}

int
config_hop_check(const struct next_hop *hop, char why[CONFIG_WHY_MAX])
{
	bool required = hop->tls == TLS_REQUIRED;
	bool pinned = hop->pin.n > 0;
	char host[NAME_TEXT_MAX];

	if (pinned && !required)
		return config_refuse(why, "pin wants tls = \"required\"");
	if (hop->tls_ca != NULL && !required)
		return config_refuse(why, "tls_ca wants tls = \"required\"");
	if (hop->tls_name != NULL && hop->tls == TLS_OFF)
		return config_refuse(why, "tls_name wants tls");
	if (hop->tls_ca != NULL && pinned)
		return config_refuse(why,
		    "pin decides alone: tls_ca has no say beside it");
	if (required && !pinned && hop->tls_name == NULL &&
	    !hop_host_name(host, hop->name))
		return config_refuse(why,
		    "tls = \"required\" wants tls_name or pin");
	return 0;
}

void
config_hop_free(struct next_hop *hop)
{
	config_strings_free(&hop->pin);
	free(hop->tls_ca);
	free(hop->tls_name);
	free(hop->name);
}
