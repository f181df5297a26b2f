/*
 * TLS 1.2 and 1.3 (RFC 5246, RFC 8446): all of OpenSSL. Its three parts are
 * for three processes:
 *
 * a context   certificates, protocol, ticket keys; made by the master, so
 *             that all workers have the same and a session of one is resumed
 *             by another; it never sees a private key
 * keys        the private keys, in the keys helper alone
 * a session   one client's TLS, in a worker; what needs a private key is
 *             asked of the helper (worker/signer.h)
 */
#ifndef LICTOR_TLS_H
#define LICTOR_TLS_H

#include <stddef.h>
#include <stdint.h>

#include "worker/lineio.h"

struct settings;
struct sign_answer;
struct sign_request;
struct tls;
struct tls_context;
struct tls_keys;
struct waiting;

/* Told every mistake as "file:line: message", the setting's file and line. */
typedef void tls_report(void *arg, const char *message);

/*
 * Read the certificates of the settings, of which there is one at least.
 * NULL after every mistake was reported. A file that holds a private key is a
 * mistake: it is wiped from memory before it could be inherited.
 */
struct tls_context *
tls_context_new(const struct settings *, tls_report *, void *arg);
void tls_context_free(struct tls_context *);

/*
 * Read the private keys, each of which must be that of its certificate in the
 * context. NULL after every mistake was reported.
 */
struct tls_keys *tls_keys_new(const struct tls_context *,
    const struct settings *, tls_report *, void *arg);
void tls_keys_free(struct tls_keys *);

/*
 * Sign. The request is a stranger's: what no handshake would ask for is not
 * signed, and the answer's len is 0. A block for RSA must be one padded for a
 * signature (PSS), so that nobody can have a message decrypted by it.
 */
void tls_keys_sign(const struct tls_keys *, const struct sign_request *,
    struct sign_answer *);

enum tls_result {
	TLS_DONE,
	TLS_FAILED,
	TLS_LATE,
	TLS_HURRIED
};

/* A server's session on a socket, which no longer blocks; NULL: no memory. */
struct tls *tls_new(struct tls_context *, int fd);
void tls_free(struct tls *);

/*
 * Shake hands. keys is the channel to the helper. With TLS_FAILED, why is
 * filled with words for the log. After anything but TLS_DONE the session is of
 * no use.
 */
enum tls_result tls_handshake(struct tls *, struct waiting *, int keys,
    int64_t deadline_ms, char *why, size_t size);

/* For io_use() with the session, after the handshake. */
extern const struct io_ops tls_io;

/* "TLSv1.3" and "TLS_AES_256_GCM_SHA384". */
const char *tls_version(const struct tls *);
const char *tls_cipher(const struct tls *);

#endif
