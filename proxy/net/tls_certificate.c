/* tls_certificate.c - reads certificates, keys and OCSP responses. */
#include "net/tls_certificate.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls.h"

#define NAME_MAX_LEN 253

/* OCSP responses have a few hundred bytes, or a few thousand with certificates in them. */
#define OCSP_BYTES_MAX (64 * 1024)

/* How far clocks may differ, in seconds. */
#define CLOCK_SKEW 300

static bool
file_error(char *error, size_t cap, const char *file, const char *text)
{
	unsigned long reason = ERR_peek_error();
	const char *detail = reason != 0 ? ERR_reason_error_string(reason) : NULL;

	if (detail != NULL)
		snprintf(error, cap, "%s: %s (%s)", file, text, detail);
	else
		snprintf(error, cap, "%s: %s", file, text);
	ERR_clear_error();
	return false;
}

static FILE *
open_file(const char *path, char *error, size_t cap)
{
	FILE *file = fopen(path, "re");

	ERR_clear_error();
	if (file == NULL)
		file_error(error, cap, path, strerror(errno));
	return file;
}

static bool
read_chain(struct certificate *out, const char *path, char *error, size_t cap)
{
	FILE *file = open_file(path, error, cap);
	X509 *next;

	if (file == NULL)
		return false;
	out->leaf = PEM_read_X509(file, NULL, tls_no_password, NULL);
	out->chain = sk_X509_new_null();
	while (out->leaf != NULL && out->chain != NULL &&
	       (next = PEM_read_X509(file, NULL, tls_no_password, NULL)) != NULL) {
		if (sk_X509_push(out->chain, next) > 0)
			continue;
		X509_free(next);
		break;
	}
	fclose(file);
	/*
	 * At the end of the file OpenSSL reports that it found no beginning of another certificate.
	 */
	if (out->leaf != NULL && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
		ERR_clear_error();
		return true;
	}
	return file_error(error, cap, path, "not a certificate in PEM");
}

static bool
read_key(struct certificate *out, const char *path, char *error, size_t cap)
{
	FILE *file = open_file(path, error, cap);

	if (file == NULL)
		return false;
	/* Without stdio's buffer, which would not be wiped. */
	setvbuf(file, NULL, _IONBF, 0);
	out->key = PEM_read_PrivateKey(file, NULL, tls_no_password, NULL);
	fclose(file);
	if (out->key == NULL)
		return file_error(error, cap, path, "not a private key in PEM without a password");
	if (X509_check_private_key(out->leaf, out->key) != 1)
		return file_error(error, cap, path, "not the key of its certificate");
	return true;
}

/* Add a DNS name in lower case; false when memory is short. */
static bool
add_name(struct certificate *out, const ASN1_STRING *name)
{
	const unsigned char *text = ASN1_STRING_get0_data(name);
	int len = ASN1_STRING_length(name);
	char *copy;

	if (len <= 0 || len > NAME_MAX_LEN || memchr(text, '\0', (size_t)len) != NULL)
		return true; /* not a DNS name: no client can ask for it */
	copy = malloc((size_t)len + 1);
	if (copy == NULL)
		return false;
	for (int i = 0; i < len; i++)
		copy[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
	copy[len] = '\0';
	out->names[out->name_count++] = copy;
	return true;
}

/* Take only the names of subjectAltName: clients have ignored the common name for years. */
static bool
read_names(struct certificate *out)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(out->leaf, NID_subject_alt_name, NULL, NULL);
	int count = names != NULL ? sk_GENERAL_NAME_num(names) : 0;
	bool good = true;

	out->names = calloc((size_t)count + 1, sizeof(*out->names));
	good = out->names != NULL;
	for (int i = 0; good && i < count; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS)
			good = add_name(out, name->d.dNSName);
	}
	GENERAL_NAMES_free(names);
	return good;
}

/* Seconds since 1970 of an ASN.1 time; 0 when it is not one. */
static time_t
unix_time(const ASN1_TIME *time)
{
	struct tm parts;

	return time != NULL && ASN1_TIME_to_tm(time, &parts) == 1 ? timegm(&parts) : 0;
}

/* Find the certificate of the leaf's issuer, if the file has it. */
static X509 *
issuer_of(const struct certificate *certificate)
{
	for (int i = 0; i < sk_X509_num(certificate->chain); i++) {
		X509 *candidate = sk_X509_value(certificate->chain, i);

		if (X509_check_issued(candidate, certificate->leaf) == X509_V_OK)
			return candidate;
	}
	return NULL;
}

/*
 * Check that the response is current and says that this certificate is good. Returns NULL, or what
 * is wrong.
 */
static const char *
judge_ocsp(const struct certificate *certificate, OCSP_RESPONSE *response, time_t *until)
{
	OCSP_BASICRESP *basic = OCSP_response_get1_basic(response);
	X509 *issuer = issuer_of(certificate);
	OCSP_CERTID *id = issuer != NULL ? OCSP_cert_to_id(NULL, certificate->leaf, issuer) : NULL;
	ASN1_GENERALIZEDTIME *this_update = NULL, *next_update = NULL;
	const char *wrong = NULL;
	int status = -1;

	if (basic == NULL)
		wrong = "an OCSP response that reports an error";
	else if (id == NULL)
		wrong = "cannot be checked: add the issuer's certificate to the certificate's file";
	else if (OCSP_resp_find_status(
		     basic, id, &status, NULL, NULL, &this_update, &next_update) != 1)
		wrong = "an OCSP response for another certificate";
	else if (status != V_OCSP_CERTSTATUS_GOOD)
		wrong = "an OCSP response that does not say that the certificate is good";
	else if (OCSP_check_validity(this_update, next_update, CLOCK_SKEW, -1) != 1)
		wrong = "an OCSP response that is too old, or from the future";
	*until = unix_time(next_update);
	OCSP_CERTID_free(id);
	OCSP_BASICRESP_free(basic);
	return wrong;
}

static bool
read_ocsp(struct certificate *out, const char *path, char *error, size_t cap)
{
	FILE *file = open_file(path, error, cap);
	OCSP_RESPONSE *response = NULL;
	const unsigned char *at;
	const char *wrong = "not an OCSP response in DER";

	if (file == NULL)
		return false;
	out->ocsp = malloc(OCSP_BYTES_MAX);
	if (out->ocsp != NULL)
		out->ocsp_len = fread(out->ocsp, 1, OCSP_BYTES_MAX, file);
	fclose(file);
	at = out->ocsp;
	if (at != NULL && out->ocsp_len < OCSP_BYTES_MAX)
		response = d2i_OCSP_RESPONSE(NULL, &at, (long)out->ocsp_len);
	if (response != NULL)
		wrong = judge_ocsp(out, response, &out->ocsp_until);
	OCSP_RESPONSE_free(response);
	ERR_clear_error();
	return wrong == NULL || file_error(error, cap, path, wrong);
}

bool
certificate_load(
    struct certificate *out, const struct tls_certificate_files *files, char *error, size_t cap)
{
	*out = (struct certificate){0};
	if (!read_chain(out, files->certificate, error, cap) ||
	    !read_key(out, files->key, error, cap))
		goto fail;
	if (!read_names(out)) {
		file_error(error, cap, files->certificate, "out of memory");
		goto fail;
	}
	if (files->ocsp == NULL || read_ocsp(out, files->ocsp, error, cap))
		return true;
fail:
	certificate_clear(out);
	return false;
}

bool
certificate_read(struct certificate *out, const char *path, char *error, size_t cap)
{
	*out = (struct certificate){0};
	if (read_chain(out, path, error, cap))
		return true;
	certificate_clear(out);
	return false;
}

void
certificate_validity(const struct certificate *certificate, time_t *from, time_t *until)
{
	*from = unix_time(X509_get0_notBefore(certificate->leaf));
	*until = unix_time(X509_get0_notAfter(certificate->leaf));
}

bool
certificate_covers(const struct certificate *certificate, const char *host)
{
	return X509_check_host(
		   certificate->leaf, host, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
}

void
certificate_clear(struct certificate *certificate)
{
	for (size_t i = 0; i < certificate->name_count; i++)
		free(certificate->names[i]);
	free(certificate->names);
	free(certificate->ocsp);
	EVP_PKEY_free(certificate->key);
	sk_X509_pop_free(certificate->chain, X509_free);
	X509_free(certificate->leaf);
	*certificate = (struct certificate){0};
}

bool
certificate_same_kind(const struct certificate *a, const struct certificate *b)
{
	return EVP_PKEY_get_base_id(a->key) == EVP_PKEY_get_base_id(b->key);
}
