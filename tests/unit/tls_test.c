/*
 * Certificates, keys, and what the keys helper signs. A row that fails is a
 * gateway that starts with a key that is not its certificate's, or a helper
 * that a worker could make decrypt for it.
 */
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "tests/unit/fixture.h"
#include "worker/settings.h"
#include "worker/signer.h"
#include "worker/tls.h"

enum {
	RSA_A,
	RSA_B,
	RSA_ODD,
	RSA_SHORT,
	EC_A,
	ED,
	NKEYS
};

static struct {
	char dir[32];
	EVP_PKEY *keys[NKEYS];
	struct settings set;
	char *certificates[2], *private[2];
	char messages[2048];
} g;

static void
report(void *arg, const char *message)
{
	(void)arg;
	strlcat(g.messages, message, sizeof(g.messages));
	strlcat(g.messages, "\n", sizeof(g.messages));
}

static FILE *
create(const char *name)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", g.dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	return f;
}

static void
write_certificate(FILE *f, EVP_PKEY *key, const char *host)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)host, -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_set_pubkey(x, key);
	assert_int_not_equal(X509_sign(x, key,
				 EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ?
				     NULL :
				     EVP_sha256()),
	    0);
	PEM_write_X509(f, x);
	X509_free(x);
}

static void
write_pair(int k, const char *name)
{
	char file[32];
	FILE *f;

	snprintf(file, sizeof(file), "%s.pem", name);
	f = create(file);
	write_certificate(f, g.keys[k], "mx.example.org");
	fclose(f);
	snprintf(file, sizeof(file), "%s.key", name);
	f = create(file);
	PEM_write_PrivateKey(f, g.keys[k], NULL, NULL, 0, NULL, NULL);
	fclose(f);
}

static void
write_odd_files(void)
{
	FILE *f = create("both.pem");

	write_certificate(f, g.keys[RSA_A], "mx.example.org");
	PEM_write_PrivateKey(f, g.keys[RSA_A], NULL, NULL, 0, NULL, NULL);
	fclose(f);
	f = create("locked.key");
	PEM_write_PrivateKey(f, g.keys[RSA_A], EVP_aes_128_cbc(), NULL, 0, NULL,
	    (void *)(uintptr_t) "secret");
	fclose(f);
	fclose(create("empty"));
	f = create("broken.pem");
	fputs("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	    f);
	fclose(f);
	f = create("chain.pem");
	write_certificate(f, g.keys[RSA_A], "mx.example.org");
	fputs("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	    f);
	fclose(f);
	f = create("large");
	assert_int_equal(ftruncate(fileno(f), 1 << 20), 0);
	fclose(f);
}

static int
set_up(void **state)
{
	static char hostname[] = "mx.example.org", path[] = "lictor.conf";

	(void)state;
	strlcpy(g.dir, "/tmp/lictor-tls.XXXXXX", sizeof(g.dir));
	assert_non_null(mkdtemp(g.dir));
	g.keys[RSA_A] = EVP_RSA_gen(2048);
	g.keys[RSA_B] = EVP_RSA_gen(2048);
	g.keys[RSA_ODD] = EVP_RSA_gen(2049);
	g.keys[RSA_SHORT] = EVP_RSA_gen(1024);
	g.keys[EC_A] = EVP_EC_gen("P-256");
	g.keys[ED] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	write_pair(RSA_A, "a");
	write_pair(RSA_B, "b");
	write_pair(RSA_ODD, "odd");
	write_pair(RSA_SHORT, "short");
	write_pair(EC_A, "ec");
	write_pair(ED, "ed");
	write_odd_files();
	g.set.path = path;
	g.set.hostname = hostname;
	g.set.tls.certificate.item = g.certificates;
	g.set.tls.key.item = g.private;
	g.set.tls.certificate_line[0] = 3;
	g.set.tls.certificate_line[1] = 4;
	g.set.tls.key_line[0] = 5;
	g.set.tls.key_line[1] = 6;
	return 0;
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *w)
{
	(void)st;
	(void)type;
	(void)w;
	return remove(path);
}

static int
tear_down(void **state)
{
	int i;

	(void)state;
	nftw(g.dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	for (i = 0; i < NKEYS; i++)
		EVP_PKEY_free(g.keys[i]);
	return 0;
}

/* Set the files of one or, with all four, two pairs. */
static void
use(const char *c0, const char *k0, const char *c1, const char *k1)
{
	static char paths[4][64];
	const char *names[] = { c0, k0, c1, k1 };
	int i;

	for (i = 0; i < 4; i++)
		if (names[i] != NULL)
			snprintf(paths[i], sizeof(paths[i]), "%s/%s", g.dir,
			    names[i]);
	g.certificates[0] = paths[0];
	g.private[0] = paths[1];
	g.certificates[1] = paths[2];
	g.private[1] = paths[3];
	g.set.tls.certificate.n = g.set.tls.key.n = c1 != NULL ? 2 : 1;
	g.messages[0] = '\0';
}

/* Each @ in wanted is the folder. */
static void
said(const char *wanted)
{
	char text[2048] = "";
	const char *p = wanted, *next;

	for (; (next = strchr(p, '@')) != NULL; p = next + 1) {
		strncat(text, p, (size_t)(next - p));
		strlcat(text, g.dir, sizeof(text));
	}
	strlcat(text, p, sizeof(text));
	assert_string_equal(g.messages, text);
}

static const struct {
	const char *certificate, *key, *said; /* NULL: all is well */
} pairs[] = {
	{ "a.pem", "a.key", NULL },
	{ "odd.pem", "odd.key", NULL },
	{ "ec.pem", "ec.key", NULL },
	{ "none.pem", "a.key",
	    "lictor.conf:3: tls: certificate: @/none.pem: No such file or "
	    "directory\n" },
	{ "", "a.key",
	    "lictor.conf:3: tls: certificate: @/: Is a directory\n" },
	{ "empty", "a.key",
	    "lictor.conf:3: tls: certificate: @/empty: no certificate in PEM "
	    "form: no start line\n" },
	{ "large", "a.key",
	    "lictor.conf:3: tls: certificate: @/large: File too large\n" },
	{ "a.key", "a.key",
	    "lictor.conf:3: tls: certificate: @/a.key: it holds a private key, "
	    "which no worker may see: put that into a file of its own\n" },
	{ "both.pem", "a.key",
	    "lictor.conf:3: tls: certificate: @/both.pem: it holds a private "
	    "key, which no worker may see: put that into a file of its own\n" },
	{ "broken.pem", "a.key",
	    "lictor.conf:3: tls: certificate: @/broken.pem: no certificate in "
	    "PEM form: wrong tag\n" },
	{ "chain.pem", "a.key",
	    "lictor.conf:3: tls: certificate: @/chain.pem: no certificate in "
	    "PEM form: wrong tag\n" },
	{ "short.pem", "short.key",
	    "lictor.conf:3: tls: certificate: @/short.pem: an RSA key of 1024 "
	    "bits: 2048 to 8192 are wanted\n" },
	{ "ed.pem", "ed.key",
	    "lictor.conf:3: tls: certificate: @/ed.pem: its key is neither RSA "
	    "nor ECDSA\n" },
	{ "a.pem", "none.key",
	    "lictor.conf:5: tls: key: @/none.key: No such file or "
	    "directory\n" },
	{ "a.pem", "empty",
	    "lictor.conf:5: tls: key: @/empty: no private key in PEM form: "
	    "unsupported\n" },
	{ "a.pem", "a.pem",
	    "lictor.conf:5: tls: key: @/a.pem: no private key in PEM form: "
	    "unsupported\n" },
	{ "a.pem", "locked.key",
	    "lictor.conf:5: tls: key: @/locked.key: it is protected by a "
	    "passphrase, and nobody is there to type it\n" },
	{ "a.pem", "b.key",
	    "lictor.conf:5: tls: key: @/b.key: it is not the key of "
	    "@/a.pem\n" },
	{ "a.pem", "ec.key",
	    "lictor.conf:5: tls: key: @/ec.key: it is not the key of "
	    "@/a.pem\n" },
	{ "a.pem", "both.pem", NULL },
};

static void
test_files(void **state)
{
	struct tls_context *ctx;
	struct tls_keys *keys;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(pairs); i++) {
		use(pairs[i].certificate, pairs[i].key, NULL, NULL);
		keys = NULL;
		ctx = tls_context_new(&g.set, report, NULL);
		if (ctx != NULL)
			keys = tls_keys_new(ctx, &g.set, report, NULL);
		said(pairs[i].said != NULL ? pairs[i].said : "");
		assert_true((keys != NULL) == (pairs[i].said == NULL));
		tls_keys_free(keys);
		tls_context_free(ctx);
	}
}

/* Every mistake is told, each with its own line. */
static void
test_all_mistakes(void **state)
{
	struct tls_context *ctx;

	(void)state;
	use("none.pem", "a.key", "ed.pem", "ed.key");
	assert_null(tls_context_new(&g.set, report, NULL));
	said("lictor.conf:3: tls: certificate: @/none.pem: No such file or "
	     "directory\n"
	     "lictor.conf:4: tls: certificate: @/ed.pem: its key is neither "
	     "RSA nor ECDSA\n");

	use("a.pem", "ec.key", "ec.pem", "a.key");
	ctx = tls_context_new(&g.set, report, NULL);
	assert_non_null(ctx);
	assert_null(tls_keys_new(ctx, &g.set, report, NULL));
	said("lictor.conf:5: tls: key: @/ec.key: it is not the key of "
	     "@/a.pem\n"
	     "lictor.conf:6: tls: key: @/a.key: it is not the key of "
	     "@/ec.pem\n");
	tls_context_free(ctx);
}

/* ------------------------------------------------------------- signatures */

static const unsigned char digest[64] = { 1, 2, 3, 4, 5, 6, 7, 8 };

/* A block padded for that digest with a salt of that many octets. */
static void
pss_block(struct sign_request *r, int key, const EVP_MD *md, int salt)
{
	size_t size = (size_t)EVP_PKEY_get_size(g.keys[key]);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(g.keys[key], NULL);
	unsigned char signature[SIGN_OCTETS];
	size_t len = sizeof(signature);

	/* What a signature is made of comes out of it again. */
	EVP_PKEY_sign_init(ctx);
	EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING);
	EVP_PKEY_CTX_set_signature_md(ctx, md);
	EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, salt);
	assert_int_equal(EVP_PKEY_sign(ctx, signature, &len, digest,
			     (size_t)EVP_MD_get_size(md)),
	    1);
	EVP_PKEY_CTX_free(ctx);
	ctx = EVP_PKEY_CTX_new(g.keys[key], NULL);
	EVP_PKEY_encrypt_init(ctx);
	EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING);
	r->scheme = SIGN_RSA_PSS;
	len = sizeof(r->octets);
	assert_int_equal(EVP_PKEY_encrypt(ctx, r->octets, &len, signature,
			     size),
	    1);
	r->len = (uint32_t)len;
	EVP_PKEY_CTX_free(ctx);
}

/* Is the answer a signature of the digest by that key? */
static bool
verifies(int key, const EVP_MD *md, int padding, const struct sign_answer *a)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(g.keys[key], NULL);
	bool good;

	EVP_PKEY_verify_init(ctx);
	if (padding != 0) {
		EVP_PKEY_CTX_set_rsa_padding(ctx, padding);
		EVP_PKEY_CTX_set_signature_md(ctx, md);
	}
	good = EVP_PKEY_verify(ctx, a->octets, a->len, digest,
		   (size_t)EVP_MD_get_size(md)) == 1;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return good;
}

static struct {
	struct tls_context *ctx;
	struct tls_keys *keys;
	struct sign_request request;
	struct sign_answer answer;
} h;

static void
helper_start(const char *certificate, const char *key)
{
	use(certificate, key, "ec.pem", "ec.key");
	h.ctx = tls_context_new(&g.set, report, NULL);
	assert_non_null(h.ctx);
	h.keys = tls_keys_new(h.ctx, &g.set, report, NULL);
	assert_non_null(h.keys);
	memset(&h.request, 0, sizeof(h.request));
}

static void
helper_end(void)
{
	tls_keys_free(h.keys);
	tls_context_free(h.ctx);
}

static bool
is_signed(void)
{
	memset(&h.answer, 0xff, sizeof(h.answer));
	tls_keys_sign(h.keys, &h.request, &h.answer);
	return h.answer.len != 0;
}

static void
ask_digest(uint32_t certificate, uint32_t scheme, uint32_t bits, uint32_t len)
{
	memset(&h.request, 0, sizeof(h.request));
	h.request.certificate = certificate;
	h.request.scheme = scheme;
	h.request.digest_bits = bits;
	h.request.len = len;
	memcpy(h.request.octets, digest, sizeof(digest));
}

static void
test_what_is_signed(void **state)
{
	static const struct {
		const EVP_MD *(*md)(void);
		uint32_t bits;
	} mds[] = { { EVP_sha256, 256 }, { EVP_sha384, 384 },
		{ EVP_sha512, 512 } };

	size_t i;
	int key;

	(void)state;
	for (key = RSA_A; key <= RSA_ODD; key += RSA_ODD - RSA_A) {
		helper_start(key == RSA_A ? "a.pem" : "odd.pem",
		    key == RSA_A ? "a.key" : "odd.key");
		for (i = 0; i < NITEMS(mds); i++) {
			ask_digest(0, SIGN_RSA_PKCS1, mds[i].bits,
			    mds[i].bits / 8);
			assert_true(is_signed());
			assert_true(verifies(key, mds[i].md(),
			    RSA_PKCS1_PADDING, &h.answer));
			pss_block(&h.request, key, mds[i].md(),
			    (int)mds[i].bits / 8);
			assert_true(is_signed());
			assert_true(verifies(key, mds[i].md(),
			    RSA_PKCS1_PSS_PADDING, &h.answer));
			ask_digest(1, SIGN_ECDSA, 0, mds[i].bits / 8);
			assert_true(is_signed());
			assert_true(verifies(EC_A, mds[i].md(), 0, &h.answer));
		}
		helper_end();
	}
}

static const struct {
	uint32_t certificate, scheme, bits, len;
} refused[] = {
	{ 2, SIGN_RSA_PKCS1, 256, 32 }, /* no such certificate */
	{ UINT32_MAX, SIGN_ECDSA, 0, 32 },
	{ 0, 3, 256, 32 }, /* no such scheme */
	{ 0, UINT32_MAX, 256, 32 },
	{ 0, SIGN_RSA_PKCS1, 0, 32 }, /* no such digest */
	{ 0, SIGN_RSA_PKCS1, 160, 20 },
	{ 0, SIGN_RSA_PKCS1, 256, 33 }, /* of another length */
	{ 0, SIGN_RSA_PKCS1, 256, 0 },
	{ 0, SIGN_RSA_PKCS1, 256, UINT32_MAX },
	{ 0, SIGN_ECDSA, 256, 32 }, /* of the other kind */
	{ 1, SIGN_RSA_PKCS1, 256, 32 },
	{ 1, SIGN_RSA_PSS, 256, 64 },
	{ 1, SIGN_ECDSA, 0, 0 },
	{ 1, SIGN_ECDSA, 0, 65 },
	{ 0, SIGN_RSA_PSS, 0, 0 }, /* no block at all */
	{ 0, SIGN_RSA_PSS, 0, 32 },
	{ 0, SIGN_RSA_PSS, 0, 256 }, /* 256 octets of nothing */
	{ 0, SIGN_RSA_PSS, 0, SIGN_OCTETS },
	{ 0, SIGN_RSA_PSS, 0, SIGN_OCTETS + 1 },
};

static void
test_what_is_not_signed(void **state)
{
	size_t i;

	(void)state;
	helper_start("a.pem", "a.key");
	for (i = 0; i < NITEMS(refused); i++) {
		ask_digest(refused[i].certificate, refused[i].scheme,
		    refused[i].bits, refused[i].len);
		if (is_signed())
			fail_msg("row %zu is signed", i);
	}
	helper_end();
}

/* The key of a mail server is that of its other services, too. */
static void
test_nothing_is_decrypted(void **state)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(g.keys[RSA_A], NULL);
	size_t len = sizeof(h.request.octets);

	(void)state;
	helper_start("a.pem", "a.key");
	EVP_PKEY_encrypt_init(ctx);
	EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING);
	assert_int_equal(EVP_PKEY_encrypt(ctx, h.request.octets, &len, digest,
			     48),
	    1);
	h.request.scheme = SIGN_RSA_PSS;
	h.request.len = (uint32_t)len;
	assert_false(is_signed());
	EVP_PKEY_CTX_free(ctx);
	helper_end();
}

/* A block that is a little off is none. */
static void
test_blocks_that_are_off(void **state)
{
	static const size_t places[] = { 0, 1, 100, 190, 230, 255 };
	size_t i;

	(void)state;
	helper_start("a.pem", "a.key");
	pss_block(&h.request, RSA_A, EVP_sha256(), 20);
	assert_false(is_signed()); /* TLS has no such salt */
	for (i = 0; i < NITEMS(places); i++) {
		pss_block(&h.request, RSA_A, EVP_sha256(), 32);
		h.request.octets[places[i]] ^= 0x10;
		if (is_signed())
			fail_msg("octet %zu does not matter", places[i]);
	}
	pss_block(&h.request, RSA_B, EVP_sha256(), 32);
	h.request.len--;
	assert_false(is_signed());
	helper_end();
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_all_mistakes),
		cmocka_unit_test(test_what_is_signed),
		cmocka_unit_test(test_what_is_not_signed),
		cmocka_unit_test(test_nothing_is_decrypted),
		cmocka_unit_test(test_blocks_that_are_off),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
