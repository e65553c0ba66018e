/* main.c - the words of the command line that are not the client's. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/bulk/bulk.h"
#include "auth/cli/cli.h"
#include "auth/suggest.h"
#include "jobgate/paths.h"
#include "net/resolve.h"
#include "server/redis_child.h"
#include "server/server.h"

static const char serve_usage[] =
    "Usage: jobgate serve [OPTIONS]\n\n"
    "Run the gateway. Without a configuration it listens on 127.0.0.1:8080, serves jobs at\n"
    "http://<job>.localhost:8080/ and /jobs/<job>/, and keeps tokens and jobs in a private "
    "redis-server.\n\n"
    "Options:\n"
    "  -c, --config <FILE>  Configuration (YAML)\n"
    "  -h, --help           Print help\n";

static const char check_usage[] =
    "Usage: jobgate check --config <FILE> [--connect]\n\n"
    "Validate a configuration: name file, line and column of the first error.\n\n"
    "Options:\n"
    "  -c, --config <FILE>  Configuration (YAML)\n"
    "      --connect        Also connect to the store, and to the job of a sidecar\n"
    "  -h, --help           Print help\n";

/* Read -c, -h and, where connect is not NULL, --connect. Returns an exit status when the command
 * ends here, else -1. */
static int
read_options(int argc, char **argv, const char *usage, const char **file, bool *connect)
{
	static const struct option serve_options[] = {{"config", required_argument, NULL, 'c'},
	    {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	static const struct option check_options[] = {{"config", required_argument, NULL, 'c'},
	    {"help", no_argument, NULL, 'h'}, {"connect", no_argument, NULL, 'C'},
	    {NULL, 0, NULL, 0}};
	const struct option *options = connect != NULL ? check_options : serve_options;
	int option;

	*file = NULL;
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			*file = optarg;
			break;
		case 'C':
			if (connect != NULL)
				*connect = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			suggest_option(argv[optind - 1], options);
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "jobgate: unexpected argument: %s\n\n%s", argv[optind], usage);
		return 2;
	}
	return -1;
}

/* Print a file's name with escapes as those of the log: a terminal would obey its control
 * characters. */
static void
print_name(FILE *out, const char *name)
{
	for (size_t len; *name != '\0'; name += len > 0 ? len : 1) {
		unsigned char c = (unsigned char)*name;

		len = c < 0x80 ? c >= ' ' && c != 0x7f : jg_log_char_len(name, strnlen(name, 4));
		if (len > 0)
			fwrite(name, 1, len, out);
		else
			fprintf(out, "\\x%02x", c);
	}
}

/* Load a configuration, or say what is wrong with it. */
static struct config *
load(const char *file)
{
	struct config_error error;
	struct config *config = config_load(file, &error);

	if (config != NULL)
		return config;
	print_name(stderr, file != NULL ? file : "jobgate");
	if (error.line > 0)
		fprintf(stderr, ":%zu:%zu", error.line, error.column);
	fprintf(stderr, ": %s\n", error.message);
	return NULL;
}

static int
serve(int argc, char **argv, char **arguments)
{
	const char *file;
	struct config *config;
	struct log log = {.fd = STDERR_FILENO, .process = "supervisor"};
	int status = read_options(argc, argv, serve_usage, &file, NULL);

	if (status >= 0)
		return status;
	config = load(file);
	if (config == NULL)
		return 1;
	log.level = config->log.level;
	log.json = config->log.json;
	log.journal = getenv("JOURNAL_STREAM") != NULL;
	return server_run(config, &log, arguments);
}

static int
check(int argc, char **argv)
{
	const char *file;
	struct config *config;
	const struct log log = {
	    .fd = STDERR_FILENO, .level = LOG_LEVEL_WARNING, .process = "check"};
	bool connect = false;
	int status = read_options(argc, argv, check_usage, &file, &connect);

	if (status >= 0)
		return status;
	if (file == NULL) {
		fprintf(stderr, "jobgate: --config <FILE> is missing\n\n%s", check_usage);
		return 2;
	}
	config = load(file);
	if (config == NULL)
		return 1;
	status =
	    server_check(config, &log) && (!connect || server_check_connect(config, &log)) ? 0 : 1;
	if (status == 0) {
		print_name(stdout, file);
		puts(": ok");
	}
	config_free(config);
	return status;
}

/* What the store of a configuration is told from. */
struct store_source {
	struct config *config;
	struct redis_child child;
};

static bool
find_store(void *ctx, const char *file, struct bulk_store *out)
{
	struct store_source *source = ctx;
	const struct log log = {.fd = STDERR_FILENO, .process = "store"};
	char socket[108];
	struct config place;

	source->config = load(file);
	if (source->config == NULL)
		return false;
	place = *source->config;
	/* Where nothing is said, that of the gateway that all other commands speak to. */
	if (file == NULL && jg_control_socket_find(JG_SERVICE_SOCKET, socket, sizeof(socket)))
		place.control.process.socket = socket;
	if (place.store.write_url == NULL && !redis_child_place(&source->child, &place, &log))
		return false;
	*out = (struct bulk_store){
	    .url = source->config->store.write_url != NULL ? source->config->store.write_url
							   : source->child.url,
	    .prefix = source->config->store.prefix,
	    .ca_file = source->config->store.ca_file,
	    .password_file = source->config->store.password_file,
	    .dir = source->config->store.write_url == NULL ? source->config->store.state_dir : NULL,
	    .taken = source->config->jobs.taken,
	};
	return true;
}

static int
store(int argc, char **argv)
{
	struct store_source source = {0};
	int status = bulk_main(argc, argv, find_store, &source, resolver_open);

	config_free(source.config);
	return status;
}

/* What getopt_long's messages begin with. */
static char store_name[] = "jobgate store", serve_name[] = "jobgate serve",
	    check_name[] = "jobgate check";

/* The commands that are not the client's; -1: it is another one. */
static int
run(int argc, char **argv, char **arguments)
{
	const char *command = argc > 1 ? argv[1] : "";
	bool store_command = strcmp(command, "store") == 0;
	bool serve_command = strcmp(command, "serve") == 0;

	if (!store_command && !serve_command && strcmp(command, "check") != 0)
		return -1;
	for (int i = 2; i < argc; i++)
		if (cli_is_version(argv[i]))
			return cli_print_version();
	argv[1] = store_command ? store_name : serve_command ? serve_name : check_name;
	if (store_command)
		return store(argc - 1, argv + 1);
	return serve_command ? serve(argc - 1, argv + 1, arguments) : check(argc - 1, argv + 1);
}

int
main(int argc, char **argv)
{
	char **words = cli_words(&argc, argv);
	int status;

	if (words == NULL) {
		fputs("jobgate: out of memory\n", stderr);
		return 1;
	}
	status = run(argc, words, argv);
	if (status < 0)
		status = cli_main(argc, words);
	free(words);
	return status;
}
