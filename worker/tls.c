/*
 * TLS: contexts, and the session of a client. See the header; the keys are in
 * worker/tls_keys.c.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/tls_private.h"
#include "worker/wait.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define TICKET_SECS  7200

/*
 * Of TLS 1.2: forward secrecy only, since with the others the key would have
 * to decrypt; block ciphers too, for hosts that know nothing newer and would
 * send in the clear instead. TLS 1.3 has none but good ones.
 */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL:!PSK:!AESCCM"

const char *
tls_reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_error());

	ERR_clear_error();
	return text != NULL ? text : "no reason is given";
}

BIO *
tls_file_bio(const struct tls_file *f)
{
	return BIO_new_mem_buf(f->octets, (int)f->len);
}

/* ----------------------------------------------------------- certificates */

/* The certificate, and those of its issuers behind it. */
static int
parse_chain(struct tls_certificate *cert, const struct tls_file *f)
{
	BIO *bio = tls_file_bio(f);
	X509 *x = NULL;
	int r = -1;

	ERR_clear_error();
	if (bio == NULL || (cert->chain = sk_X509_new_null()) == NULL)
		goto out;
	cert->leaf = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
	if (cert->leaf == NULL)
		goto out;
	while ((x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		if (sk_X509_push(cert->chain, x) == 0)
			goto out;
	if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
		ERR_clear_error(); /* the end */
		r = 0;
	}
out:
	X509_free(x);
	BIO_free(bio);
	return r;
}

static int
check_kind(struct tls_certificate *cert, struct tls_complaint *c)
{
	EVP_PKEY *key = X509_get0_pubkey(cert->leaf);
	int bits = key != NULL ? EVP_PKEY_get_bits(key) : 0;

	switch (key != NULL ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE) {
	case EVP_PKEY_RSA:
		cert->kind = KIND_RSA;
		if (bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX)
			return 0;
		tls_complain(c, "an RSA key of %d bits: %d to %d are wanted",
		    bits, RSA_BITS_MIN, RSA_BITS_MAX);
		return -1;
	case EVP_PKEY_EC:
		cert->kind = KIND_EC;
		return 0;
	default:
		tls_complain(c, "its key is neither RSA nor ECDSA");
		return -1;
	}
}

static int
load_certificate(struct tls_certificate *cert, struct tls_complaint *c)
{
	struct tls_file f;
	int r = -1;

	if (tls_file_read(&f, c) == -1)
		return -1;
	if (tls_file_is_secret(&f))
		tls_complain(c,
		    "it holds a private key, which no worker may "
		    "see: put that into a file of its own");
	else if (parse_chain(cert, &f) == -1)
		tls_complain(c, "no certificate in PEM form: %s", tls_reason());
	else
		r = check_kind(cert, c);
	tls_file_free(&f);
	return r;
}

/* --------------------------------------------------------------- contexts */

/* The first certificate of each kind that is for this host. */
static bool
choose(const struct tls_context *ctx, const char *host,
    struct tls_choice *choice)
{
	const struct tls_certificate *cert;
	bool found = false;
	size_t i;

	memset(choice, 0, sizeof(*choice));
	for (i = 0; i < ctx->n; i++) {
		cert = &ctx->certificates[i];
		if (choice->of[cert->kind] != NULL ||
		    X509_check_host(cert->leaf, host, 0, 0, NULL) != 1)
			continue;
		choice->of[cert->kind] = cert;
		found = true;
	}
	return found;
}

/* In the middle of a handshake: the client may have named a host (SNI). */
static int
choose_for_client(SSL *ssl, void *arg)
{
	const struct tls_context *ctx = arg;
	const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct tls_certificate *cert;
	struct tls_choice choice;
	int k;

	if (host == NULL || !choose(ctx, host, &choice) ||
	    memcmp(&choice, &ctx->usual, sizeof(choice)) == 0)
		return 1;
	SSL_certs_clear(ssl);
	for (k = 0; k < KINDS; k++) {
		cert = choice.of[k];
		if (cert != NULL &&
		    SSL_use_cert_and_key(ssl, cert->leaf, cert->key,
			cert->chain, 1) != 1)
			return 0;
	}
	return 1;
}

static int
use_usual(struct tls_context *ctx, const char *hostname)
{
	const struct tls_certificate *cert;
	int k;

	if (!choose(ctx, hostname, &ctx->usual))
		ctx->usual.of[ctx->certificates[0].kind] =
		    &ctx->certificates[0];
	for (k = 0; k < KINDS; k++) {
		cert = ctx->usual.of[k];
		if (cert != NULL &&
		    SSL_CTX_use_cert_and_key(ctx->ssl, cert->leaf, cert->key,
			cert->chain, 1) != 1)
			return -1;
	}
	SSL_CTX_set_cert_cb(ctx->ssl, choose_for_client, ctx);
	return 0;
}

int
tls_begin(void)
{
	return OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1 ? 0 :
									  -1;
}

int
tls_common(SSL_CTX *ssl, const char *ciphers)
{
	if (SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ssl, ciphers) != 1)
		return -1;
	SSL_CTX_set_options(ssl,
	    SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(ssl,
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	return 0;
}

static int
make_ssl(struct tls_context *ctx)
{
	static const unsigned char id[] = "lictor";
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());

	if ((ctx->ssl = ssl) == NULL || tls_common(ssl, CIPHERS) == -1 ||
	    SSL_CTX_set_session_id_context(ssl, id, sizeof(id) - 1) != 1)
		return -1;
	SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE);
	/* Tickets, whose keys all workers have; nothing kept by one of them. */
	SSL_CTX_set_num_tickets(ssl, 1);
	SSL_CTX_set_timeout(ssl, TICKET_SECS);
	return 0;
}

static void
load_certificates(struct tls_context *ctx, struct tls_complaint *c)
{
	const struct settings *set = c->set;
	struct tls_certificate *cert;
	size_t i;

	for (i = 0; i < set->tls.certificate.n; i++) {
		c->path = set->tls.certificate.item[i];
		c->line = set->tls.certificate_line[i];
		cert = &ctx->certificates[ctx->n++];
		cert->of = ctx;
		cert->number = (uint32_t)i;
		if (load_certificate(cert, c) == -1)
			continue;
		if ((cert->key = tls_stub(cert)) == NULL)
			tls_complain(c, "%s", tls_reason());
	}
}

struct tls_context *
tls_context_new(const struct settings *set, tls_report *report, void *arg)
{
	struct tls_context *ctx = calloc(1, sizeof(*ctx));
	struct tls_complaint c = { .set = set,
		.setting = "certificate",
		.path = set->tls.certificate.item[0],
		.line = set->tls.certificate_line[0],
		.report = report,
		.arg = arg };

	if (tls_begin() == -1 || ctx == NULL || tls_stub_methods(ctx) == -1 ||
	    make_ssl(ctx) == -1)
		tls_complain(&c, "%s", tls_reason());
	else
		load_certificates(ctx, &c);
	if (!c.made && use_usual(ctx, set->hostname) == -1)
		tls_complain(&c, "%s", tls_reason());
	if (!c.made)
		return ctx;
	tls_context_free(ctx);
	return NULL;
}

void
tls_context_free(struct tls_context *ctx)
{
	size_t i;

	if (ctx == NULL)
		return;
	SSL_CTX_free(ctx->ssl);
	for (i = 0; i < ctx->n; i++) {
		EVP_PKEY_free(ctx->certificates[i].key);
		sk_X509_pop_free(ctx->certificates[i].chain, X509_free);
		X509_free(ctx->certificates[i].leaf);
	}
	RSA_meth_free(ctx->rsa);
	EC_KEY_METHOD_free(ctx->ec);
	free(ctx);
}

/* ---------------------------------------------------------------- sessions */

struct tls *
tls_new(struct tls_context *ctx, int fd)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->of = ctx;
	ERR_clear_error();
	t->ssl = SSL_new(ctx->ssl);
	if (t->ssl != NULL && SSL_set_fd(t->ssl, fd) == 1 &&
	    wait_let_block(fd, false) == 0) {
		SSL_set_accept_state(t->ssl);
		return t;
	}
	tls_free(t);
	return NULL;
}

void
tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	SSL_free(t->ssl);
	free(t);
}

/* What to wait for before the next try; 0: there is none. */
static short
wanted(const struct tls *t, int r)
{
	switch (SSL_get_error(t->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		return POLLIN;
	case SSL_ERROR_WANT_WRITE:
		return POLLOUT;
	default:
		return 0;
	}
}

static void
explain(const struct tls *t, int r, char *why, size_t size)
{
	int saved = errno, error = SSL_get_error(t->ssl, r);
	unsigned long first = ERR_peek_error();

	if (t->unsigned_here)
		strlcpy(why, "the keys helper did not sign", size);
	else if (ERR_GET_REASON(first) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		snprintf(why, size, "the %s closed the connection",
		    t->source == WAIT_HOP ? "next hop" : "client");
	else if (error == SSL_ERROR_SYSCALL && first == 0)
		snprintf(why, size, "the connection was lost: %s",
		    strerror(saved));
	else
		strlcpy(why, tls_reason(), size);
	ERR_clear_error();
}

enum tls_result
tls_shake(struct tls *t, char *why, size_t size)
{
	short events;
	int r;

	for (;;) {
		ERR_clear_error();
		if ((r = SSL_do_handshake(t->ssl)) == 1)
			return TLS_DONE;
		if ((events = wanted(t, r)) == 0) {
			explain(t, r, why, size);
			return TLS_FAILED;
		}
		switch (
		    wait_for(t->waiting, t->source, events, t->deadline_ms)) {
		case WAIT_READY:
			break;
		case WAIT_LATE:
			return TLS_LATE;
		case WAIT_HURRIED:
			return TLS_HURRIED;
		}
	}
}

enum tls_result
tls_handshake(struct tls *t, struct waiting *waiting, int keys,
    int64_t deadline_ms, char *why, size_t size)
{
	enum tls_result r;

	t->waiting = waiting;
	t->keys = keys;
	t->deadline_ms = deadline_ms;
	t->of->now = t;
	r = tls_shake(t, why, size);
	t->of->now = NULL;
	t->broken = r != TLS_DONE;
	return r;
}

/* An errno for what has ended the connection; saved is that of the system. */
static int
lost(const struct tls *t, int r, int saved)
{
	if (SSL_get_error(t->ssl, r) == SSL_ERROR_SYSCALL && saved != 0)
		return saved;
	return ERR_GET_REASON(ERR_peek_error()) ==
		SSL_R_UNEXPECTED_EOF_WHILE_READING ?
	    ECONNRESET :
	    EPROTO;
}

/* After a read or a write that did not work: as read(2) and write(2) say. */
static ssize_t
outcome(struct tls *t, int r, short *events)
{
	int saved = errno;

	if (SSL_get_error(t->ssl, r) == SSL_ERROR_ZERO_RETURN)
		return 0;
	*events = wanted(t, r);
	errno = *events != 0 ? EAGAIN : lost(t, r, saved);
	t->broken |= *events == 0;
	ERR_clear_error();
	return -1;
}

static ssize_t
read_octets(void *arg, void *buf, size_t len, short *events)
{
	struct tls *t = arg;
	int r;

	ERR_clear_error();
	r = SSL_read(t->ssl, buf, (int)len);
	return r > 0 ? r : outcome(t, r, events);
}

static ssize_t
write_octets(void *arg, const void *buf, size_t len, short *events)
{
	struct tls *t = arg;
	int r;

	ERR_clear_error();
	r = SSL_write(t->ssl, buf, (int)len);
	return r > 0 ? r : outcome(t, r, events);
}

/* One try: a client that does not read is not waited for. */
static void
finish(void *arg)
{
	struct tls *t = arg;

	if (!t->broken)
		SSL_shutdown(t->ssl);
	t->broken = true;
	ERR_clear_error();
}

const struct io_ops tls_io = { read_octets, write_octets, finish };

const char *
tls_version(const struct tls *t)
{
	return SSL_get_version(t->ssl);
}

const char *
tls_cipher(const struct tls *t)
{
	return SSL_CIPHER_get_name(SSL_get_current_cipher(t->ssl));
}
