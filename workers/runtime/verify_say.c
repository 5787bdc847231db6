/* The line that says what verify mode found: plugin, what is wrong where, entry. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "verify_parts.h"

#define SHOWN 48u /* bytes of the datagram in the line */

static void add(struct verify *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct verify *v, const char *format, ...)
{
	size_t at = strlen(v->finding);
	va_list args;

	va_start(args, format);
	vsnprintf(v->finding + at, sizeof(v->finding) - at, format, args);
	va_end(args);
}

static void add_hex(struct verify *v, const uint8_t *bytes, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		add(v, "%s%02x", i != 0 ? " " : "", bytes[i]);
}

static void add_key(struct verify *v, const struct baton_ctx *ctx, uint16_t len)
{
	const struct baton_plugin *p = v->plugin;

	if (p->key == BATON_KEY_PAYLOAD && p->key_offset + p->key_length <= len) {
		add(v, ", key ");
		add_hex(v, v->request + p->key_offset, p->key_length);
	} else if (p->key == BATON_KEY_FLOW && ctx->peer != NULL) {
		const uint8_t *ip = (const uint8_t *)&ctx->peer->ip, *port = (const uint8_t *)&ctx->peer->udp_port;

		add(v, ", key %u.%u.%u.%u:%u", ip[0], ip[1], ip[2], ip[3], port[0] << 8 | port[1]);
	}
}

int verify_found(struct verify *v, const struct baton_ctx *ctx, const char *format, ...)
{
	const struct verify_call *call = v->call;
	char what[320];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	v->finding[0] = 0;
	add(v, "verify: plugin %s version %s: %s; entry: ", v->plugin->name, v->plugin->version, what);
	if (call == NULL) {
		add(v, "init");
	} else if (call->kind == VERIFY_TICK) {
		add(v, "tick %llu at position %llu, bucket %u", (unsigned long long)call->number,
		    (unsigned long long)call->position, ctx->bucket);
	} else {
		uint16_t len = call->packet->len;

		add(v, "%s at position %llu, bucket %u", call->kind == VERIFY_MESSAGE ? "message" : "packet",
		    (unsigned long long)call->position, ctx->bucket);
		if (call->kind == VERIFY_PACKET)
			add_key(v, ctx, len);
		add(v, ", %u bytes%s", len, len != 0 ? ": " : "");
		add_hex(v, v->request, len < SHOWN ? len : SHOWN);
		if (len > SHOWN)
			add(v, " ...");
	}
	return -EBADMSG;
}

const char *verify_place(const struct baton_ctx *ctx, uint64_t at, char text[96])
{
	uint64_t record = at / ctx->stride, byte = at % ctx->stride;

	if (byte < sizeof(struct baton_record))
		snprintf(text, 96, "record %llu, byte %llu of the runtime's header", (unsigned long long)record,
			 (unsigned long long)byte);
	else
		snprintf(text, 96, "record %llu, offset %llu", (unsigned long long)record,
			 (unsigned long long)(byte - sizeof(struct baton_record)));
	return text;
}

/* The file's own name, also where it was loaded by way of a descriptor, is the plugin's to know; the offset is what
 * addr2line takes. */
static const char *code_at(uintptr_t code, const struct verify *v, char text[128])
{
	Dl_info in, plugin;

	if (dladdr((void *)code, &in) == 0)
		snprintf(text, 128, "address %#lx, outside of all code", (unsigned long)code);
	else if (dladdr(v->plugin, &plugin) != 0 && plugin.dli_fbase == in.dli_fbase)
		snprintf(text, 128, "%.31s+%#lx (addr2line -fie FILE.so %#lx)", v->plugin->name,
			 (unsigned long)(code - (uintptr_t)in.dli_fbase), (unsigned long)(code - (uintptr_t)in.dli_fbase));
	else
		snprintf(text, 128, "%.31s+%#lx", strrchr(in.dli_fname, '/') ? strrchr(in.dli_fname, '/') + 1 : in.dli_fname,
			 (unsigned long)(code - (uintptr_t)in.dli_fbase));
	return text;
}

int verify_explain_fault(struct verify *v, const struct baton_ctx *ctx)
{
	const struct shadow *s = &v->shadow;
	uintptr_t at = v->fault.address, records = (uintptr_t)s->records, data = (uintptr_t)s->data;
	const char *did = v->fault.is_write ? "wrote to" : "read";
	bool memory = v->fault.signal == SIGSEGV || v->fault.signal == SIGBUS;
	char where[128], in_record[96];

	code_at(v->fault.code, v, where);
	if (memory && s->bucket_bytes != 0 && at >= records && at < records + s->records_bytes) {
		v->fault.signal = 0; /* the memory is there in a worker that does not verify */
		return verify_found(v, ctx, "%s bucket %llu, which is not the entry's: %s, at %s", did,
			    (unsigned long long)((at - records) / s->bucket_bytes),
			   verify_place(ctx, (at - records) % s->bucket_bytes, in_record), where);
	}
	if (memory && at >= data - 4096 && at < data + 8192) {
		v->fault.signal = 0;
		return verify_found(v, ctx, "%s byte %ld of a datagram of %u bytes, at %s", did, (long)(at - data),
			    v->call != NULL && v->call->packet != NULL ? v->call->packet->len : 0, where);
	}
	return verify_found(v, ctx, "died of signal %d (%s), address %#lx, at "
		"%s", v->fault.signal, strsignal(v->fault.signal),
		    (unsigned long)at, where);
}
