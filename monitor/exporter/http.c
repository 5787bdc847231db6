/* HTTP by libmicrohttpd in one thread: few connections, small requests, none of them for long. Who comes last is
 * served: when there are more connections than may be, the oldest is hung up on. A scrape takes milliseconds, so it
 * is never that, however many hold connections for their own sake, and from whichever address: they may sit behind
 * Prometheus' proxy. */
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "exporter/exporter.h"
#include "exporter/prom.h"
#include "sabotage.h"

#define CONNECTIONS   32u
#define PLACES        (2u * CONNECTIONS) /* while those that were hung up on are being closed */
#define SILENT_SECONDS 5u     /* a connection on which nothing moves */
#define AGE_SECONDS    10     /* any connection: a byte now and then keeps none open */
#define REQUEST_BYTES  8192u  /* request line and headers */

struct http {
	struct MHD_Daemon *daemon;
	struct page *page;
	struct {
		int fd; /* -1: free */
		time_t since;
		uint64_t number; /* the higher, the younger */
		bool ended;      /* hung up on; the library has yet to close it */
	} connection[PLACES];
	uint64_t connections; /* ever */
};

/* ---- answers ---- */

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned int status, const char *type, char *text,
				 size_t bytes, enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(bytes, text, mode);
	enum MHD_Result rc;

	if (!response) {
		if (mode == MHD_RESPMEM_MUST_FREE)
			free(text);
		return MHD_NO; /* hangs up */
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	rc = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return rc;
}

static enum MHD_Result send_words(struct MHD_Connection *connection, unsigned int status, const char *words)
{
	return send_text(connection, status, "text/plain; charset=utf-8", (char *)(uintptr_t)words, strlen(words),
			 MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result send_metrics(struct MHD_Connection *connection, struct page *page)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);

	if (out)
		page_write(page, out);
	if (!out || fclose(out) != 0) {
		free(text);
		return send_words(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
	}
	return send_text(connection, MHD_HTTP_OK, PROM_CONTENT_TYPE, text, bytes, MHD_RESPMEM_MUST_FREE);
}

/* Called when the headers are there. Answered at once: a body, which no request here has a use for, is not read. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *body, size_t *body_bytes, void **request)
{
	static const char home[] = "<!DOCTYPE html><title>baton-exporter</title>"
				   "<h1>baton-exporter</h1><p><a href=\"/metrics\">/metrics</a>\n";
	struct http *http = arg;

	(void)version;
	(void)body;
	(void)body_bytes;
	(void)request;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return send_words(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD: nothing changes here\n");
	if (strcmp(url, "/metrics") == 0)
		return send_metrics(connection, http->page);
	if (strcmp(url, "/healthz") == 0)
		return send_words(connection, MHD_HTTP_OK, "ok\n");
	if (strcmp(url, "/") == 0)
		return send_text(connection, MHD_HTTP_OK, "text/html; charset=utf-8", (char *)(uintptr_t)home,
				 sizeof(home) - 1, MHD_RESPMEM_PERSISTENT);
	return send_words(connection, MHD_HTTP_NOT_FOUND, "nothing here: see /metrics\n");
}

/* ---- connections ---- */

static time_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* The library sees it, and closes. */
static void hang_up(struct http *http, size_t i)
{
	shutdown(http->connection[i].fd, SHUT_RDWR);
	http->connection[i].ended = true;
}

static void make_room(struct http *http)
{
	size_t open = 0, oldest = PLACES;

	for (size_t i = 0; i < PLACES; i++) {
		if (http->connection[i].fd < 0 || http->connection[i].ended)
			continue;
		open++;
		if (oldest == PLACES || http->connection[i].number < http->connection[oldest].number)
			oldest = i;
	}
	if (open > CONNECTIONS)
		hang_up(http, oldest);
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	int old = what == MHD_CONNECTION_NOTIFY_STARTED ? -1 : info ? info->connect_fd : -1;
	struct http *http = arg;

	(void)context;
	if (!info)
		return;
	for (size_t i = 0; i < PLACES; i++)
		if (http->connection[i].fd == old) {
			http->connection[i].fd = what == MHD_CONNECTION_NOTIFY_STARTED ? info->connect_fd : -1;
			http->connection[i].since = now_s();
			http->connection[i].number = ++http->connections;
			http->connection[i].ended = false;
			break;
		}
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		make_room(http);
}

static void end_the_old(struct http *http)
{
	for (size_t i = 0; i < PLACES; i++)
		if (http->connection[i].fd >= 0 && !http->connection[i].ended &&
		    now_s() - http->connection[i].since > AGE_SECONDS)
			hang_up(http, i);
}

static void no_log(void *arg, const char *format, va_list args)
{
	(void)arg;
	(void)format;
	(void)args;
}

/* ---- start and end ---- */

/* "127.0.0.1:9808" or "[::1]:9808" into its parts. */
static int split(const char *address, char host[256], const char **port)
{
	const char *colon = strrchr(address, ':');
	size_t bytes = colon ? (size_t)(colon - address) : 0;
	bool brackets = address[0] == '[' && bytes > 1 && address[bytes - 1] == ']';

	if (!colon || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1) || strlen(colon + 1) > 5 ||
	    atoi(colon + 1) > 65535)
		return -EINVAL;
	if (brackets) {
		address++;
		bytes -= 2;
	}
	/* Without brackets another colon would be a part of the address, or a mistake. */
	if (bytes == 0 || bytes >= 256 || (!brackets && memchr(address, ':', bytes)))
		return -EINVAL;
	memcpy(host, address, bytes);
	host[bytes] = '\0';
	*port = colon + 1;
	return 0;
}

static void name_bound(int fd, char bound[64])
{
	struct sockaddr_storage address;
	socklen_t bytes = sizeof(address);
	char host[48], port[8];

	if (getsockname(fd, (struct sockaddr *)&address, &bytes) != 0 ||
	    getnameinfo((struct sockaddr *)&address, bytes, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		snprintf(bound, 64, "?");
	else
		snprintf(bound, 64, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

int http_listen(const char *address, char bound[64], char *why, size_t bytes)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *found;
	const char *port;
	char host[256];
	int rc;

	if (split(address, host, &port)) {
		snprintf(why, bytes, "--listen '%s': write ADDRESS:PORT, such as 127.0.0.1:9808 or [::1]:9808", address);
		return -EINVAL;
	}
	rc = getaddrinfo(host, port, &hints, &found);
	if (rc) {
		snprintf(why, bytes, "--listen '%s': %s", address, gai_strerror(rc));
		return -EINVAL;
	}
	int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	rc = fd < 0 ? -errno : 0;
	if (rc == 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) ||
			bind(fd, found->ai_addr, found->ai_addrlen) || listen(fd, 64)))
		rc = -errno;
	freeaddrinfo(found);
	if (rc == 0) {
		name_bound(fd, bound);
		return fd;
	}
	snprintf(why, bytes, "cannot listen at %s: %s%s", address, strerror(-rc),
		 rc == -EADDRINUSE ? ": is another exporter there? Give another --listen" : "");
	if (fd >= 0)
		close(fd);
	return rc;
}

struct http *http_start(int fd, struct page *page)
{
	struct http *http = calloc(1, sizeof(*http));

	if (!http) {
		close(fd);
		return NULL;
	}
	http->page = page;
	for (size_t i = 0; i < PLACES; i++)
		http->connection[i].fd = -1;
	unsigned int most = BATON_SABOTAGE(oldest_connection_kept) ? CONNECTIONS : PLACES;
	http->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, no_log, NULL,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, most, MHD_OPTION_CONNECTION_TIMEOUT,
		SILENT_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_BYTES, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, http, MHD_OPTION_END);
	if (http->daemon)
		return http;
	close(fd);
	free(http);
	return NULL;
}

void http_turn(struct http *http, int wait_ms)
{
	MHD_run_wait(http->daemon, wait_ms);
	end_the_old(http);
}

void http_stop(struct http *http)
{
	if (!http)
		return;
	MHD_stop_daemon(http->daemon); /* closes the listening socket, too */
	free(http);
}
