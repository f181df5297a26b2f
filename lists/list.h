/*
 * The public face of the lists: addresses and names in their canonical form,
 * the nine lists with their actions, look-ups in an open generation, and the
 * compiler that builds one. Nothing here logs, replies or knows a session;
 * trouble is handed back in a struct list_error.
 */
#ifndef LICTOR_LIST_H
#define LICTOR_LIST_H

#include <sys/types.h>
#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ------------------------------------------------------------- addresses */

/* An IPv4 or IPv6 address. IPv4-mapped IPv6 is always held as IPv4. */
struct addr {
	uint8_t family;	   /* 4 or 6; 0 is no address */
	uint8_t bytes[16]; /* network order; IPv4 uses the first four */
};

struct prefix {
	struct addr addr; /* host bits are zero */
	uint8_t len;	  /* 0..32 or 0..128 */
};

#define ADDR_TEXT_MAX	46 /* longest text of an address, with its NUL */
#define PREFIX_TEXT_MAX 50

/*
 * Read an address ("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"). No
 * leading zeros, no brackets, no zone. 0, or -1.
 */
int addr_parse(struct addr *, const char *text);

/*
 * Read an address or "address/len". A bare address is a full-length prefix. A
 * mapped ::ffff:0:0/96 or longer becomes IPv4. Host bits are cleared;
 * *hostbits tells whether any were set. 0, or -1.
 */
int prefix_parse(struct prefix *, const char *text, bool *hostbits);

/* The address of an AF_INET or AF_INET6 socket address; else family 0. */
void addr_from_sockaddr(struct addr *, const struct sockaddr *);

/* The socket address of an address and a port; its length. */
socklen_t
addr_to_sockaddr(const struct addr *, uint16_t port, struct sockaddr_storage *);

/* RFC 5952 text into buf; returns buf. */
const char *addr_format(const struct addr *, char buf[ADDR_TEXT_MAX]);

/* As addr_format, with "/len" unless the prefix is one whole address. */
const char *prefix_format(const struct prefix *, char buf[PREFIX_TEXT_MAX]);

bool addr_equal(const struct addr *, const struct addr *);
bool prefix_contains(const struct prefix *, const struct addr *);

/* True when the two prefixes have an address in common. */
bool prefix_meets(const struct prefix *, const struct prefix *);

/* ----------------------------------------------------------------- names */

#define NAME_TEXT_MAX	 256 /* a domain name of 255 octets, with its NUL */
#define MAILBOX_TEXT_MAX 544 /* local part, @, domain, NUL */

/*
 * Check a domain name (letters, digits, dash, underscore; labels of 1 to 63
 * octets, none empty; 255 in all; no trailing dot) and write it in lower
 * case. 0, or -1 when it is none.
 */
int name_canonical(char out[NAME_TEXT_MAX], const char *text, size_t len);

/*
 * As name_canonical, of a name that may have labels in UTF-8 (U-labels): each
 * becomes its A-label, xn--..., so that both ways to write it are the same.
 */
int name_from_text(char out[NAME_TEXT_MAX], const char *text, size_t len);

/* UTF-8 (RFC 3629) without control characters? */
bool utf8_is_text(const char *, size_t len);
bool utf8_is_ascii(const char *, size_t len);

/*
 * Read the local part that text begins with, a dot-string or a quoted string
 * (RFC 5321, section 4.1.2), into out as it means: unquoted, case kept. Octets
 * above 0x7f are taken (RFC 6531); whether they are UTF-8 is not asked. The
 * number of octets it takes up, or 0: there is none, or out is too small.
 */
size_t local_parse(char *out, size_t size, const char *text, size_t len);

/*
 * Write a local part, in quotes only where it must be; not terminated. Its
 * length, or 0 when out is too small.
 */
size_t local_format(char *out, size_t size, const char *local);

/* ------------------------------------------------------------- the lists */

enum list_id {
	LIST_BANNED,
	LIST_BANS,
	LIST_NAMES,
	LIST_RELAY,
	LIST_DOMAINS,
	LIST_SENDERS,
	LIST_RECIPIENTS,
	LIST_ROUTES,
	LIST_WORDS,
	LIST_COUNT
};

enum list_action {
	ACT_REJECT,
	ACT_DEFER,
	ACT_DROP,
	ACT_ALLOW,
	ACT_RELAY,
	ACT_DENY,
	ACT_ACCEPT,
	ACT_OPEN,
	ACT_MOVED,
	ACT_FORWARD,
	ACT_TAG,
	ACT_SMTP,
	ACT_MX,
	ACT_LMTP,
	ACT_MAILDIR,
	ACT_COUNT
};

/* How a key came to match; the lower, the more specific. */
enum list_match {
	MATCH_EXACT,	 /* this very address or name */
	MATCH_EXTENSION, /* the address without its +extension */
	MATCH_DOMAIN,	 /* @domain, or a prefix that holds the address */
	MATCH_PARENT,	 /* .domain or @.domain of it or of a parent */
	MATCH_ANY,	 /* * */
};

/*
 * One entry. The strings lie in the mapped list and live until the
 * generation is closed; none is NULL.
 */
struct list_entry {
	enum list_id list;
	enum list_action action;
	enum list_match match;
	uint8_t prefix_len;   /* of an address key; else 0 */
	const char *argument; /* NEW of moved and forward; a route's target */
	const char *text;     /* the reply text, "" when the entry has none */
	const char *file;     /* source file, relative to source_dir */
	unsigned line;
	int64_t until; /* seconds since 1970 UTC at which it ends; 0: never */
};

#define ROUTE_PATH_MAX 256 /* the path of a maildir: route, with its NUL */
#define LIST_LOCAL     "%{local}" /* what may stand in it for the recipient */
#define LIST_DOMAIN    "%{domain}"

enum list_found {
	LIST_FOUND,
	LIST_NONE,
	LIST_DAMAGED /* unknown: neither found nor absent */
};

struct list_error {
	char file[256]; /* as in messages: a path, or a list's name */
	unsigned line;	/* 0: none */
	char text[256];
};

const char *list_name(enum list_id);
/* The list of that name, or -1. */
int list_by_name(const char *);
/* "reject", "allow", ...; of a route the scheme: "smtp", "maildir", ... */
const char *list_action_name(enum list_action);

/* ----------------------------------------------------------------- times */

/*
 * An RFC 3339 time with a zone, or a date, which ends at 24:00 UTC: seconds
 * since 1970 UTC, or -1 with a reason.
 */
int64_t until_parse(const char *, size_t len, const char **why);

/*
 * A time as above, or a span from now: a number of seconds, minutes, hours or
 * days (90s, 30m, 2h, 7d). One that has passed is none.
 */
int64_t until_from(const char *, int64_t now, const char **why);

#define UNTIL_MAX 24
/* RFC 3339 in UTC into out; returns out. */
const char *until_format(int64_t, char out[UNTIL_MAX]);

/* ----------------------------------------------------------- generations */

struct generation; /* all nine lists, open, of one generation */

enum generation_state {
	GENERATION_SAME, /* what was open is still current */
	GENERATION_NEW,	 /* a newer one was opened, the old one is closed */
	GENERATION_BAD	 /* the current one is damaged or absent; *g stays */
};

/*
 * Look at state_dir/current (one readlink) and see that *g, which may point
 * to NULL, is that generation. It is opened whole or not at all; what is open
 * stays when the new one is damaged. With GENERATION_BAD the error is filled,
 * and errno is EPROTO where a list is damaged; the same damaged generation is
 * not opened a second time by this process.
 */
enum generation_state
generation_refresh(struct generation **g, int state_dirfd, struct list_error *);

/* The text of the link it was opened by, "generations/7". */
const char *generation_name(const struct generation *);
uint64_t generation_number(const struct generation *);

/*
 * Begin a session on this generation: the next look-up in each list checks
 * once that its file is still the one that was opened (a file changed in
 * place is damage). In a list that was empty, of which nothing can be read
 * wrongly, it does so in the first session, and then in every hundredth.
 */
void generation_begin(struct generation *);
/* Has a look-up found a list of it damaged since it was opened? */
bool generation_damaged(const struct generation *, struct list_error *);
void generation_close(struct generation *);

/* Number of records, whether any key is a name, and so on, of one list. */
struct list_info {
	uint64_t count;
	bool has_names; /* at least one key is a name (names, relay) */
	const char
	    *first; /* domains: the first plain domain as written, or "" */
	/*
	 * routes: where its entries lead, each once, with blanks between: the
	 * targets of smtp as they are stored, "lmtp:TARGET", "mx:DOMAIN:PORT",
	 * "maildir"; "many" for more than can be told. Lists of older versions
	 * have "other" too, for what is unknown. NULL: it does not tell.
	 */
	const char *hops;
};

void
generation_info(const struct generation *, enum list_id, struct list_info *);

/* A list and where it comes from, for people. */
struct list_status {
	uint64_t count, octets;
	uint8_t v4[33], v6[129]; /* prefix lengths there are, falling */
	unsigned nv4, nv6;
	bool has_names;
	int64_t built; /* when it was compiled */
};

enum source_state {
	SOURCE_SAME,	/* as it was compiled */
	SOURCE_CHANGED, /* other octets now */
	SOURCE_NEW,	/* not there then */
	SOURCE_GONE	/* not there now */
};

/*
 * Fill the status, and call each for every source file, relative to
 * source_dir, there was or is. 0, or -1: a source cannot be read, which the
 * error tells, and none was told of.
 */
int list_status(const struct generation *, enum list_id, const char *source_dir,
    struct list_status *,
    void (*each)(void *, const char *file, enum source_state), void *arg,
    struct list_error *);

/*
 * The look-ups. now is in seconds since 1970 UTC: an entry that has expired is
 * passed over and wider keys are tried. The most specific key wins.
 */

/* banned, bans, relay: the longest prefix that holds the address. */
enum list_found list_find_addr(const struct generation *, enum list_id,
    const struct addr *, int64_t now, struct list_entry *);

/* names, relay, domains: the name, then .name and each parent's .parent. */
enum list_found list_find_name(const struct generation *, enum list_id,
    const char *name, int64_t now, struct list_entry *);

/*
 * senders, recipients, routes: the mailbox; without its +extension; @domain;
 * @.domain and each @.parent. In routes the domain keys are domain, .domain
 * and last *. local is the local part as it means, unquoted; domain is in
 * canonical form. The null sender is local "" and domain "".
 */
enum list_found list_find_mailbox(const struct generation *, enum list_id,
    const char *local, const char *domain, int64_t now, struct list_entry *);

#define TARGETS_MOST	8     /* hosts of one route */
#define TARGETS_MAX	255   /* octets of them all, with joints and ports */
#define TARGET_TEXT_MAX 272   /* one: a name and a port, or a socket's path */
#define LIST_MX		"mx:" /* before a target that is not smtp's */
#define LIST_LMTP	"lmtp:"

/* One next hop of a route's argument, as it is stored. */
struct list_target {
	char text[TARGET_TEXT_MAX]; /* "192.0.2.1:25", "mx.example.org:25" */
	char host[NAME_TEXT_MAX];   /* its name; "": an address or a socket */
	struct addr addr;	    /* family 0: a name or a socket */
	uint16_t port;		    /* 0: a socket, whose path text is */
	char joint; /* behind it: ',' in order, '|' in turn; NUL: no more */
};

/*
 * Check a next hop as it is written, HOST[:PORT], a socket's path or
 * mx:DOMAIN[:PORT], and put it down as it is stored, with its port. 0, or -1
 * with what is wrong.
 */
int list_target_parse(char out[TARGET_TEXT_MAX], const char *text,
    const char **why);

/*
 * Take the first next hop off an argument of smtp, lmtp or mx; what is left of
 * it is returned. NULL: it is none that the compiler has written.
 */
const char *list_target(struct list_target *, const char *argument);

/*
 * Find KEY as an administrator writes it in list id (lictor-query): an
 * address, a name, a mailbox, <>. LIST_NONE with errno EINVAL when the key is
 * none of the list's kinds.
 */
enum list_found
list_find_text(const struct generation *, enum list_id, const char *key,
    int64_t now, struct list_entry *, char matched[MAILBOX_TEXT_MAX]);

/* Write an entry as a line of source, without a newline; key as matched. */
void list_print(FILE *, const char *key, const struct list_entry *);

/*
 * Call each for every entry of a list, in the order of its source, expired
 * ones among them. 0, -1 damaged.
 */
int list_walk(const struct generation *, enum list_id,
    void (*each)(void *, const char *key, const struct list_entry *),
    void *arg);

/* Write a list as a source that compiles to the same records. 0, -1 damaged. */
int list_dump(const struct generation *, enum list_id, FILE *);

/* -------------------------------------------------- sources from elsewhere */

/*
 * Entries that a program puts together for one list, as if they stood in a
 * source. They are read by the grammar of the lists, so that what is written
 * in the end compiles.
 */
struct list_draft;

struct list_draft *list_draft_new(enum list_id,
    void (*report)(void *, bool warning, const struct list_error *),
    void *report_arg);

/*
 * Add an entry; of e its action, argument, text and until count, and file and
 * line, which say where it came from and name it in messages. 0, or -1 after
 * what is wrong with it was reported.
 */
int list_draft_add(struct list_draft *, const char *key,
    const struct list_entry *e);

/*
 * Bring them together as the compiler does: each key once, and the same key
 * with another action is an error. 0, or -1 after reporting.
 */
int list_draft_merge(struct list_draft *);

/*
 * Write a source, in the order of files and lines. comment, which may be NULL,
 * gives what is to stand as a comment behind the entries of a line, or NULL.
 */
void list_draft_print(struct list_draft *, FILE *,
    const char *(*comment)(void *, const char *file, unsigned line), void *);
size_t list_draft_count(const struct list_draft *);
void list_draft_free(struct list_draft *);

/* -------------------------------------------------------------- compiling */

/* Where the gateway itself can be reached. */
struct list_own {
	struct prefix net;
	uint16_t port;
};

struct list_compile {
	const char *source_dir;
	const char *state_dir;
	gid_t gid;	 /* group that may read the lists, or (gid_t)-1 */
	unsigned wanted; /* bits of enum list_id; 0: all that changed */
	bool force;	 /* override the guards */
	bool check;	 /* -n: parse and guard, write nothing */

	/* What no ban may meet and no route may leave; all may be NULL/0. */
	const struct prefix *protect;
	size_t nprotect;
	const struct addr *listen; /* unspecified addresses are left out */
	size_t nlisten;
	const struct prefix *proxies; /* they name clients: not to relay */
	size_t nproxies;
	const struct list_own *own; /* no route may lead back to us */
	size_t nown;
	char *const *maildir_roots;
	size_t nmaildir_roots;
	char *const *lmtp_sockets;
	size_t nlmtp_sockets;

	/* Each message as it is found; warning or error. */
	void (*report)(void *, bool warning, const struct list_error *);
	void *report_arg;

	/*
	 * Now and then while a long list is read, written or checked: what is
	 * done, and how much of all. NULL: nobody looks on.
	 */
	void (*progress)(void *, enum list_id, const char *what, size_t done,
	    size_t all);
	void *progress_arg;
};

enum compile_outcome {
	COMPILE_DONE,	   /* a new generation is in force */
	COMPILE_UNCHANGED, /* nothing to do */
	COMPILE_ERRORS,	   /* sources refused; the old generation stays */
	COMPILE_TROUBLE	   /* the environment: disk, permission, lock */
};

/*
 * Build a generation from the sources (design: parse everything, report every
 * error, and on any leave all as it was), one compiler at a time. name
 * receives the link text of the generation now in force.
 */
enum compile_outcome
list_compile(const struct list_compile *, char *name, size_t size);

/*
 * Swing current back to the generation before the one in force. The lists
 * that differ stay as they were until their sources change or they are
 * named to the compiler. List bans, which programs change at any time, is no
 * generation's own: it is kept as it is.
 */
enum compile_outcome
list_previous(const struct list_compile *, char *name, size_t size);

/*
 * Call each for what a compile would change: an entry that goes, and one that
 * comes. Nothing is written and no guard is asked. COMPILE_UNCHANGED, or why
 * it would not compile.
 */
enum compile_outcome list_diff(const struct list_compile *,
    void (
	*each)(void *, bool comes, const char *key, const struct list_entry *),
    void *arg);

/* ------------------------------------------------------------------- bans */

/* The source of list bans that lictor-ban keeps, below source_dir. */
#define BAN_FILE "bans.d/lictor-ban"

struct list_ban {
	bool add; /* else take it out */
	struct prefix net;
	int64_t until;	  /* when it ends; 0: never */
	const char *text; /* the reply text, or "" */
	bool absent;	  /* set: there was none to take out */
};

/*
 * Change one entry of BAN_FILE, drop those of it that have expired, and put
 * list bans, and no other, into force. Of a net that is there already the
 * later end stays, and the text unless there is a new one. Other files are
 * never written. Guards hold for what is not in force yet. COMPILE_UNCHANGED
 * when all was so already; on errors the file and the generation stay as they
 * were. One at a time, as list_compile.
 */
enum compile_outcome list_ban(const struct list_compile *, struct list_ban *,
    char *name, size_t size);

#endif
