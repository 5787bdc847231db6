/* baton-exporter: what it takes for a command line, what it says of an instance, and how it behaves as a server. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "exporter/exporter.h"

/* ---- the command line ---- */

static int parse(struct exporter_options *o, char *said, size_t bytes, const char *a, const char *b)
{
	char *argv[] = { (char *)(uintptr_t) "baton-exporter", (char *)(uintptr_t)a, (char *)(uintptr_t)b, NULL };
	FILE *err = fmemopen(said, bytes, "w");
	int rc = exporter_options_parse(o, b ? 3 : a ? 2 : 1, argv, err);

	fclose(err);
	return rc;
}

static void options_are_an_instance_and_an_address(void **unused)
{
	struct exporter_options o;
	char said[200];

	(void)unused;
	assert_int_equal(parse(&o, said, sizeof(said), NULL, NULL), 0);
	assert_string_equal(o.listen, "127.0.0.1:9808"); /* not to the whole world */
	assert_string_equal(o.instance, "");
	assert_int_equal(parse(&o, said, sizeof(said), "-i", "demo"), 0);
	assert_string_equal(o.instance, "demo");
	assert_int_equal(parse(&o, said, sizeof(said), "--listen", "[::1]:1"), 0);
	assert_string_equal(o.listen, "[::1]:1");
	assert_int_equal(parse(&o, said, sizeof(said), "-i", "../x"), -EINVAL);
	assert_int_equal(parse(&o, said, sizeof(said), "demo", NULL), -EINVAL);
	assert_non_null(strstr(said, "named by -i"));
}

static void addresses_are_checked(void **unused)
{
	static const char *const bad[] = {
		"", ":", "9808", "127.0.0.1", "127.0.0.1:", ":9808", "::1:9808", "[::1]", "127.0.0.1:http", "127.0.0.1:65536",
		"127.0.0.1:-1", "[]:80", "no such host:80",
	};
	char bound[64], why[400];

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (http_listen(bad[i], bound, why, sizeof(why)) != -EINVAL)
			fail_msg("taken: '%s'", bad[i]);
		assert_non_null(strstr(why, "--listen"));
	}
	int fd = http_listen("127.0.0.1:0", bound, why, sizeof(why));
	assert_true(fd >= 0);
	assert_int_equal(http_listen(bound, bound, why, sizeof(why)), -EADDRINUSE);
	assert_non_null(strstr(why, "is another exporter there?"));
	close(fd);
}

/* ---- the page ---- */

static char name[BATON_NAME_BYTES];
static struct page page;
static char *text;

static struct stats run_primary(uint64_t packets)
{
	struct stats stats;
	int fd;

	assert_int_equal(stats_create(&stats, name, 1, 2, 1000000000, &fd), 0);
	close(fd);
	stats_io(&stats, 0)->kind = CORE_IO;
	stats_main(&stats)->kind = CORE_MAIN;
	stats_add(&stats_io(&stats, 0)->rx_packets, packets);
	atomic_store_explicit(&stats.header->alive_tsc, __rdtsc(), memory_order_relaxed);
	return stats;
}

static void write_page(void)
{
	size_t bytes;
	FILE *out;

	free(text);
	out = open_memstream(&text, &bytes);
	page_write(&page, out);
	fclose(out);
}

static void page_has(const char *line)
{
	char want[200];

	snprintf(want, sizeof(want), line, name);
	if (!strstr(text, want))
		fail_msg("no '%s' in:\n%s", want, text);
}

static int begin(void **unused)
{
	(void)unused;
	snprintf(name, sizeof(name), "unit-exp-%d", (int)getpid());
	return page_init(&page, name);
}

static int finish(void **unused)
{
	(void)unused;
	page_fini(&page);
	stats_unlink(name);
	free(text);
	text = NULL;
	return 0;
}

static void a_batond_that_comes_goes_and_comes_again_is_followed(void **unused)
{
	struct stats stats;

	(void)unused;
	write_page();
	page_has("baton_up{baton=\"%s\"} 0\n");
	assert_null(strstr(text, "baton_rx_packets_total"));
	for (uint64_t packets = 77; packets <= 78; packets++) {
		stats = run_primary(packets);
		write_page();
		page_has("baton_up{baton=\"%s\"} 1\n");
		page_has(packets == 77 ? "\"} 77\n" : "\"} 78\n");
		stats_unlink(name);
		stats_detach(&stats);
		write_page(); /* it has stopped: no old figure is shown as if it were new */
		page_has("baton_up{baton=\"%s\"} 0\n");
		assert_null(strstr(text, "baton_rx_packets_total"));
	}
	page_has("baton_exporter_scrapes_total 5\n");
	/* Killed and started again between two scrapes: the file is another one. */
	stats = run_primary(1);
	write_page();
	page_has("\"} 1\n");
	stats_detach(&stats);
	stats = run_primary(2);
	write_page();
	page_has("baton_up{baton=\"%s\"} 1\n");
	page_has("\"} 2\n");
	stats_detach(&stats);
}

/* Killed, or stuck: the file is there and its main loop does not turn. Its counters are still true. */
static void a_main_loop_that_does_not_turn_is_not_up(void **unused)
{
	struct stats stats = run_primary(5);

	(void)unused;
	atomic_store_explicit(&stats.header->alive_tsc, __rdtsc() - 3 * stats.header->tsc_hz, memory_order_relaxed);
	write_page();
	page_has("baton_up{baton=\"%s\"} 0\n");
	page_has("baton_primary_up{baton=\"%s\"} 0\n");
	page_has("\"} 5\n");
	stats_detach(&stats);
}

static void every_family_is_there_once(void **unused)
{
	struct stats stats = run_primary(5);
	char family[128];

	(void)unused;
	write_page();
	for (char *at = text; (at = strstr(at, "# TYPE ")) != NULL; at++) {
		snprintf(family, sizeof(family), "%.*s ", (int)strcspn(at + 7, " "), at + 7);
		char again[160];
		snprintf(again, sizeof(again), "# TYPE %s", family);
		assert_null(strstr(at + 7, again));
	}
	assert_int_equal(text[strlen(text) - 1], '\n');
	stats_detach(&stats);
}

/* ---- the server ---- */

static struct http *http;
static char bound[64];

static int serve(void **state)
{
	char why[400];

	if (begin(state))
		return -1;
	int fd = http_listen("127.0.0.1:0", bound, why, sizeof(why));
	http = fd < 0 ? NULL : http_start(fd, &page);
	return http ? 0 : -1;
}

static int end_serving(void **state)
{
	http_stop(http);
	return finish(state);
}

static int dial(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_port = htons((uint16_t)atoi(strchr(bound, ':') + 1));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* What comes until the server hangs up. */
static const char *read_all(int fd)
{
	static char answer[1 << 20];
	uint64_t end = now_ms() + 60000;
	size_t got = 0;

	for (;;) {
		ssize_t n = recv(fd, answer + got, sizeof(answer) - 1 - got, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			break;
		got += n > 0 ? (size_t)n : 0;
		if (now_ms() > end)
			fail_msg("no end of the answer within 60 s");
		http_turn(http, n > 0 ? 0 : 10);
	}
	answer[got] = '\0';
	close(fd);
	return answer;
}

static const char *ask(const char *request)
{
	int fd = dial();
	size_t bytes = strlen(request);

	for (size_t at = 0; at < bytes;) {
		ssize_t n = send(fd, request + at, bytes - at, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			break; /* it has heard enough */
		at += n > 0 ? (size_t)n : 0;
		http_turn(http, 0);
	}
	return read_all(fd);
}

static void begins(const char *answer, const char *status)
{
	if (strncmp(answer, status, strlen(status)) != 0)
		fail_msg("'%.60s' does not begin with '%s'", answer, status);
}

static void metrics_are_served_with_their_type(void **unused)
{
	struct stats stats = run_primary(4711);
	const char *answer;

	(void)unused;
	answer = ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	begins(answer, "HTTP/1.1 200 OK\r\n");
	assert_non_null(strstr(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	assert_non_null(strstr(answer, "# TYPE baton_rx_packets_total counter\n"));
	assert_non_null(strstr(answer, "\"} 4711\n"));
	size_t length = strtoul(strstr(answer, "Content-Length: ") + 16, NULL, 10);
	assert_int_equal(strlen(strstr(answer, "\r\n\r\n") + 4), length);
	answer = ask("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	begins(answer, "HTTP/1.1 200 OK\r\n");
	assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
	assert_true(strtoul(strstr(answer, "Content-Length: ") + 16, NULL, 10) > 1000);
	begins(ask("GET /metrics?x=1 HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 OK\r\n");
	stats_detach(&stats);
}

static void what_is_wrong_gets_the_code_for_it(void **unused)
{
	static char big[20000];
	const char *answer;

	(void)unused;
	assert_non_null(strstr(ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), "\r\n\r\nok\n"));
	assert_non_null(strstr(ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "href=\"/metrics\""));
	begins(ask("GET /metrics/ HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 404 ");
	begins(ask("GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 404 ");
	answer = ask("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n");
	begins(answer, "HTTP/1.1 405 ");
	assert_non_null(strstr(answer, "Allow: GET, HEAD\r\n"));
	begins(ask("GET / HTTP/1.1\r\nno colon here\r\n\r\n"), "HTTP/1.1 400 ");
	begins(ask("GET / HTTP/7.0\r\n\r\n"), "HTTP/1.1 505 ");
	memset(big, 'x', sizeof(big) - 1);
	memcpy(big, "GET / HTTP/1.1\r\nX: ", 19);
	begins(ask(big), "HTTP/1.1 431 ");
	memcpy(big, "GET /xxxxxxxxxxxxxx", 19);
	begins(ask(big), "HTTP/1.1 414 ");
	begins(ask("\x16\x03\x01 nonsense\r\n\r\n"), "HTTP/1.1 400 ");
	begins(ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 ");
}

#define SILENT    90u /* clients: three times as many as there are places, and fewer than may wait to be accepted */
#define SILENT_MS 5000u /* after so long they are hung up on in any case */

static uint64_t serve_among_silent(void)
{
	int silent[SILENT];
	uint64_t began = now_ms(), took;

	for (size_t i = 0; i < SILENT; i++) {
		silent[i] = dial();
		if (i % 2)
			assert_int_equal(send(silent[i], "GET /me", 7, MSG_NOSIGNAL), 7);
		http_turn(http, 0);
	}
	begins(ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 ");
	begins(ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 ");
	took = now_ms() - began;
	for (size_t i = 0; i < SILENT; i++)
		close(silent[i]);
	http_turn(http, 0);
	return took;
}

/* Whoever asks is served although all places are taken, because the oldest give way, not because their time was up. A
 * machine that stands still for 5 s proves nothing: then once more. */
static void silent_clients_keep_nobody_out(void **unused)
{
	uint32_t tries = 1;

	(void)unused;
	while (serve_among_silent() >= SILENT_MS)
		assert_true(tries++ < 3);
}

/* Readers that take nothing of their answers hold no place for long either. */
static void clients_that_do_not_read_keep_nobody_out(void **unused)
{
	struct stats stats = run_primary(1);
	int deaf[64];

	(void)unused;
	for (size_t i = 0; i < 64; i++) {
		deaf[i] = dial();
		assert_int_equal(setsockopt(deaf[i], SOL_SOCKET, SO_RCVBUF, &(int){ 1 }, sizeof(int)), 0);
		assert_int_equal(send(deaf[i], "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 35, MSG_NOSIGNAL), 35);
		http_turn(http, 0);
	}
	begins(ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 ");
	for (size_t i = 0; i < 64; i++)
		close(deaf[i]);
	stats_detach(&stats);
}

/* Requests behind the first on one connection are not answered: it is closed, as the answer says. */
static void pipelined_requests_get_one_answer(void **unused)
{
	const char *answer = ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
				 "DELETE / HTTP/1.1\r\nHost: x\r\n\r\n");

	(void)unused;
	begins(answer, "HTTP/1.1 200 ");
	assert_non_null(strstr(answer, "Connection: close\r\n"));
	assert_null(strstr(answer + 1, "HTTP/1.1"));
}

/* A byte now and then is no reason to stay. */
static void no_connection_lasts(void **unused)
{
	uint64_t end = now_ms() + 60000, next = 0;
	int fd = dial();
	char byte;

	(void)unused;
	for (;;) {
		ssize_t n = recv(fd, &byte, 1, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			break;
		if (now_ms() > end)
			fail_msg("still connected after 60 s");
		if (now_ms() >= next) {
			(void)!send(fd, "G", 1, MSG_NOSIGNAL);
			next = now_ms() + 500;
		}
		http_turn(http, 50);
	}
	close(fd);
	begins(ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_an_instance_and_an_address),
		cmocka_unit_test(addresses_are_checked),
		cmocka_unit_test_setup_teardown(a_batond_that_comes_goes_and_comes_again_is_followed, begin, finish),
		cmocka_unit_test_setup_teardown(a_main_loop_that_does_not_turn_is_not_up, begin, finish),
		cmocka_unit_test_setup_teardown(every_family_is_there_once, begin, finish),
		cmocka_unit_test_setup_teardown(metrics_are_served_with_their_type, serve, end_serving),
		cmocka_unit_test_setup_teardown(what_is_wrong_gets_the_code_for_it, serve, end_serving),
		cmocka_unit_test_setup_teardown(silent_clients_keep_nobody_out, serve, end_serving),
		cmocka_unit_test_setup_teardown(clients_that_do_not_read_keep_nobody_out, serve, end_serving),
		cmocka_unit_test_setup_teardown(pipelined_requests_get_one_answer, serve, end_serving),
		cmocka_unit_test_setup_teardown(no_connection_lasts, serve, end_serving),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
