/*
 * What worker/tls.c, worker/tls_client.c and worker/tls_keys.c share: those
 * that know OpenSSL.
 *
 * The methods that a key can be given are marked for removal in OpenSSL 3;
 * their successor, a provider, is for another day, so the older interface is
 * asked for here.
 */
#ifndef LICTOR_TLS_PRIVATE_H
#define LICTOR_TLS_PRIVATE_H

#define OPENSSL_API_COMPAT 10101

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>

#include "worker/settings.h"
#include "worker/tls.h"
#include "worker/tls_file.h"
#include "worker/wait.h"

enum tls_kind {
	KIND_RSA,
	KIND_EC,
	KINDS
};

/* One certificate, and the half of its key that is no secret. */
struct tls_certificate {
	struct tls_context *of;
	uint32_t number; /* its place in the settings */
	enum tls_kind kind;
	X509 *leaf;
	STACK_OF(X509) * chain; /* what stands behind it in the file */
	EVP_PKEY *key;		/* signs by asking the helper */
};

/* At most one of each kind, for one name. */
struct tls_choice {
	const struct tls_certificate *of[KINDS];
};

struct tls_context {
	SSL_CTX *ssl;
	RSA_METHOD *rsa;
	EC_KEY_METHOD *ec;
	struct tls_choice usual; /* where the client names no host of ours */
	struct tls *now;	 /* who shakes hands, in a worker */
	size_t n;
	struct tls_certificate certificates[TLS_PAIRS_MAX];
};

struct tls {
	SSL *ssl;
	struct tls_context *of;	 /* NULL: we are the client */
	enum wait_source source; /* who is at the other end */
	bool broken;		 /* nothing more may be said */
	bool unsigned_here;	 /* the helper did not sign */
	/* While it shakes hands. */
	struct waiting *waiting;
	int keys;
	int64_t deadline_ms;
	unsigned char *pin; /* of the key that is no pin's */
};

/* OpenSSL's words for what went wrong first; and forget it. */
const char *tls_reason(void);
BIO *tls_file_bio(const struct tls_file *);

/* Let no file of the system's, and no environment, have a say. 0 or -1. */
int tls_begin(void);
/* What holds at both ends. 0 or -1. */
int tls_common(SSL_CTX *, const char *ciphers);
/* Shake hands, at either end. */
enum tls_result tls_shake(struct tls *, char *why, size_t size);

/* Make the methods of a context. 0 or -1. */
int tls_stub_methods(struct tls_context *);
/* The key of a certificate that asks the helper to sign; or NULL. */
EVP_PKEY *tls_stub(struct tls_certificate *);

#endif
