/*
 * TLS to next hops: see the header. Who verifies does it within the handshake,
 * so that nothing at all is said to somebody else.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/hop_rules.h"
#include "worker/tls_client.h"
#include "worker/tls_private.h"
#include "worker/wait.h"

#define PIN_OCTETS 32 /* SHA-256 */

/* Forward secrecy, as for clients; some servers have it by DHE alone. */
#define CIPHERS                                                                \
	"ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:DHE+AESGCM:"                    \
	"DHE+CHACHA20:DHE+AES:!aNULL:!PSK:!AESCCM"

struct tls_client {
	SSL_CTX *ssl; /* NULL: no TLS */
	unsigned char (*pins)[PIN_OCTETS];
	size_t npins;
};

struct tls_clients {
	const struct settings *set;
	X509_STORE *system;	/* NULL: not read */
	struct tls_client of[]; /* each section, in the order of the settings */
};

/* ------------------------------------------------------------------ pins */

/* The settings have checked the digits. */
static int
read_pins(struct tls_client *client, const struct strings *pins)
{
	const char *digits;
	size_t i, k;

	client->pins = calloc(pins->n, sizeof(*client->pins));
	if (client->pins == NULL)
		return -1;
	for (i = 0; i < pins->n; i++) {
		digits = strchr(pins->item[i], ':') + 1;
		for (k = 0; k < PIN_OCTETS; k++)
			if (sscanf(digits + 2 * k, "%2hhx",
				&client->pins[i][k]) != 1)
				return -1;
	}
	client->npins = pins->n;
	return 0;
}

/* SHA-256 of the public key as it stands in the certificate. */
static bool
digest_key(unsigned char digest[PIN_OCTETS], X509 *cert)
{
	unsigned char *der = NULL;
	int len, r;

	len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	if (len <= 0)
		return false;
	r = EVP_Digest(der, (size_t)len, digest, NULL, EVP_sha256(), NULL);
	OPENSSL_free(der);
	return r == 1;
}

/* In place of all other verification. */
static int
verify_pin(X509_STORE_CTX *store, void *arg)
{
	const struct tls_client *client = arg;
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store,
	    SSL_get_ex_data_X509_STORE_CTX_idx());
	const struct tls *t = SSL_get_app_data(ssl);
	X509 *cert = X509_STORE_CTX_get0_cert(store);
	size_t i;

	if (cert != NULL && digest_key(t->pin, cert))
		for (i = 0; i < client->npins; i++)
			if (memcmp(t->pin, client->pins[i], PIN_OCTETS) == 0)
				return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

/* ---------------------------------------------------------- who is trusted */

/* All certificates of a file; 0, or -1: there is none, or one is broken. */
static int
parse_trusted(X509_STORE *store, const struct tls_file *f)
{
	BIO *bio = tls_file_bio(f);
	X509 *x = NULL;
	int n = 0, r = -1;

	ERR_clear_error();
	if (bio == NULL)
		return -1;
	while ((x = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)) != NULL) {
		if (X509_STORE_add_cert(store, x) != 1)
			goto out;
		X509_free(x);
		n++;
	}
	if (n > 0 &&
	    ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
		ERR_clear_error(); /* the end */
		r = 0;
	}
out:
	X509_free(x);
	BIO_free(bio);
	return r;
}

static X509_STORE *
read_trusted(struct tls_complaint *c)
{
	X509_STORE *store = X509_STORE_new();
	struct tls_file f = { NULL, 0 };
	int r = -1;

	if (store == NULL)
		tls_complain(c, "%s", tls_reason());
	else if (tls_file_read(&f, c) == 0) {
		if (tls_file_is_secret(&f))
			tls_complain(c,
			    "it holds a private key, which no worker may see");
		else if ((r = parse_trusted(store, &f)) == -1)
			tls_complain(c, "no certificate in PEM form: %s",
			    tls_reason());
		tls_file_free(&f);
	}
	if (r == 0)
		return store;
	X509_STORE_free(store);
	return NULL;
}

/* What c_rehash(1) makes: eight hexadecimal digits, a dot, a number. */
static int
is_hashed(const struct dirent *d)
{
	return strspn(d->d_name, "0123456789abcdef") == 8 &&
	    d->d_name[8] == '.';
}

/*
 * The system's, where OpenSSL has them, but all of them now: a worker could
 * not look for one. Returns how many files had some.
 */
static int
add_system(X509_STORE *store)
{
	const char *dir = X509_get_default_cert_dir();
	struct dirent **list;
	char path[1024];
	int found, i, n;

	found = X509_STORE_load_file(store, X509_get_default_cert_file()) == 1;
	n = scandir(dir, &list, is_hashed, NULL);
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%.700s/%s", dir, list[i]->d_name);
		found += X509_STORE_load_file(store, path) == 1;
		free(list[i]);
	}
	if (n != -1)
		free(list);
	ERR_clear_error();
	return found;
}

/* Read once, however many sections want it. */
static X509_STORE *
use_system(struct tls_clients *clients, struct tls_complaint *c)
{
	if (clients->system == NULL) {
		clients->system = X509_STORE_new();
		if (clients->system == NULL || add_system(clients->system) == 0)
			tls_complain(c,
			    "this system has no CA certificates: "
			    "set tls_ca");
	}
	if (clients->system != NULL)
		X509_STORE_up_ref(clients->system);
	return clients->system;
}

/* --------------------------------------------------------------- contexts */

/* By CA and name; the name is set for each session. */
static void
trust(struct tls_clients *clients, struct tls_client *client,
    const struct next_hop *hop, struct tls_complaint *c)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(client->ssl);
	X509_STORE *store;

	store = hop->tls_ca != NULL ? read_trusted(c) : use_system(clients, c);
	if (store == NULL)
		return;
	SSL_CTX_set_cert_store(client->ssl, store);
	if (hop->tls_ca != NULL) /* what is named there is trusted as it is */
		X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
	X509_VERIFY_PARAM_set_hostflags(param,
	    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
		X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	SSL_CTX_set_verify(client->ssl, SSL_VERIFY_PEER, NULL);
}

static void
make_client(struct tls_clients *clients, struct tls_client *client,
    const struct next_hop *hop, struct tls_complaint *c)
{
	client->ssl = SSL_CTX_new(TLS_client_method());
	if (client->ssl == NULL || tls_common(client->ssl, CIPHERS) == -1) {
		tls_complain(c, "%s", tls_reason());
	} else if (hop->tls != TLS_REQUIRED) {
		SSL_CTX_set_verify(client->ssl, SSL_VERIFY_NONE, NULL);
	} else if (hop->pin.n == 0) {
		trust(clients, client, hop, c);
	} else if (read_pins(client, &hop->pin) == -1) {
		tls_complain(c, "no memory");
	} else {
		SSL_CTX_set_verify(client->ssl, SSL_VERIFY_PEER, NULL);
		SSL_CTX_set_cert_verify_callback(client->ssl, verify_pin,
		    client);
	}
}

static bool
any_wants_tls(const struct settings *set)
{
	size_t i;

	for (i = 0; i < set->nnext_hops; i++)
		if (set->next_hops[i].tls != TLS_OFF)
			return true;
	return false;
}

/* Whatever is wrong with one section, the others are looked at too. */
static void
make_clients(struct tls_clients *clients, struct tls_complaint *c)
{
	const struct next_hop *hop = clients->set->next_hops;
	char section[TARGET_TEXT_MAX + 16];
	size_t i;

	for (i = 0; i < clients->set->nnext_hops; i++, hop++) {
		if (hop->tls == TLS_OFF)
			continue;
		snprintf(section, sizeof(section), "next_hop \"%s\"",
		    hop->name);
		c->section = section;
		c->path = hop->tls_ca != NULL ? hop->tls_ca :
						X509_get_default_cert_dir();
		c->line = hop->tls_line;
		make_client(clients, &clients->of[i], hop, c);
	}
}

int
tls_clients_new(struct tls_clients **to, const struct settings *set,
    tls_report *report, void *arg)
{
	struct tls_complaint c = { .set = set,
		.section = "next_hop",
		.setting = "tls_ca",
		.path = "",
		.report = report,
		.arg = arg };
	struct tls_clients *clients;

	*to = NULL;
	if (!any_wants_tls(set))
		return 0;
	clients = calloc(1,
	    sizeof(*clients) + set->nnext_hops * sizeof(clients->of[0]));
	if (clients == NULL || tls_begin() == -1) {
		tls_complain(&c, "TLS cannot be used");
	} else {
		clients->set = set;
		make_clients(clients, &c);
	}
	if (c.made) {
		tls_clients_free(clients);
		return -1;
	}
	*to = clients;
	return 0;
}

void
tls_clients_free(struct tls_clients *clients)
{
	size_t i;

	if (clients == NULL)
		return;
	for (i = 0; clients->set != NULL && i < clients->set->nnext_hops; i++) {
		SSL_CTX_free(clients->of[i].ssl);
		free(clients->of[i].pins);
	}
	X509_STORE_free(clients->system);
	free(clients);
}

/* --------------------------------------------------------------- sessions */

/* Whom the hop must be, where that is by name. False: nobody would know. */
static bool
set_name(SSL *ssl, const struct next_hop *hop, const char *named)
{
	char host[NAME_TEXT_MAX];
	const char *name = hop->tls_name;
	bool by_name = hop->tls == TLS_REQUIRED && hop->pin.n == 0;

	if (name == NULL && hop_host_name(host, hop->name))
		name = host;
	if (by_name && (name == NULL || SSL_set1_host(ssl, name) != 1))
		return false;
	if (name == NULL)
		name = named;
	return name == NULL || SSL_set_tlsext_host_name(ssl, name) == 1;
}

struct tls *
tls_client_new(const struct tls_clients *clients, const struct next_hop *hop,
    const char *name, int fd)
{
	struct tls *t = clients != NULL ? calloc(1, sizeof(*t)) : NULL;
	SSL_CTX *ctx;

	if (t == NULL)
		return NULL;
	ctx = clients->of[hop - clients->set->next_hops].ssl;
	t->source = WAIT_HOP;
	ERR_clear_error();
	t->ssl = SSL_new(ctx);
	if (t->ssl != NULL && SSL_set_fd(t->ssl, fd) == 1 &&
	    wait_let_block(fd, false) == 0 &&
	    SSL_set_app_data(t->ssl, t) == 1 && set_name(t->ssl, hop, name)) {
		SSL_set_connect_state(t->ssl);
		return t;
	}
	tls_free(t);
	return NULL;
}

/* What is wrong with the hop's certificate says more than that it is. */
static void
explain_certificate(const struct tls *t, char *why, size_t size)
{
	long result = SSL_get_verify_result(t->ssl);
	char digits[2 * PIN_OCTETS + 1];
	int i;

	if (result == X509_V_ERR_APPLICATION_VERIFICATION) {
		for (i = 0; i < PIN_OCTETS; i++)
			snprintf(digits + 2 * i, 3, "%02x", t->pin[i]);
		snprintf(why, size, "not pinned: sha256:%s", digits);
	} else if (result != X509_V_OK) {
		snprintf(why, size, "its certificate: %s",
		    X509_verify_cert_error_string(result));
	}
}

enum tls_result
tls_client_handshake(struct tls *t, struct waiting *waiting,
    int64_t deadline_ms, char *why, size_t size)
{
	unsigned char pin[PIN_OCTETS] = { 0 };
	enum tls_result r;

	t->waiting = waiting;
	t->deadline_ms = deadline_ms;
	t->pin = pin;
	r = tls_shake(t, why, size);
	if (r == TLS_FAILED && SSL_get_verify_mode(t->ssl) != SSL_VERIFY_NONE)
		explain_certificate(t, why, size);
	t->pin = NULL;
	t->broken = r != TLS_DONE;
	return r;
}
