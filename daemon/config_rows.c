/*
 * The one table of settings. A new setting is a row here, a field in
 * worker/settings.h and a paragraph in man/lictor.conf.5. A row whose place
 * is NOWHERE is checked for its type and otherwise passed over.
 */
#include <string.h>

#include "daemon/config_rows.h"
#include "worker/settings.h"

#define AT(field) offsetof(struct settings, field)
#define IN(field) offsetof(struct zone, field)
#define OF(field) offsetof(struct listener, field)
#define TO(field) offsetof(struct next_hop, field)
#define NOWHERE	  ROW_NOWHERE
#define DAY	  86400
#define INT_31	  INT32_MAX

static const char *const modes[] = { "off", "warn", "on", NULL };
static const char *const places[] = { "greeting", "rcpt", NULL };
static const char *const unknowns[] = { "pass", "defer", NULL };
static const char *const requires[] = { "none", "name", "resolves", "matches",
	NULL };
static const char *const line_ends[] = { "refuse", "normalise", NULL };
static const char *const levels[] = { "off", "optional", "required", NULL };
static const char *const things[] = { "client", "name", "helo", "sender",
	NULL };
static const char *const clients[] = { "none", "xforward", "xclient", "proxy",
	NULL };

/* clang-format off */
const struct config_row config_rows[] = {
	/* section, title, name, kind, place, default, least, most, words */
	{ NULL, NULL, "hostname", ROW_HOST, AT(hostname), NULL, 0, 0, NULL },
	{ NULL, NULL, "postmaster", ROW_MAILBOX, AT(postmaster), "",
	    0, 0, NULL },
	{ NULL, NULL, "listen", ROW_LISTEN, AT(listen),
	    "0.0.0.0:25 [::]:25", 1, LISTEN_MAX, NULL },
	{ NULL, NULL, "user", ROW_USER, AT(user), "_lictor", 0, 0, NULL },
	{ NULL, NULL, "source_dir", ROW_PATH, AT(source_dir),
	    "/etc/lictor/lists", 0, 0, NULL },
	{ NULL, NULL, "state_dir", ROW_PATH, AT(state_dir),
	    "/var/lib/lictor", 0, 0, NULL },
	{ NULL, NULL, "spool_dir", ROW_PATH, AT(spool_dir),
	    "/var/spool/lictor", 0, 0, NULL },
	{ NULL, NULL, "run_dir", ROW_PATH, AT(run_dir),
	    "/run/lictor", 0, 0, NULL },
	{ NULL, NULL, "pid_file", ROW_PATH, AT(pid_file),
	    "/run/lictord.pid", 0, 0, NULL },
	{ NULL, NULL, "maildir_roots", ROW_PATHS, AT(maildir_roots),
	    "/var/mail", 0, 256, NULL },
	{ NULL, NULL, "lmtp_sockets", ROW_SOCKETS, AT(lmtp_sockets),
	    "/run/dovecot/lmtp", 0, 256, NULL },
	{ NULL, NULL, "nameservers", ROW_ENDPOINTS, AT(nameservers),
	    NULL, 1, NAMESERVERS_MAX, NULL },
	{ NULL, NULL, "dns_deadline_ms", ROW_INT, AT(dns_deadline_ms),
	    "5000", 100, 60000, NULL },
	{ NULL, NULL, "protect", ROW_PREFIXES, AT(protect),
	    "127.0.0.0/8 ::1/128", 0, 4096, NULL },
	{ NULL, NULL, "open", ROW_LOCALS, AT(open),
	    "postmaster abuse", 0, 256, NULL },
	{ NULL, NULL, "require_helo", ROW_BOOL, AT(require_helo),
	    "true", 0, 0, NULL },
	{ NULL, NULL, "soft", ROW_BOOL, AT(soft), "false", 0, 0, NULL },
	{ NULL, NULL, "moved_code", ROW_INT, AT(moved_code),
	    "550", 550, 551, NULL },
	{ NULL, NULL, "forward_code", ROW_INT, AT(forward_code),
	    "251", 250, 251, NULL },
	{ NULL, NULL, "bare_line_ends", ROW_WORD, AT(bare_ends),
	    "refuse", 0, 0, line_ends },
	{ NULL, NULL, "bare_line_ends_bdat", ROW_WORD, AT(bare_ends_bdat),
	    "normalise", 0, 0, line_ends },
	{ NULL, NULL, "normalise_from", ROW_PREFIXES, AT(normalise_from),
	    NULL, 0, 4096, NULL },

	{ "workers", NULL, "min", ROW_INT, AT(workers.min),
	    "8", 1, 16384, NULL },
	{ "workers", NULL, "max", ROW_INT, AT(workers.max),
	    "400", 1, 16384, NULL },
	{ "workers", NULL, "spare", ROW_INT, AT(workers.spare),
	    "4", 1, 16384, NULL },
	{ "workers", NULL, "sessions", ROW_INT, AT(workers.sessions),
	    "1000", 1, 1000000, NULL },

	{ "limits", NULL, "message_bytes", ROW_SIZE, AT(limits.message_bytes),
	    "52428800", 65536, INT_31, NULL },
	{ "limits", NULL, "line_bytes", ROW_SIZE, AT(limits.line_bytes),
	    "1048576", 998, INT_31, NULL },
	{ "limits", NULL, "recipients", ROW_INT, AT(limits.recipients),
	    "1000", 1, 100000, NULL },
	{ "limits", NULL, "per_client", ROW_INT, AT(limits.per_client),
	    "50", 0, 16384, NULL },
	{ "limits", NULL, "errors", ROW_INT, AT(limits.errors),
	    "20", 1, 1000000, NULL },
	{ "limits", NULL, "idle_commands", ROW_INT, AT(limits.idle_commands),
	    "100", 1, 1000000, NULL },
	{ "limits", NULL, "slow_after", ROW_INT, AT(limits.slow_after),
	    "10", 0, 1000000, NULL },
	{ "limits", NULL, "slow_ms", ROW_INT, AT(limits.slow_ms),
	    "1000", 0, 10000, NULL },

	{ "rates", NULL, "connections", ROW_INT, AT(rates[RATE_CONNECTIONS]),
	    "0", 0, 60000, NULL },
	{ "rates", NULL, "messages", ROW_INT, AT(rates[RATE_MESSAGES]),
	    "0", 0, 60000, NULL },
	{ "rates", NULL, "refused", ROW_INT, AT(rates[RATE_REFUSED]),
	    "0", 0, 60000, NULL },

	{ "timeouts", NULL, "command_secs", ROW_INT, AT(timeouts.command_secs),
	    "300", 1, DAY, NULL },
	{ "timeouts", NULL, "data_secs", ROW_INT, AT(timeouts.data_secs),
	    "300", 1, DAY, NULL },
	{ "timeouts", NULL, "busy_secs", ROW_INT, AT(timeouts.busy_secs),
	    "10", 1, DAY, NULL },
	{ "timeouts", NULL, "session_secs", ROW_INT, AT(timeouts.session_secs),
	    "3600", 1, DAY, NULL },
	{ "timeouts", NULL, "stop_secs", ROW_INT, AT(timeouts.stop_secs),
	    "60", 1, DAY, NULL },

	{ "tls", NULL, "certificate", ROW_PATHS, AT(tls.certificate),
	    NULL, 0, TLS_PAIRS_MAX, NULL },
	{ "tls", NULL, "key", ROW_PATHS, AT(tls.key),
	    NULL, 0, TLS_PAIRS_MAX, NULL },

	{ "listener", NULL, "tls", ROW_WORD, OF(tls),
	    "optional", 0, 0, levels },
	{ "listener", NULL, "proxy_from", ROW_PREFIXES, OF(proxy_from),
	    NULL, 1, 256, NULL },

	{ "test", "banned", "mode", ROW_WORD, AT(tests[TEST_BANNED].mode),
	    "on", 0, 0, modes },
	{ "test", "banned", "at", ROW_WORD, AT(tests[TEST_BANNED].at),
	    "greeting", 0, 0, places },
	{ "test", "banned", "unknown", ROW_WORD,
	    AT(tests[TEST_BANNED].unknown), "defer", 0, 0, unknowns },
	{ "test", "rdns", "mode", ROW_WORD, AT(tests[TEST_RDNS].mode),
	    "on", 0, 0, modes },
	{ "test", "rdns", "at", ROW_WORD, AT(tests[TEST_RDNS].at),
	    "rcpt", 0, 0, places },
	{ "test", "rdns", "require", ROW_WORD, AT(tests[TEST_RDNS].require),
	    "none", 0, 0, requires },
	{ "test", "rdns", "unknown", ROW_WORD, AT(tests[TEST_RDNS].unknown),
	    "pass", 0, 0, unknowns },
	{ "test", "relay", "mode", ROW_WORD, AT(tests[TEST_RELAY].mode),
	    "on", 0, 0, modes },
	{ "test", "relay", "at", ROW_WORD, NOWHERE, NULL, 0, 0, places },
	{ "test", "relay", "unknown", ROW_WORD, AT(tests[TEST_RELAY].unknown),
	    "defer", 0, 0, unknowns },
	{ "test", "dnsbl", "mode", ROW_WORD, AT(tests[TEST_DNSBL].mode),
	    "on", 0, 0, modes },
	{ "test", "dnsbl", "at", ROW_WORD, AT(tests[TEST_DNSBL].at),
	    "rcpt", 0, 0, places },
	{ "test", "dnsbl", "threshold", ROW_INT,
	    AT(tests[TEST_DNSBL].threshold), "1", 1, 1000000, NULL },
	{ "test", "dnsbl", "unknown", ROW_WORD, AT(tests[TEST_DNSBL].unknown),
	    "pass", 0, 0, unknowns },
	{ "test", "dnsbl", "probe_secs", ROW_INT, AT(probe_secs),
	    "600", 10, DAY, NULL },
	{ "test", "early_talker", "mode", ROW_WORD,
	    AT(tests[TEST_EARLY_TALKER].mode), "off", 0, 0, modes },
	{ "test", "early_talker", "at", ROW_WORD,
	    AT(tests[TEST_EARLY_TALKER].at), "greeting", 0, 0, places },
	{ "test", "early_talker", "greet_pause", ROW_INT, AT(greet_pause_ms),
	    "2000", 0, 30000, NULL },
	{ "test", "helo", "mode", ROW_WORD, AT(tests[TEST_HELO].mode),
	    "warn", 0, 0, modes },
	{ "test", "helo", "at", ROW_WORD, AT(tests[TEST_HELO].at),
	    "rcpt", AT_RCPT, 0, places },
	{ "test", "helo", "unknown", ROW_WORD, AT(tests[TEST_HELO].unknown),
	    "pass", 0, 0, unknowns },
	{ "test", "sender", "mode", ROW_WORD, AT(tests[TEST_SENDER].mode),
	    "on", 0, 0, modes },
	{ "test", "sender", "at", ROW_WORD, AT(tests[TEST_SENDER].at),
	    "rcpt", AT_RCPT, 0, places },
	{ "test", "sender", "unknown", ROW_WORD,
	    AT(tests[TEST_SENDER].unknown), "pass", 0, 0, unknowns },
	{ "test", "recipient", "mode", ROW_WORD,
	    AT(tests[TEST_RECIPIENT].mode), "on", 0, 0, modes },
	{ "test", "recipient", "at", ROW_WORD, NOWHERE, NULL, 0, 0, places },
	{ "test", "recipient", "unknown", ROW_WORD,
	    AT(tests[TEST_RECIPIENT].unknown), "defer", 0, 0, unknowns },

	{ "list", "banned", "text", ROW_SPEECH, AT(texts[LIST_BANNED]),
	    "", 0, 0, NULL },
	{ "list", "bans", "text", ROW_SPEECH, AT(texts[LIST_BANS]),
	    "", 0, 0, NULL },
	{ "list", "names", "text", ROW_SPEECH, AT(texts[LIST_NAMES]),
	    "", 0, 0, NULL },
	{ "list", "domains", "text", ROW_SPEECH, AT(texts[LIST_DOMAINS]),
	    "", 0, 0, NULL },
	{ "list", "senders", "text", ROW_SPEECH, AT(texts[LIST_SENDERS]),
	    "", 0, 0, NULL },
	{ "list", "recipients", "text", ROW_SPEECH, AT(texts[LIST_RECIPIENTS]),
	    "", 0, 0, NULL },

	{ "dnsbl", NULL, "mode", ROW_WORD, IN(mode), "on", 0, 0, modes },
	{ "dnsbl", NULL, "replies", ROW_REPLIES, IN(replies),
	    NULL, 0, 256, NULL },
	{ "dnsbl", NULL, "weight", ROW_INT, IN(weight),
	    "1", -1000000, 1000000, NULL },
	{ "dnsbl", NULL, "of", ROW_WORDS, IN(of), "client", 0, 0, things },
	{ "dnsbl", NULL, "text", ROW_WORDING, IN(text), "", 0, 0, NULL },
	{ "dnsbl", NULL, "show_as", ROW_HOST, IN(show_as), NULL, 0, 0, NULL },
	{ "dnsbl", NULL, "probe", ROW_PROBE, IN(probe), NULL, 0, 2, NULL },

	{ "next_hop", NULL, "connections", ROW_INT, TO(connections),
	    "20", 1, 16384, NULL },
	{ "next_hop", NULL, "keep_secs", ROW_INT, TO(keep_secs),
	    "5", 0, 300, NULL },
	{ "next_hop", NULL, "client", ROW_WORD, TO(client),
	    "none", 0, 0, clients },
	{ "next_hop", NULL, "probe_secs", ROW_INT, TO(probe_secs),
	    "300", 0, DAY, NULL },
	{ "next_hop", NULL, "tls", ROW_WORD, TO(tls), "off", 0, 0, levels },
	{ "next_hop", NULL, "tls_name", ROW_HOST, TO(tls_name),
	    NULL, 0, 0, NULL },
	{ "next_hop", NULL, "tls_ca", ROW_PATH, TO(tls_ca), NULL, 0, 0, NULL },
	{ "next_hop", NULL, "pin", ROW_PINS, TO(pin), NULL, 0, 16, NULL },
};
/* clang-format on */
const size_t config_nrows = sizeof(config_rows) / sizeof(config_rows[0]);

const struct config_section config_sections[] = {
	{ "workers", false, BASE_SETTINGS },
	{ "limits", false, BASE_SETTINGS },
	{ "rates", false, BASE_SETTINGS },
	{ "timeouts", false, BASE_SETTINGS },
	{ "test", true, BASE_SETTINGS },
	{ "list", true, BASE_SETTINGS },
	{ "tls", false, BASE_SETTINGS },
	{ "listener", true, BASE_LISTENER },
	{ "dnsbl", true, BASE_ZONE },
	{ "next_hop", true, BASE_HOP },
};
const size_t config_nsections = sizeof(config_sections) /
    sizeof(config_sections[0]);

const struct config_section *
config_section(const char *name)
{
	size_t i;

	for (i = 0; i < config_nsections; i++)
		if (strcmp(config_sections[i].name, name) == 0)
			return &config_sections[i];
	return NULL;
}

bool
config_row_in(const struct config_row *row, const char *section,
    const char *title)
{
	if (section == NULL || row->section == NULL)
		return section == row->section;
	if (strcmp(row->section, section) != 0)
		return false;
	return row->title == NULL ||
	    (title != NULL && strcmp(row->title, title) == 0);
}

const struct config_row *
config_row(const char *section, const char *title, const char *name)
{
	size_t i;

	for (i = 0; i < config_nrows; i++)
		if (config_row_in(&config_rows[i], section, title) &&
		    strcmp(config_rows[i].name, name) == 0)
			return &config_rows[i];
	return NULL;
}

const struct config_row *
config_row_used(const char *section, const char *title)
{
	size_t i;

	for (i = 0; i < config_nrows; i++)
		if (config_row_in(&config_rows[i], section, title) &&
		    config_rows[i].at != ROW_NOWHERE)
			return &config_rows[i];
	return NULL;
}

bool
config_row_is_list(const struct config_row *row)
{
	switch (row->kind) {
	case ROW_PATHS:
	case ROW_SOCKETS:
	case ROW_LOCALS:
	case ROW_LISTEN:
	case ROW_PREFIXES:
	case ROW_ENDPOINTS:
	case ROW_WORDS:
	case ROW_REPLIES:
	case ROW_PROBE:
	case ROW_PINS:
		return true;
	default:
		return false;
	}
}

enum config_base
config_row_base(const struct config_row *row)
{
	return row->section == NULL ? BASE_SETTINGS :
				      config_section(row->section)->base;
}
