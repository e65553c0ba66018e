/* bulk.c - the command line of `jobgate store`. */
#include "auth/bulk/bulk.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/crypto.h>

#include "auth/bulk/task.h"
#include "auth/parse_memory.h"
#include "auth/redis/url.h"
#include "auth/suggest.h"

static const char usage[] =
    "Check, export and import the records of a store, without a gateway\n\n"
    "Usage: jobgate store <COMMAND> [OPTIONS]\n\n"
    "Commands:\n"
    "  verify  Check every token, every job and their indexes\n"
    "  export  Write all tokens (their hashes, never values) and jobs as lines of JSON\n"
    "  import  Read such lines, and create the records that do not exist yet\n"
    "  mint    Make tokens' values with a key of the store, so that gateways refuse invented\n"
    "          values without asking the store; upgrade all gateways first\n\n"
    "Options:\n"
    "  -c, --config <FILE>     Use the store of this configuration [default: the private store]\n"
    "      --store <URL>       Use this store: redis://, rediss://, redis+sentinel://, "
    "redis+cluster://\n"
    "                          or unix:/path\n"
    "      --prefix <PREFIX>   Prefix of its keys, with --store [default: jobgate:, in a\n"
    "                          cluster {jobgate}:]\n"
    "      --ca-file <FILE>    CA certificates for rediss://, with --store [default: the "
    "system's]\n"
    "      --mend              With verify: repair the sets of tokens that tokens created\n"
    "      --enforce           With mint: refuse values that were not minted\n"
    "      --force             With --enforce: even if this refuses tokens that exist\n"
    "  -h, --help              Print help\n\n"
    "Lines go to standard output and come from standard input. An export begins with the key of "
    "mint.\n"
    "Exit status: 0 done, 1 something is wrong with a record, 2 wrong usage, 3 store out of "
    "reach.\n";

struct verb {
	const char *name;
	int (*run)(struct task *task);
};

static const struct verb verbs[] = {
    {"verify", task_verify}, {"export", task_export}, {"import", task_import}, {"mint", task_mint}};

struct bulk_options {
	const struct verb *verb;
	const char *config, *prefix, *ca_file;
	char *url; /* a copy, which may hold a password */
	bool enforce, force, mend;
};

/* Take the URL out of argv, which other users see in `ps`. */
static char *
take_url(char *arg)
{
	char *copy = strdup(arg);

	OPENSSL_cleanse(arg, strlen(arg));
	return copy;
}

/* The options before and behind the verb. The exit status if the command ends here, else -1. */
static int
read_options(int argc, char **argv, struct bulk_options *out)
{
	enum { STORE = 0x100, PREFIX, CA_FILE, ENFORCE, FORCE, MEND };
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
	    {"store", required_argument, NULL, STORE}, {"prefix", required_argument, NULL, PREFIX},
	    {"ca-file", required_argument, NULL, CA_FILE}, {"help", no_argument, NULL, 'h'},
	    {"enforce", no_argument, NULL, ENFORCE}, {"force", no_argument, NULL, FORCE},
	    {"mend", no_argument, NULL, MEND}, {NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			out->config = optarg;
			break;
		case STORE:
			free(out->url);
			out->url = take_url(optarg);
			break;
		case PREFIX:
			out->prefix = optarg;
			break;
		case CA_FILE:
			out->ca_file = optarg;
			break;
		case ENFORCE:
			out->enforce = true;
			break;
		case FORCE:
			out->force = true;
			break;
		case MEND:
			out->mend = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return TASK_OK;
		default:
			suggest_option(argv[optind - 1], options);
			fputs("Try 'jobgate store --help'.\n", stderr);
			return TASK_USAGE;
		}
	}
	return -1;
}

static void
refuse_verb(const char *word)
{
	const char *names[sizeof(verbs) / sizeof(verbs[0])], *meant;

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		names[i] = verbs[i].name;
	meant = suggest(word, names, sizeof(verbs) / sizeof(verbs[0]));
	fprintf(stderr, "jobgate: 'store %s' is not a command. ", word);
	if (meant != NULL)
		fprintf(stderr, "Did you mean 'store %s'? ", meant);
}

/* The verb, where getopt_long has left it: behind all options. Returns as read_options. */
static int
read_verb(int argc, char **argv, struct bulk_options *out)
{
	for (size_t i = 0; optind < argc && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(argv[optind], verbs[i].name) == 0)
			out->verb = &verbs[i];
	if (optind == argc) {
		fputs(usage, stderr);
		return TASK_USAGE;
	}
	if (out->verb == NULL || optind + 1 < argc) {
		if (out->verb == NULL)
			refuse_verb(argv[optind]);
		else
			fprintf(stderr, "jobgate: unexpected argument '%s'. ", argv[optind + 1]);
		fputs("Try 'jobgate store --help'.\n", stderr);
		return TASK_USAGE;
	}
	return -1;
}

/* Whether the options may stand together, and with this verb. Returns as read_options. */
static int
check_options(const struct bulk_options *out)
{
	if (out->url == NULL && (out->prefix != NULL || out->ca_file != NULL)) {
		fputs("jobgate: --prefix and --ca-file need --store\n", stderr);
		return TASK_USAGE;
	}
	if (out->url != NULL && out->config != NULL) {
		fputs("jobgate: give --store or --config, not both\n", stderr);
		return TASK_USAGE;
	}
	if (out->mend && out->verb->run != task_verify) {
		fputs("jobgate: --mend works only with verify\n", stderr);
		return TASK_USAGE;
	}
	if ((out->enforce && out->verb->run != task_mint) || (out->force && !out->enforce)) {
		fputs("jobgate: --enforce works only with mint, and --force only with --enforce\n",
		    stderr);
		return TASK_USAGE;
	}
	return -1;
}

static int
run(const struct bulk_options *options, const struct bulk_store *at,
    resolver_open_fn *resolver_open)
{
	struct task task = {.in = stdin,
	    .out = stdout,
	    .dir = at->dir,
	    .taken = at->taken,
	    .enforce = options->enforce,
	    .force = options->force,
	    .mend = options->mend};
	struct resolver *resolver;
	int result = TASK_USAGE; /* store_new has logged what is wrong with the URL */

	task.base = event_base_new();
	resolver = task.base != NULL ? resolver_open(task.base) : NULL;
	if (resolver != NULL)
		task.store = store_new(&(struct store_options){
		    .base = task.base,
		    .resolver = resolver,
		    .url = at->url,
		    .prefix = at->prefix,
		    .ca_file = at->ca_file,
		    .password_file = at->password_file,
		    .log = {STDERR_FILENO, LOG_LEVEL_WARNING, "store", false},
		});
	if (task.store != NULL)
		result = task_reach(&task);
	if (task.store != NULL && result == TASK_OK)
		result = options->verb->run(&task);
	store_free(task.store);
	resolver_free(resolver);
	if (task.base != NULL)
		event_base_free(task.base);
	return result;
}

int
bulk_main(int argc, char **argv, bool (*load)(void *ctx, const char *file, struct bulk_store *out),
    void *ctx, resolver_open_fn *resolver_open)
{
	struct bulk_options options = {0};
	struct bulk_store at = {0};
	int result = read_options(argc, argv, &options);

	json_set_alloc_funcs(parse_alloc, parse_free);
	if (result < 0)
		result = read_verb(argc, argv, &options);
	if (result < 0)
		result = check_options(&options);
	signal(SIGPIPE, SIG_IGN); /* a write to a broken connection returns an error instead */
	if (result >= 0)
		goto done;
	result = TASK_WRONG;
	if (options.url != NULL)
		at = (struct bulk_store){.url = options.url,
		    .prefix =
			options.prefix != NULL ? options.prefix : redis_default_prefix(options.url),
		    .ca_file = options.ca_file};
	else if (!load(ctx, options.config, &at))
		goto done;
	result = run(&options, &at, resolver_open);
	if (result == TASK_UNREACHABLE && options.url == NULL && options.config == NULL)
		fputs("This is the private store of a gateway on this machine (jobgate serve). "
		      "For another store give --config or --store.\n",
		    stderr);
done:
	if (options.url != NULL)
		OPENSSL_cleanse(options.url, strlen(options.url));
	free(options.url);
	return result;
}
