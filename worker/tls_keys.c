/*
 * Both ends of a signature: in a worker, keys that are public, with methods
 * of ours that ask the helper; in the helper, the keys themselves.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/signer.h"
#include "worker/tls_private.h"

/* -------------------------------------------------- keys that are not here */

/* 0 and the length of the signature, or -1. */
static int
sign_far(const struct tls_certificate *cert, struct sign_request *request,
    const unsigned char *octets, size_t len, unsigned char *signature,
    size_t room)
{
	struct tls *t = cert->of->now;
	struct sign_answer answer;

	if (t == NULL || len > sizeof(request->octets))
		return -1;
	request->certificate = cert->number;
	request->len = (uint32_t)len;
	memcpy(request->octets, octets, len);
	if (signer_ask(t->keys, t->waiting, t->deadline_ms, request, &answer) ==
		-1 ||
	    answer.len > room) {
		t->unsigned_here = true;
		return -1;
	}
	memcpy(signature, answer.octets, answer.len);
	return (int)answer.len;
}

static int
rsa_pkcs1(int type, const unsigned char *digest, unsigned len,
    unsigned char *signature, unsigned *signature_len, const RSA *rsa)
{
	struct sign_request request = { .scheme = SIGN_RSA_PKCS1 };
	int n;

	request.digest_bits = type == NID_sha256 ? 256 :
	    type == NID_sha384			 ? 384 :
						   512;
	n = sign_far(RSA_get_ex_data(rsa, 0), &request, digest, len, signature,
	    (size_t)RSA_size(rsa));
	if (n == -1)
		return 0;
	*signature_len = (unsigned)n;
	return 1;
}

/* What is padded for PSS comes here. */
static int
rsa_block(int len, const unsigned char *block, unsigned char *signature,
    RSA *rsa, int padding)
{
	struct sign_request request = { .scheme = SIGN_RSA_PSS };

	if (padding != RSA_NO_PADDING || len < 0)
		return -1;
	return sign_far(RSA_get_ex_data(rsa, 0), &request, block, (size_t)len,
	    signature, (size_t)RSA_size(rsa));
}

static int
ecdsa(int type, const unsigned char *digest, int len, unsigned char *signature,
    unsigned *signature_len, const BIGNUM *kinv, const BIGNUM *r, EC_KEY *key)
{
	struct sign_request request = { .scheme = SIGN_ECDSA };
	int n;

	(void)type;
	(void)kinv;
	(void)r;
	if (len < 0)
		return 0;
	n = sign_far(EC_KEY_get_ex_data(key, 0), &request, digest, (size_t)len,
	    signature, (size_t)ECDSA_size(key));
	if (n == -1)
		return 0;
	*signature_len = (unsigned)n;
	return 1;
}

int
tls_stub_methods(struct tls_context *ctx)
{
	ctx->rsa = RSA_meth_dup(RSA_PKCS1_OpenSSL());
	ctx->ec = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
	if (ctx->rsa == NULL || ctx->ec == NULL)
		return -1;
	EC_KEY_METHOD_set_sign(ctx->ec, ecdsa, NULL, NULL);
	if (RSA_meth_set_flags(ctx->rsa,
		RSA_METHOD_FLAG_NO_CHECK | RSA_FLAG_EXT_PKEY) == 0 ||
	    RSA_meth_set_sign(ctx->rsa, rsa_pkcs1) == 0 ||
	    RSA_meth_set_priv_enc(ctx->rsa, rsa_block) == 0)
		return -1;
	return 0;
}

/* Take over key, or free it. */
static EVP_PKEY *
wrap(int type, void *key)
{
	EVP_PKEY *pkey = EVP_PKEY_new();

	if (pkey != NULL && EVP_PKEY_assign(pkey, type, key) == 1)
		return pkey;
	EVP_PKEY_free(pkey);
	return NULL;
}

static EVP_PKEY *
rsa_stub(struct tls_certificate *cert)
{
	const RSA *public = EVP_PKEY_get0_RSA(X509_get0_pubkey(cert->leaf));
	EVP_PKEY *key = NULL;
	RSA *rsa = RSA_new();

	if (public == NULL || rsa == NULL ||
	    RSA_set_method(rsa, cert->of->rsa) == 0 ||
	    RSA_set0_key(rsa, BN_dup(RSA_get0_n(public)),
		BN_dup(RSA_get0_e(public)), NULL) == 0 ||
	    RSA_set_ex_data(rsa, 0, cert) == 0 ||
	    (key = wrap(EVP_PKEY_RSA, rsa)) == NULL)
		RSA_free(rsa);
	return key;
}

static EVP_PKEY *
ec_stub(struct tls_certificate *cert)
{
	const EC_KEY *public = EVP_PKEY_get0_EC_KEY(
	    X509_get0_pubkey(cert->leaf));
	EC_KEY *ec = public != NULL ? EC_KEY_dup(public) : NULL;
	EVP_PKEY *key = NULL;

	if (ec == NULL || EC_KEY_set_method(ec, cert->of->ec) == 0 ||
	    EC_KEY_set_ex_data(ec, 0, cert) == 0 ||
	    (key = wrap(EVP_PKEY_EC, ec)) == NULL)
		EC_KEY_free(ec);
	return key;
}

EVP_PKEY *
tls_stub(struct tls_certificate *cert)
{
	return cert->kind == KIND_RSA ? rsa_stub(cert) : ec_stub(cert);
}

/* --------------------------------------------------------- keys that are here */

struct tls_keys {
	size_t n;
	EVP_PKEY *keys[TLS_PAIRS_MAX];
};

/* Nobody is here to be asked for a passphrase; note that one is wanted. */
static int
no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	bool *wanted = arg;

	(void)buf;
	(void)size;
	(void)rwflag;
	*wanted = true;
	return -1;
}

static EVP_PKEY *
parse_key(const struct tls_file *f, struct tls_complaint *c)
{
	BIO *bio = tls_file_bio(f);
	bool protected = false;
	EVP_PKEY *key = NULL;

	ERR_clear_error();
	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase,
		    &protected);
	if (key == NULL && protected)
		tls_complain(c,
		    "it is protected by a passphrase, and nobody "
		    "is there to type it");
	else if (key == NULL)
		tls_complain(c, "no private key in PEM form: %s", tls_reason());
	BIO_free(bio);
	return key;
}

/* The key of that certificate, or NULL after complaining. */
static EVP_PKEY *
load_key(const struct tls_certificate *cert, struct tls_complaint *c)
{
	struct tls_file f;
	EVP_PKEY *key;

	if (tls_file_read(&f, c) == -1)
		return NULL;
	key = parse_key(&f, c);
	tls_file_free(&f);
	if (key == NULL || EVP_PKEY_eq(key, X509_get0_pubkey(cert->leaf)) == 1)
		return key;
	ERR_clear_error();
	tls_complain(c, "it is not the key of %.400s",
	    c->set->tls.certificate.item[cert->number]);
	EVP_PKEY_free(key);
	return NULL;
}

struct tls_keys *
tls_keys_new(const struct tls_context *ctx, const struct settings *set,
    tls_report *report, void *arg)
{
	struct tls_keys *keys = calloc(1, sizeof(*keys));
	struct tls_complaint c = { .set = set,
		.setting = "key",
		.report = report,
		.arg = arg };
	size_t i;

	for (i = 0; keys != NULL && i < ctx->n; i++) {
		c.path = set->tls.key.item[i];
		c.line = set->tls.key_line[i];
		keys->keys[keys->n++] = load_key(&ctx->certificates[i], &c);
	}
	if (!c.made)
		return keys;
	tls_keys_free(keys);
	return NULL;
}

void
tls_keys_free(struct tls_keys *keys)
{
	size_t i;

	if (keys == NULL)
		return;
	for (i = 0; i < keys->n; i++)
		EVP_PKEY_free(keys->keys[i]);
	free(keys);
}

/*
 * Is this what EMSA-PSS (RFC 8017, section 9.1.1) makes of a digest of that
 * many octets, with a salt as long, as TLS has it? The first octets of DB,
 * zeros and an 1, cannot be met by chance.
 */
static bool
is_pss(const EVP_MD *md, const unsigned char *em, size_t em_len, int em_bits)
{
	size_t hash = (size_t)EVP_MD_get_size(md), db_len, i;
	unsigned char db[SIGN_OCTETS];

	if (em_len < 2 * hash + 2 || em[em_len - 1] != 0xbc)
		return false;
	db_len = em_len - hash - 1;
	if (PKCS1_MGF1(db, (long)db_len, em + db_len, (long)hash, md) != 0)
		return false;
	for (i = 0; i < db_len; i++)
		db[i] ^= em[i];
	db[0] &= (unsigned char)(0xff >> (8 * em_len - (size_t)em_bits));
	for (i = 0; i < db_len - hash - 1; i++)
		if (db[i] != 0)
			return false;
	return db[i] == 1;
}

/* Is this block of an RSA key padded for a signature? */
static bool
is_signature_block(const EVP_PKEY *key, const unsigned char *block, size_t len)
{
	int bits = EVP_PKEY_get_bits(key) - 1;
	size_t em_len = ((size_t)bits + 7) / 8;

	if (len != (size_t)EVP_PKEY_get_size(key))
		return false;
	if (len > em_len && *block++ != 0)
		return false;
	return is_pss(EVP_sha256(), block, em_len, bits) ||
	    is_pss(EVP_sha384(), block, em_len, bits) ||
	    is_pss(EVP_sha512(), block, em_len, bits);
}

static const EVP_MD *
digest_of(uint32_t bits)
{
	return bits == 256 ? EVP_sha256() :
	    bits == 384	   ? EVP_sha384() :
	    bits == 512	   ? EVP_sha512() :
			     NULL;
}

/* Set the context up for what is asked. 0, or -1: nobody asks for that. */
static int
prepare(EVP_PKEY_CTX *sign, EVP_PKEY *key, const struct sign_request *r)
{
	const EVP_MD *md = digest_of(r->digest_bits);

	switch ((enum sign_scheme)r->scheme) {
	case SIGN_RSA_PKCS1:
		if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA || md == NULL ||
		    r->len != (uint32_t)EVP_MD_get_size(md))
			return -1;
		return EVP_PKEY_CTX_set_rsa_padding(sign, RSA_PKCS1_PADDING) ==
			    1 &&
			EVP_PKEY_CTX_set_signature_md(sign, md) == 1 ?
		    0 :
		    -1;
	case SIGN_RSA_PSS:
		if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA ||
		    !is_signature_block(key, r->octets, r->len))
			return -1;
		return EVP_PKEY_CTX_set_rsa_padding(sign, RSA_NO_PADDING) == 1 ?
		    0 :
		    -1;
	case SIGN_ECDSA:
		return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && r->len > 0 &&
			r->len <= EVP_MAX_MD_SIZE ?
		    0 :
		    -1;
	}
	return -1;
}

void
tls_keys_sign(const struct tls_keys *keys, const struct sign_request *r,
    struct sign_answer *answer)
{
	size_t len = sizeof(answer->octets);
	EVP_PKEY_CTX *sign;
	EVP_PKEY *key;

	memset(answer, 0, sizeof(*answer));
	if (r->certificate >= keys->n || r->len > sizeof(r->octets))
		return;
	key = keys->keys[r->certificate];
	sign = EVP_PKEY_CTX_new(key, NULL);
	if (sign != NULL && EVP_PKEY_sign_init(sign) == 1 &&
	    prepare(sign, key, r) == 0 &&
	    EVP_PKEY_sign(sign, answer->octets, &len, r->octets, r->len) == 1)
		answer->len = (uint32_t)len;
	EVP_PKEY_CTX_free(sign);
	ERR_clear_error();
}
