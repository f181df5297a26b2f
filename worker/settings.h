/*
 * The settings as plain data: what the configuration file says, checked and
 * complete. The master reads them; a worker inherits them by fork and never
 * changes them. All strings are owned by the struct and none is NULL unless
 * its line says so.
 */
#ifndef LICTOR_SETTINGS_H
#define LICTOR_SETTINGS_H

#include <sys/types.h>

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lists/list.h"

#define LISTEN_MAX	64  /* addresses to listen on */
#define NAMESERVERS_MAX 6   /* udns takes no more */
#define ZONES_MAX	256 /* DNS lists */
#define TLS_PAIRS_MAX	64  /* certificates, each with its key */

struct strings {
	char **item;
	size_t n;
};

struct prefixes {
	struct prefix *item;
	size_t n;
};

struct endpoint {
	struct addr addr;
	uint16_t port;
	char *text; /* as written; NULL: not from the settings */
};

enum test_id {
	TEST_BANNED,
	TEST_RDNS,
	TEST_RELAY,
	TEST_DNSBL,
	TEST_EARLY_TALKER,
	TEST_HELO,
	TEST_SENDER,
	TEST_RECIPIENT,
	TEST_COUNT
};

enum test_mode {
	MODE_OFF,
	MODE_WARN,
	MODE_ON
};

enum test_place {
	AT_GREETING,
	AT_RCPT
};

enum test_unknown {
	UNKNOWN_PASS,
	UNKNOWN_DEFER
};

/* What becomes of a CR or LF in a message that is not of a CRLF. */
enum line_ends {
	ENDS_REFUSE,
	ENDS_NORMALISE
};

enum rdns_require {
	RDNS_NONE,
	RDNS_NAME,
	RDNS_RESOLVES,
	RDNS_MATCHES
};

struct test_settings {
	enum test_mode mode;
	enum test_place at;
	enum test_unknown unknown;
	enum rdns_require require; /* rdns */
	int threshold;		   /* dnsbl */
};

/* What is counted by the minute. */
enum rate {
	RATE_CONNECTIONS,
	RATE_MESSAGES,
	RATE_REFUSED, /* recipients */
	RATE_COUNT
};

/* What a DNS list is asked about. */
enum zone_of {
	OF_CLIENT, /* the client's address */
	OF_NAME,   /* its confirmed name */
	OF_HELO,   /* what it said to HELO or EHLO */
	OF_SENDER, /* the domain of MAIL FROM */
	OF_COUNT
};

/* Replies of a DNS list that count: a range, or all bits of a mask set. */
struct reply_filter {
	bool is_mask;
	uint32_t first, last; /* host order; first is the mask */
	char *text;	      /* as written */
};

/* One DNS list (RFC 5782). */
struct zone {
	char *name;    /* what is asked; may hold a key */
	char *show_as; /* what is shown of it, to anybody */
	char *text;    /* of a refusal; "": the usual one */
	enum test_mode mode;
	int weight;		      /* negative: it allows */
	unsigned of;		      /* bits of enum zone_of */
	struct reply_filter *replies; /* none: all that are no errors */
	size_t nreplies;
	struct strings probe; /* one listed, one clean; none: RFC 5782's */
	unsigned entry;	      /* its place in the shared state */
};

/* How much TLS there is for the clients of a listener, or to a next hop. */
enum tls_level {
	TLS_OFF,
	TLS_OPTIONAL, /* STARTTLS is offered, or used where it is */
	TLS_REQUIRED  /* and there is no mail without it */
};

/* What differs for one of the addresses of listen: a section listener. */
struct listener {
	struct endpoint at;
	bool used; /* it is in listen; else this is not in force */
	enum tls_level tls;
	/*
	 * The proxies that name its clients; none: they come by themselves. The
	 * line is that of the setting.
	 */
	struct prefixes proxy_from;
	unsigned proxy_from_line;
};

/* How a next hop is told whose mail it gets. */
enum hop_tells {
	TELL_NONE,
	TELL_XFORWARD,
	TELL_XCLIENT,
	TELL_PROXY
};

/* What holds for one next hop: a section next_hop. */
struct next_hop {
	char *name;	 /* as routes have it: "192.0.2.1:25"; NULL: any */
	int connections; /* of all workers together */
	int keep_secs;	 /* a connection that nobody uses is kept so long */
	enum hop_tells client;
	int probe_secs; /* between two visits of the probe helper; 0: none */
	enum tls_level tls; /* required: and it must be who it should be */
	char *tls_name;	    /* to be verified; NULL: that of the section */
	char *tls_ca;	    /* file; NULL: the system's */
	struct strings pin; /* "sha256:..." in lower case; none: by CA */
	unsigned tls_line;  /* of tls_ca, or of the section */
};

/* An address of a name in the hosts file of this host. */
struct host {
	char *name; /* canonical */
	struct addr addr;
};

struct settings {
	char *path; /* of the configuration file */
	char *hostname;
	char *postmaster; /* "": postmaster@ the first domain of list domains */
	struct endpoint *listen;
	size_t nlisten;
	char *user; /* used only when started as root */
	char *source_dir;
	char *state_dir;
	char *spool_dir;
	char *run_dir;
	char *pid_file;
	struct strings maildir_roots;
	struct strings lmtp_sockets;
	struct prefixes protect;
	struct endpoint *nameservers; /* of resolv.conf when none are set */
	size_t nnameservers;
	struct host *hosts; /* by name, and in the order of the file */
	size_t nhosts;
	int dns_deadline_ms; /* for all DNS questions of one step together */
	struct strings open; /* local parts that are open at our domains */
	bool require_helo;   /* MAIL wants HELO or EHLO first */
	bool soft;	     /* every 5xx of ours becomes 4xx */
	int moved_code;	     /* 550 or 551 */
	int forward_code;    /* 251 or 250 */
	enum line_ends bare_ends, bare_ends_bdat;
	struct prefixes normalise_from; /* whose bare line ends are mended */

	struct {
		int min, max, spare;
		int sessions; /* a worker leaves after so many */
	} workers;

	struct {
		int64_t message_bytes;
		int64_t line_bytes; /* in one line of a message */
		int recipients;	    /* in one transaction */
		int per_client;	    /* sessions at once; 0: no limit */
		int errors;	    /* replies 5xx in a session before 421 */
		int idle_commands;  /* commands without effect before 421 */
		int slow_after;	    /* errors before answers slow down */
		int slow_ms;	    /* by so much each */
	} limits;

	int rates[RATE_COUNT]; /* a minute, of one client network; 0: none */

	struct {
		int command_secs; /* for the next command */
		int data_secs;	  /* longest silence within DATA */
		int busy_secs;	  /* both, while nearly all workers are busy */
		int session_secs; /* the whole session */
		int stop_secs;	  /* SIGTERM: what sessions get to finish */
	} timeouts;

	/* Certificates, and behind them as many keys; none: no TLS. */
	struct {
		struct strings certificate, key;
		unsigned certificate_line[TLS_PAIRS_MAX];
		unsigned key_line[TLS_PAIRS_MAX];
	} tls;

	struct listener *listeners; /* sections, in the order of the file */
	size_t nlisteners;

	struct next_hop *next_hops; /* sections, in the order of the file */
	size_t nnext_hops;
	struct next_hop any_hop; /* where there is no section for it */

	struct test_settings tests[TEST_COUNT];
	char *texts[LIST_COUNT]; /* of refusals by entries without a text; NULL
				    or "": the usual one */
	struct zone *zones;	 /* DNS lists, in the order of the file */
	size_t nzones;
	int probe_secs;	    /* between two probes of a DNS list */
	int greet_pause_ms; /* in which an early talker is heard */
};

#endif
