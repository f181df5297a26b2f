/*
 * The formats of lictor-import as a table; the manual page and --help follow
 * its order.
 */
#include <string.h>

#include "tools/import.h"

#define FEED   (IMPORT_FEED | IMPORT_APART)
#define CLIENT (BIT(LIST_BANNED) | BIT(LIST_RELAY))
#define MAIL   (BIT(LIST_SENDERS) | BIT(LIST_RECIPIENTS))

const struct import_format import_formats[] = {
	{ "spamhaus-drop", BIT(LIST_BANNED), LIST_BANNED, FEED, drop_line,
	    drop_end, "Spamhaus DROP as text" },
	{ "spamhaus-json", BIT(LIST_BANNED), LIST_BANNED, FEED | IMPORT_COUNTED,
	    drop_json_line, drop_json_end, "Spamhaus DROP as JSON lines" },
	{ "firehol", BIT(LIST_BANNED), LIST_BANNED, FEED, firehol_line,
	    firehol_end, "FireHOL netset and ipset" },
	{ "plain", CLIENT, LIST_BANNED, FEED, plain_line, NULL,
	    "an address or network a line" },
	{ "postfix-cidr", CLIENT, LIST_BANNED, IMPORT_JOINED, cidr_line,
	    cidr_end, "Postfix cidr_table(5)" },
	{ "postfix-access", CLIENT | MAIL | BIT(LIST_NAMES), -1,
	    IMPORT_JOINED | IMPORT_NAMED, access_line, access_end,
	    "Postfix access(5)" },
	{ "postfix-relay-recipients", BIT(LIST_RECIPIENTS), LIST_RECIPIENTS,
	    IMPORT_JOINED | IMPORT_APART, relay_recipients_line, NULL,
	    "Postfix relay_recipient_maps" },
	{ "postfix-virtual", BIT(LIST_RECIPIENTS) | BIT(LIST_DOMAINS), -1,
	    IMPORT_JOINED, virtual_line, virtual_end, "Postfix virtual(5)" },
	{ "postfix-relocated", BIT(LIST_RECIPIENTS), LIST_RECIPIENTS,
	    IMPORT_JOINED | IMPORT_APART, relocated_line, NULL,
	    "Postfix relocated(5)" },
	{ "postfix-transport", BIT(LIST_ROUTES), LIST_ROUTES, IMPORT_JOINED,
	    transport_line, transport_end, "Postfix transport(5)" },
	{ "tcprules", CLIENT | BIT(LIST_NAMES), -1, IMPORT_BLANKS,
	    tcprules_line, tcprules_end, "rules of tcpserver" },
	{ "qmail-rcpthosts", BIT(LIST_DOMAINS), LIST_DOMAINS, IMPORT_BLANKS,
	    rcpthosts_line, rcpthosts_end, "qmail control/rcpthosts" },
	{ "qmail-badmailfrom", BIT(LIST_SENDERS), LIST_SENDERS,
	    IMPORT_BLANKS | IMPORT_APART, badmailfrom_line, NULL,
	    "qmail control/badmailfrom" },
	{ "qmail-smtproutes", BIT(LIST_ROUTES), LIST_ROUTES, IMPORT_BLANKS,
	    smtproutes_line, smtproutes_end, "qmail control/smtproutes" },
	{ "sendmail-access",
	    CLIENT | MAIL | BIT(LIST_NAMES) | BIT(LIST_DOMAINS), -1,
	    IMPORT_BLANKS, sendmail_line, sendmail_end, "sendmail access map" },
	{ "rbldnsd-ip4set", BIT(LIST_BANNED), LIST_BANNED, IMPORT_FEED,
	    ip4set_line, ip4set_end, "rbldnsd data set ip4set" },
	{ "rbldnsd-ip4trie", BIT(LIST_BANNED), LIST_BANNED, IMPORT_FEED,
	    iptrie_line, iptrie_end, "rbldnsd data set ip4trie" },
	{ "rbldnsd-ip6trie", BIT(LIST_BANNED), LIST_BANNED, IMPORT_FEED,
	    iptrie_line, iptrie_end, "rbldnsd data set ip6trie" },
	{ "rbldnsd-dnset", BIT(LIST_NAMES) | BIT(LIST_SENDERS), -1,
	    IMPORT_FEED | IMPORT_NAMED, dnset_line, dnset_end,
	    "rbldnsd data set dnset" },
	{ "opensmtpd", CLIENT | MAIL | BIT(LIST_NAMES) | BIT(LIST_DOMAINS), -1,
	    IMPORT_NAMED, opensmtpd_line, opensmtpd_end, "OpenSMTPD table(5)" },
};

const size_t import_nformats = sizeof(import_formats) /
    sizeof(import_formats[0]);

const struct import_format *
import_format_find(const char *name)
{
	size_t i;

	for (i = 0; i < import_nformats; i++)
		if (strcmp(import_formats[i].name, name) == 0)
			return &import_formats[i];
	return NULL;
}
