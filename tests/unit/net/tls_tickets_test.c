/* tls_tickets_test.c - keys that are derived from secrets and time, and reach other processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/tls_tickets.h"

#define LIFETIME 3600
#define NOW 1700000000

#define SECRET_A "secret a secret a secret a secret a"
#define SECRET_B "secret b secret b secret b secret b"

static struct ticket_secrets *
secrets_of(const char *text)
{
	char path[] = "/tmp/jobgate-secrets-XXXXXX", error[128] = "";
	int fd = mkstemp(path);
	struct ticket_secrets *secrets;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	secrets = ticket_secrets_load(path, LIFETIME, error, sizeof(error));
	unlink(path);
	if (secrets == NULL)
		fail_msg("%s", error);
	return secrets;
}

static struct tls_tickets *
tickets_at(const char *text, int64_t now_s)
{
	struct ticket_secrets *secrets = secrets_of(text);
	struct tls_tickets *tickets = tls_tickets_new();

	assert_non_null(tickets);
	tls_tickets_turn(tickets, secrets, now_s, false);
	ticket_secrets_free(secrets);
	return tickets;
}

/* Would a ticket that `from` makes now be taken by `to`, and read with the same keys? */
static bool
takes(struct tls_tickets *to, struct tls_tickets *from)
{
	const struct ticket_key *made = tls_tickets_current(from);
	const struct ticket_key *found = tls_tickets_find(to, made->name);

	return found != NULL && memcmp(found, made, sizeof(*found)) == 0;
}

static void
the_same_secret_makes_the_same_keys(void **state)
{
	struct tls_tickets *one = tickets_at(SECRET_A, NOW), *two = tickets_at(SECRET_A, NOW);
	struct tls_tickets *other = tickets_at(SECRET_B, NOW);

	(void)state;
	assert_true(takes(one, two));
	assert_false(takes(one, other));
	tls_tickets_free(one);
	tls_tickets_free(two);
	tls_tickets_free(other);
}

static void
clocks_may_differ_by_a_lifetime(void **state)
{
	struct tls_tickets *now = tickets_at(SECRET_A, NOW);

	(void)state;
	for (int step = -3; step <= 3; step++) {
		struct tls_tickets *then = tickets_at(SECRET_A, NOW + step * LIFETIME);

		assert_int_equal(takes(now, then), step >= -1 && step <= 1);
		assert_int_equal(memcmp(tls_tickets_current(now), tls_tickets_current(then),
				     sizeof(struct ticket_key)) == 0,
		    step == 0);
		tls_tickets_free(then);
	}
	tls_tickets_free(now);
}

static void
the_first_secret_makes_and_all_are_taken(void **state)
{
	struct tls_tickets *a = tickets_at(SECRET_A "\n", NOW);
	struct tls_tickets *ab = tickets_at(SECRET_A "\r\n" SECRET_B, NOW);
	struct tls_tickets *ba = tickets_at("#x\n\n" SECRET_B "\n" SECRET_A "\n", NOW);

	(void)state;
	assert_true(takes(a, ab) && takes(ab, a) && takes(ab, ba) && takes(ba, a));
	assert_false(takes(a, ba));
	tls_tickets_free(a);
	tls_tickets_free(ab);
	tls_tickets_free(ba);
}

static void
random_keys_are_good_for_one_more_lifetime(void **state)
{
	char error[64];
	struct ticket_secrets *none = ticket_secrets_load(NULL, LIFETIME, error, sizeof(error));
	struct tls_tickets *tickets = tls_tickets_new();
	struct ticket_key first, second;

	(void)state;
	assert_null(tls_tickets_current(tickets));
	tls_tickets_turn(tickets, none, NOW, false);
	first = *tls_tickets_current(tickets);
	/* Neither time within the lifetime nor a reload makes new ones. */
	tls_tickets_turn(tickets, none, NOW + 1, false);
	tls_tickets_turn(tickets, none, NOW + 2, true);
	assert_memory_equal(&first, tls_tickets_current(tickets), sizeof(first));
	tls_tickets_turn(tickets, none, NOW + LIFETIME, false);
	second = *tls_tickets_current(tickets);
	assert_memory_not_equal(&first, &second, sizeof(first));
	assert_non_null(tls_tickets_find(tickets, first.name));
	tls_tickets_turn(tickets, none, NOW + 2 * LIFETIME, false);
	assert_null(tls_tickets_find(tickets, first.name));
	assert_non_null(tls_tickets_find(tickets, second.name));
	ticket_secrets_free(none);
	tls_tickets_free(tickets);
}

static void
new_secrets_come_with_a_reload(void **state)
{
	struct ticket_secrets *other = secrets_of(SECRET_B);
	struct tls_tickets *tickets = tickets_at(SECRET_A, NOW), *b = tickets_at(SECRET_B, NOW);

	(void)state;
	tls_tickets_turn(tickets, other, NOW, true);
	assert_true(takes(b, tickets));
	ticket_secrets_free(other);
	tls_tickets_free(tickets);
	tls_tickets_free(b);
}

/* Someone may know the secrets that were removed, and so their keys must not stay. */
static void
the_keys_of_secrets_go_with_the_file(void **state)
{
	char error[64];
	struct ticket_secrets *none = ticket_secrets_load(NULL, LIFETIME, error, sizeof(error));
	struct tls_tickets *tickets = tickets_at(SECRET_A, NOW), *a = tickets_at(SECRET_A, NOW);

	(void)state;
	tls_tickets_turn(tickets, none, NOW, true);
	assert_false(takes(tickets, a));
	tls_tickets_turn(tickets, none, NOW + LIFETIME, false);
	assert_false(takes(tickets, a));
	ticket_secrets_free(none);
	tls_tickets_free(tickets);
	tls_tickets_free(a);
}

/* A child that was forked before sees what its parent makes afterwards. */
static void
other_processes_take_them_over(void **state)
{
	struct ticket_secrets *secrets = secrets_of(SECRET_A);
	struct tls_tickets *tickets = tls_tickets_new(), *expected = tickets_at(SECRET_A, NOW);
	int ready[2], ask[2], status;
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(ask), 0);
	pid = fork();
	if (pid == 0) {
		bool good = tls_tickets_current(tickets) == NULL && write(ready[1], "x", 1) == 1 &&
			    read(ask[0], &byte, 1) == 1;

		_exit(good && takes(tickets, expected) ? 0 : 1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	tls_tickets_turn(tickets, secrets, NOW, false);
	assert_int_equal(write(ask[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(ready[0]);
	close(ready[1]);
	close(ask[0]);
	close(ask[1]);
	ticket_secrets_free(secrets);
	tls_tickets_free(tickets);
	tls_tickets_free(expected);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_same_secret_makes_the_same_keys),
	    cmocka_unit_test(clocks_may_differ_by_a_lifetime),
	    cmocka_unit_test(the_first_secret_makes_and_all_are_taken),
	    cmocka_unit_test(random_keys_are_good_for_one_more_lifetime),
	    cmocka_unit_test(new_secrets_come_with_a_reload),
	    cmocka_unit_test(the_keys_of_secrets_go_with_the_file),
	    cmocka_unit_test(other_processes_take_them_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
