/*
 * Read the configuration file. The text goes three ways: the scan finds what
 * libconfuse would let pass, libconfuse turns strings and lists into values,
 * and the rows say what each value may be. A mistake does not end the work:
 * all that can be found are reported, and only then is nothing returned.
 */
#include <sys/stat.h>

#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/config_check.h"
#include "daemon/config_hop.h"
#include "daemon/config_report.h"
#include "daemon/config_rows.h"
#include "daemon/config_scan.h"
#include "daemon/config_value.h"
#include "daemon/config_zone.h"
#include "worker/settings.h"

#define FILE_MAX     (1 << 20)
#define OPTS_MAX     32 /* names in one section, or at the top */
#define SECTIONS_MAX 16

/* libconfuse hands its error function nothing of ours. */
static struct config_log *confuse_log;

/* ------------------------------------------------------------------- text */

static char *
read_fd(int fd, size_t *len)
{
	char *text = config_need(malloc(FILE_MAX + 1));
	struct stat st;
	ssize_t n = 0;

	*len = 0;
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		n = -1;
	}
	while (n != -1 && *len <= FILE_MAX) {
		n = read(fd, text + *len, FILE_MAX + 1 - *len);
		if (n <= 0)
			break;
		*len += (size_t)n;
	}
	if (n == -1 || *len > FILE_MAX) {
		if (n != -1)
			errno = EFBIG;
		free(text);
		return NULL;
	}
	text[*len] = '\0';
	return text;
}

/* The whole file, ended by a NUL, or NULL after saying why. */
static char *
read_file(struct config_log *log, size_t *len)
{
	int fd = open(log->path, O_RDONLY | O_CLOEXEC);
	char *text;

	if (fd == -1) {
		config_error(log, 0, "%s", strerror(errno));
		return NULL;
	}
	if ((text = read_fd(fd, len)) == NULL)
		config_error(log, 0, "%s", strerror(errno));
	close(fd);
	return text;
}

/* ------------------------------------------------------------------ names */

static bool
title_known(const char *section, const char *title)
{
	size_t i;

	for (i = 0; i < config_nrows; i++)
		if (config_row_in(&config_rows[i], section, title))
			return true;
	return false;
}

/* 0, or -1 after saying what is wrong with the section as such. */
static int
check_section(struct loader *l, const struct scan_item *it)
{
	const struct config_section *sec = config_section(it->name);
	struct config_log *log = &l->log;

	if (sec == NULL && config_row(NULL, NULL, it->name) != NULL)
		config_error(log, it->line, "%s is a setting, not a section",
		    it->name);
	else if (sec == NULL)
		config_error(log, it->line, "unknown section \"%.80s\"",
		    it->name);
	else if (sec->titled && (it->title == NULL || it->title[0] == '\0'))
		config_error(log, it->line,
		    "section %s wants a title in quotes", it->name);
	else if (!sec->titled && it->title != NULL)
		config_error(log, it->line, "section %s has no title",
		    it->name);
	else if (!title_known(it->name, it->title))
		config_error(log, it->line, "unknown section %s \"%.80s\"",
		    it->name, it->title);
	else
		return 0;
	return -1;
}

static int
check_setting(struct loader *l, const struct scan_item *it)
{
	const struct scan_item *sec = it->section == -1 ?
	    NULL :
	    &l->scan.items[it->section];
	const char *section = sec != NULL ? sec->name : NULL;
	const char *title = sec != NULL ? sec->title : NULL;
	const struct config_row *row = config_row(section, title, it->name);
	char buf[CONFIG_LABEL_MAX];

	config_label(section, title, it->name, buf);
	if (row == NULL && sec == NULL && config_section(it->name) != NULL)
		config_error(&l->log, it->line,
		    "%s is a section: write %s { ... }", it->name, it->name);
	else if (row == NULL)
		config_error(&l->log, it->line, "unknown setting \"%.80s\"%s%s",
		    it->name, sec != NULL ? " in section " : "",
		    sec != NULL ? config_label(section, title, NULL, buf) : "");
	else if (it->append && !config_row_is_list(row))
		config_error(&l->log, it->line, "%s: += is for lists only",
		    buf);
	else if (it->is_list && !config_row_is_list(row))
		config_error(&l->log, it->line,
		    "%s: one value is wanted, no list", buf);
	else
		return 0;
	return -1;
}

/* Say once of what is there for a later version that it does nothing yet. */
static void
warn_idle(struct loader *l, const struct scan_item *it)
{
	const struct scan_item *sec = it->section == -1 ?
	    NULL :
	    &l->scan.items[it->section];
	const char *section = sec != NULL ? sec->name : NULL;
	const char *title = sec != NULL ? sec->title : NULL;
	char buf[CONFIG_LABEL_MAX];

	if (it->is_section) {
		if (config_row_used(it->name, it->title) != NULL)
			return;
		config_label(it->name, it->title, NULL, buf);
	} else {
		if (sec != NULL && config_row_used(section, title) == NULL)
			return; /* said of the section */
		if (config_row(section, title, it->name)->at != ROW_NOWHERE ||
		    config_scan_find(&l->scan, section, title, it->name) != it)
			return;
		config_label(section, title, it->name, buf);
	}
	config_warning(&l->log, it->line, "%s has no effect in this version",
	    buf);
}

static void
check_names(struct loader *l)
{
	struct scan_item *it;
	size_t i;
	int r;

	for (i = 0; i < l->scan.nitems; i++) {
		it = &l->scan.items[i];
		if (it->bad)
			continue;
		r = it->is_section ? check_section(l, it) :
				     check_setting(l, it);
		if (r == -1)
			config_scan_drop(&l->scan, i);
		else
			warn_idle(l, it);
	}
}

/* ------------------------------------------------------------- libconfuse */

static void __attribute__((format(printf, 2, 0)))
confuse_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	char text[512];

	/* cfg->filename is "[buf]", and NULL in an untitled section. */
	vsnprintf(text, sizeof(text), fmt, ap);
	config_error(confuse_log, (unsigned)cfg->line, "%s", text);
}

static bool
has_option(const cfg_opt_t *opts, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(opts[i].name, name) == 0)
			return true;
	return false;
}

/*
 * The options of a section (NULL: the top) as libconfuse wants them: strings
 * and lists of strings, without defaults. Returns how many.
 */
static size_t
row_options(const char *section, cfg_opt_t opts[OPTS_MAX])
{
	const struct config_row *row;
	size_t i, n = 0;

	for (i = 0; i < config_nrows; i++) {
		row = &config_rows[i];
		if (!config_row_in(row, section, row->title) ||
		    has_option(opts, n, row->name) || n == OPTS_MAX - 1)
			continue;
		if (config_row_is_list(row))
			opts[n++] = (cfg_opt_t)CFG_STR_LIST(row->name, NULL,
			    CFGF_NODEFAULT);
		else
			opts[n++] = (cfg_opt_t)CFG_STR(row->name, NULL,
			    CFGF_NODEFAULT);
	}
	opts[n] = (cfg_opt_t)CFG_END();
	return n;
}

static cfg_t *
parser_new(void)
{
	cfg_opt_t sub[SECTIONS_MAX][OPTS_MAX], top[OPTS_MAX + SECTIONS_MAX];
	const struct config_section *sec;
	size_t i, n = row_options(NULL, top);

	for (i = 0; i < config_nsections && i < SECTIONS_MAX; i++) {
		sec = &config_sections[i];
		row_options(sec->name, sub[i]);
		top[n++] = (cfg_opt_t)CFG_SEC(sec->name, sub[i],
		    sec->titled ?
			CFGF_TITLE | CFGF_MULTI | CFGF_NO_TITLE_DUPES :
			CFGF_NONE);
	}
	top[n] = (cfg_opt_t)CFG_END();
	return config_need(
	    cfg_init(top, CFGF_NONE)); /* it keeps its own copy */
}

static void
parse(struct loader *l)
{
	unsigned before = l->log.errors;

	l->cfg = parser_new();
	cfg_set_error_function(l->cfg, confuse_error);
	confuse_log = &l->log;
	if (cfg_parse_buf(l->cfg, l->scan.text) != CFG_SUCCESS &&
	    l->log.errors == before)
		config_error(&l->log, 0, "this file cannot be parsed");
}

/* ----------------------------------------------------------------- values */

static void
load_default(struct loader *l, void *base, const struct config_row *row)
{
	char copy[256], why[CONFIG_WHY_MAX];
	char *rest = copy, *text;

	if (row->def == NULL)
		return;
	strlcpy(copy, row->def, sizeof(copy));
	while ((text = strsep(&rest, " ")) != NULL)
		if (config_value(base, row, text, why) == -1)
			config_error(&l->log, 0, "default of %s: %s", row->name,
			    why);
}

/*
 * One row in one section, into base, which is what its section has; sec is
 * NULL when the file has no such section.
 */
static void
load_row(struct loader *l, void *base, const struct config_row *row, cfg_t *sec,
    const char *title)
{
	struct scan_item *it = config_scan_find(&l->scan, row->section, title,
	    row->name);
	unsigned i, n = sec != NULL ? cfg_size(sec, row->name) : 0;
	char why[CONFIG_WHY_MAX], buf[CONFIG_LABEL_MAX];
	const char *text;
	bool bad = false;

	if (it == NULL || it->append)
		load_default(l, base, row);
	for (i = 0; it != NULL && i < n; i++) {
		text = cfg_getnstr(sec, row->name, i);
		if (config_value(base, row, text, why) == 0)
			continue;
		config_error(&l->log, config_scan_line(&l->scan, it, i),
		    "%s: %s", config_label(row->section, title, row->name, buf),
		    why);
		bad = true;
	}
	if (bad)
		it->bad = true; /* only now: lines count good items */
}

/* What the values of section k of its name go into. */
static void *
base_of(struct settings *set, enum config_base base, unsigned k)
{
	switch (base) {
	case BASE_LISTENER:
		return &set->listeners[k];
	case BASE_HOP:
		return &set->next_hops[k];
	case BASE_ZONE:
		return &set->zones[k];
	case BASE_SETTINGS:
		break;
	}
	return set;
}

/* A row of sections with titles of the administrator's own. */
static void
load_titled(struct loader *l, const struct config_row *row)
{
	cfg_t *sec;
	unsigned k;

	for (k = 0; k < cfg_size(l->cfg, row->section); k++) {
		sec = cfg_getnsec(l->cfg, row->section, k);
		load_row(l, base_of(l->set, config_row_base(row), k), row, sec,
		    cfg_title(sec));
	}
}

static void
load_rows(struct loader *l)
{
	const struct config_row *row;
	size_t i;

	for (i = 0; i < config_nrows; i++) {
		row = &config_rows[i];
		if (row->section == NULL)
			load_row(l, l->set, row, l->cfg, NULL);
		else if (!config_section(row->section)->titled)
			load_row(l, l->set, row,
			    cfg_getsec(l->cfg, row->section), NULL);
		else if (row->title != NULL)
			load_row(l, l->set, row,
			    cfg_gettsec(l->cfg, row->section, row->title),
			    row->title);
		else
			load_titled(l, row);
	}
}

/* A place for each section of that name, in the order of the file. */
static void *
make_places(struct loader *l, const char *name, size_t size, size_t *n)
{
	*n = cfg_size(l->cfg, name);
	return config_need(calloc(*n > 0 ? *n : 1, size));
}

static void
make_sections(struct loader *l)
{
	struct settings *set = l->set;
	size_t i;

	set->zones = make_places(l, "dnsbl", sizeof(*set->zones), &set->nzones);
	set->listeners = make_places(l, "listener", sizeof(*set->listeners),
	    &set->nlisteners);
	set->next_hops = make_places(l, "next_hop", sizeof(*set->next_hops),
	    &set->nnext_hops);
	for (i = 0; i < config_nrows; i++)
		if (config_row_base(&config_rows[i]) == BASE_HOP &&
		    config_rows[i].at != ROW_NOWHERE)
			load_default(l, &set->any_hop, &config_rows[i]);
}

/* ----------------------------------------------------------------- public */

/* What has no row, or has no effect: off until it is written. */
static struct settings *
settings_new(const char *path)
{
	struct settings *set = config_need(calloc(1, sizeof(*set)));
	size_t i;

	set->path = config_need(strdup(path));
	for (i = 0; i < TEST_COUNT; i++) {
		set->tests[i].mode = MODE_OFF;
		set->tests[i].at = AT_RCPT;
		set->tests[i].unknown = UNKNOWN_PASS;
		set->tests[i].require = RDNS_NONE;
		set->tests[i].threshold = 1;
	}
	return set;
}

struct settings *
config_load(const char *path, void (*report)(void *, const char *message),
    void *arg)
{
	struct loader l = { .log = { path, report, arg, 0 } };
	char *text;
	size_t len;

	if ((text = read_file(&l.log, &len)) == NULL)
		return NULL;
	l.set = settings_new(path);
	config_scan(&l.scan, &l.log, text, len);
	check_names(&l);
	if (!l.scan.cut) {
		parse(&l);
		make_sections(&l);
		load_rows(&l);
		config_check(&l);
		cfg_free(l.cfg);
		confuse_log = NULL;
	}
	config_scan_free(&l.scan);
	free(text);
	if (l.log.errors == 0)
		return l.set;
	settings_free(l.set);
	return NULL;
}

static void
row_free(struct settings *set, const struct config_row *row)
{
	char *place = (char *)set + row->at;

	switch (row->kind) {
	case ROW_HOST:
	case ROW_MAILBOX:
	case ROW_USER:
	case ROW_PATH:
	case ROW_SPEECH:
		free(*(char **)place);
		break;
	case ROW_PATHS:
	case ROW_SOCKETS:
	case ROW_LOCALS:
		config_strings_free((struct strings *)place);
		break;
	case ROW_PREFIXES:
		free(((struct prefixes *)place)->item);
		break;
	default:
		break;
	}
}

void
settings_free(struct settings *set)
{
	size_t i;

	if (set == NULL)
		return;
	for (i = 0; i < config_nrows; i++)
		if (config_rows[i].at != ROW_NOWHERE &&
		    config_row_base(&config_rows[i]) == BASE_SETTINGS)
			row_free(set, &config_rows[i]);
	for (i = 0; i < set->nzones; i++)
		config_zone_free(&set->zones[i]);
	free(set->zones);
	for (i = 0; i < set->nlisteners; i++) {
		free(set->listeners[i].at.text);
		free(set->listeners[i].proxy_from.item);
	}
	free(set->listeners);
	for (i = 0; i < set->nnext_hops; i++)
		config_hop_free(&set->next_hops[i]);
	free(set->next_hops);
	for (i = 0; i < set->nhosts; i++)
		free(set->hosts[i].name);
	free(set->hosts);
	for (i = 0; i < set->nlisten; i++)
		free(set->listen[i].text);
	free(set->listen);
	for (i = 0; i < set->nnameservers; i++)
		free(set->nameservers[i].text);
	free(set->nameservers);
	free(set->path);
	free(set);
}
