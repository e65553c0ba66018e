/* tls_material_report.c - warns about certificates and secrets that work but need attention. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "auth/redis/url.h"
#include "net/tls_certificate.h"
#include "server/supervisor.h"

#define DAY 86400
#define SOON (14 * DAY)

#define ERROR_MAX 512
#define HOST_MAX 300

/* ---- certificates ---- */

static const char *
day_of(time_t time, char out[32])
{
	struct tm parts;

	gmtime_r(&time, &parts);
	strftime(out, 32, "%Y-%m-%d %H:%M UTC", &parts);
	return out;
}

static void
tell_validity(
    const struct log *log, const char *setting, const char *path, time_t from, time_t until)
{
	time_t now = time(NULL);
	char day[32];

	if (now >= until)
		log_error(log,
		    "%s: %s expired at %s, so peers that check it refuse it: renew it, then send "
		    "SIGHUP",
		    setting, path, day_of(until, day));
	else if (now < from)
		log_warning(log, "%s: %s is not valid before %s: check the clock, or replace it",
		    setting, path, day_of(from, day));
	else if (until - now < SOON)
		log_warning(log, "%s: %s expires at %s: renew it, then send SIGHUP", setting, path,
		    day_of(until, day));
}

/* Read and check one. False when there is none, or it was removed meanwhile. */
static bool
report_certificate(const struct log *log, const char *setting, const char *path,
    enum certificate_use use, struct certificate *certificate, struct tls_material *out)
{
	char error[ERROR_MAX];
	time_t from, until;

	if (path == NULL || !certificate_read(certificate, path, error, sizeof(error)))
		return false;
	certificate_validity(certificate, &from, &until);
	tell_validity(log, setting, path, from, until);
	out->expired = out->expired || time(NULL) >= until;
	if (until > 0 && (out->expiry[use] == 0 || (uint64_t)until < out->expiry[use]))
		out->expiry[use] = (uint64_t)until;
	return true;
}

static void
report_alone(const struct log *log, const char *setting, const char *path, enum certificate_use use,
    struct tls_material *out)
{
	struct certificate certificate;

	if (report_certificate(log, setting, path, use, &certificate, out))
		certificate_clear(&certificate);
}

/* Check the certificates for clients, and whether they cover the hosts that clients use. */
static void
report_for_clients(const struct config *config, const struct log *log, struct tls_material *out)
{
	const char *domain = config->jobs.domain, *control = config->control.host;
	bool job_covered = domain == NULL, control_covered = control == NULL;
	struct certificate certificate;
	char job[HOST_MAX];

	snprintf(job, sizeof(job), "any-job.%s", domain != NULL ? domain : "");
	for (size_t i = 0; i < config->tls.certificate_count; i++) {
		if (!report_certificate(log, "tls.certificates",
			config->tls.certificates[i].certificate, CERTIFICATE_CLIENTS, &certificate,
			out))
			continue;
		job_covered = job_covered || certificate_covers(&certificate, job);
		control_covered = control_covered || certificate_covers(&certificate, control);
		certificate_clear(&certificate);
	}
	if (!job_covered)
		log_warning(log,
		    "tls.certificates: none is for *.%s (jobs.domain): clients refuse hosts of "
		    "jobs that no certificate covers: add one",
		    domain);
	if (!control_covered)
		log_warning(log,
		    "tls.certificates: none is for %s (control.host): clients refuse it: add one",
		    control);
}

/* ---- secrets ---- */

/* The file's mode if users other than owner and group can open it, else 0. */
static mode_t
open_to_others(const char *path)
{
	char resolved[PATH_MAX], *slash;
	struct stat found;
	mode_t mode;

	if (realpath(path, resolved) == NULL || stat(resolved, &found) != 0 ||
	    (found.st_mode & S_IROTH) == 0)
		return 0;
	mode = found.st_mode & 07777;
	while ((slash = strrchr(resolved, '/')) != NULL && slash != resolved) {
		*slash = '\0';
		if (stat(resolved, &found) != 0 || (found.st_mode & S_IXOTH) == 0)
			return 0; /* they cannot reach it */
	}
	return mode;
}

static void
report_secret(const struct log *log, const char *setting, const char *path)
{
	mode_t mode = path != NULL ? open_to_others(path) : 0;

	if (mode != 0)
		log_warning(log,
		    "%s: every user of this machine can read %s (mode %04o): chmod o= %s", setting,
		    path, (unsigned)mode, path);
}

static bool
has_password(const char *url)
{
	struct redis_url parsed = {0};
	char error[ERROR_MAX];
	bool has = url != NULL && redis_url_parse(url, &parsed, error, sizeof(error)) &&
		   (parsed.login.given || parsed.sentinel_login.given);

	redis_url_wipe(&parsed);
	return has;
}

void
tls_material_report(const struct config *config, const struct log *log, struct tls_material *out)
{
	if (config->tls.certificate_count > 0)
		report_for_clients(config, log, out);
	report_alone(
	    log, "control.certificate", config->control.certificate, CERTIFICATE_CONTROL, out);
	report_alone(
	    log, "backends.certificate", config->backends.certificate, CERTIFICATE_BACKENDS, out);
	for (size_t i = 0; i < config->tls.certificate_count; i++)
		report_secret(log, "tls.certificates", config->tls.certificates[i].key);
	report_secret(log, "tls.ticket_secrets", config->tls.ticket_secrets);
	report_secret(log, "control.key", config->control.key);
	report_secret(log, "backends.key", config->backends.key);
	report_secret(log, "browser.key_file", config->browser.key_file);
	if (has_password(config->store.read_url) || has_password(config->store.write_url))
		report_secret(log, "the store's password", config->file);
	report_secret(log, "store.password_file", config->store.password_file);
}
