/*
 * Signatures are made by another process: workers, which strangers talk to,
 * never hold a private key. A worker sends one request over the channel that
 * all workers share, together with one end of a fresh pair of sockets; the
 * keys helper (daemon/keys.c) answers on that end and closes it.
 */
#ifndef LICTOR_SIGNER_H
#define LICTOR_SIGNER_H

#include <stdint.h>

struct waiting;

#define SIGN_OCTETS 1024 /* a block of an RSA key of 8192 bits */

enum sign_scheme {
	SIGN_RSA_PKCS1, /* of a digest */
	SIGN_RSA_PSS,	/* of a block that is padded already */
	SIGN_ECDSA	/* of a digest */
};

/* Records of one size; octets behind len are nothing. */
struct sign_request {
	uint32_t certificate; /* its place in the settings */
	uint32_t scheme;
	uint32_t digest_bits; /* 256, 384 or 512: SHA-2; of SIGN_RSA_PKCS1 */
	uint32_t len;
	unsigned char octets[SIGN_OCTETS];
};

struct sign_answer {
	uint32_t len; /* 0: it is not signed */
	unsigned char octets[SIGN_OCTETS];
};

/*
 * Ask, and wait as a session waits. A helper that dies meanwhile is asked
 * again when there is a new one. 0, or -1: not signed before the deadline.
 */
int signer_ask(int channel, struct waiting *, int64_t deadline_ms,
    const struct sign_request *, struct sign_answer *);

#endif
