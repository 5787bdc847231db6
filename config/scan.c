/* First pass over the file, token by token. libyaml's document API forgets anchors, loads aliases as shared (or cyclic)
 * nodes and is quadratic in some of what is refused here, so nothing gets to it before this pass has seen it. */
#include <string.h>

#include "loader.h"

struct scan {
	uint32_t depth, nodes;
	bool content; /* the document has begun */
	bool started; /* `---` was seen */
	bool ended;   /* `...` was seen */
	bool refused;
};

/* The byte at a place, 0 past the end. Columns count characters. */
static char char_at(const struct loader *l, struct place place)
{
	const char *at = l->text, *end = l->text + l->bytes;

	for (uint32_t line = 0; at && line < place.line; line++) {
		at = memchr(at, '\n', (size_t)(end - at));
		at = at ? at + 1 : NULL;
	}
	for (uint32_t column = 0; at && at < end && column < place.column; column++)
		for (at++; at < end && ((unsigned char)*at & 0xc0) == 0x80; at++)
			;
	return at && at < end ? *at : 0;
}

void loader_yaml_error(struct loader *l, const yaml_parser_t *parser)
{
	struct place place = place_of(parser->problem_mark);
	const char *problem = parser->problem ? parser->problem : "out of memory";
	const char *hint = "";

	if (parser->error == YAML_READER_ERROR) {
		/* The reader gives a byte offset only. */
		place = (struct place){ 0, 0 };
		for (size_t i = 0; i < parser->problem_offset && i < l->bytes; i++) {
			bool starts_char = ((unsigned char)l->text[i] & 0xc0) != 0x80;
			place.column = l->text[i] == '\n' ? 0 : place.column + starts_char;
			place.line += l->text[i] == '\n';
		}
		hint = "; the file must be plain UTF-8 text";
	} else if (char_at(l, place) == '\t') {
		hint = "; indent with blanks, not with tabs";
	}
	loader_error(l, place, "not valid YAML: %s%s%s%s", problem, parser->context ? " " : "",
		     parser->context ? parser->context : "", hint);
}

static bool refuse(struct loader *l, struct scan *scan, yaml_mark_t mark, const char *what)
{
	loader_error(l, place_of(mark), "%s", what);
	scan->refused = true;
	return true;
}

/* Content or its end; false: stop reading. */
static bool scan_node(struct loader *l, struct scan *scan, const yaml_token_t *token)
{
	switch (token->type) {
	case YAML_BLOCK_SEQUENCE_START_TOKEN:
	case YAML_BLOCK_MAPPING_START_TOKEN:
	case YAML_FLOW_SEQUENCE_START_TOKEN:
	case YAML_FLOW_MAPPING_START_TOKEN:
		scan->depth++;
		break;
	case YAML_BLOCK_END_TOKEN:
	case YAML_FLOW_SEQUENCE_END_TOKEN:
	case YAML_FLOW_MAPPING_END_TOKEN:
		scan->depth -= scan->depth > 0;
		break;
	case YAML_ANCHOR_TOKEN:
		return refuse(l, scan, token->start_mark, "anchors ('&name') are not allowed; write the value out");
	case YAML_ALIAS_TOKEN:
		return refuse(l, scan, token->start_mark, "aliases ('*name') are not allowed; write the value out");
	case YAML_TAG_TOKEN:
		return refuse(l, scan, token->start_mark, "tags ('!name') are not allowed; the schema knows the types");
	default:
		break;
	}
	scan->nodes++;
	if (scan->depth > LOADER_DEPTH)
		return !refuse(l, scan, token->start_mark, "nested too deeply; 16 levels are allowed");
	if (scan->nodes > LOADER_NODES)
		return !refuse(l, scan, token->start_mark, "too many values; 100000 tokens are allowed");
	return true;
}

static bool scan_token(struct loader *l, struct scan *scan, const yaml_token_t *token)
{
	switch (token->type) {
	case YAML_STREAM_START_TOKEN:
	case YAML_STREAM_END_TOKEN:
		return true;
	case YAML_VERSION_DIRECTIVE_TOKEN:
	case YAML_TAG_DIRECTIVE_TOKEN:
		return !refuse(l, scan, token->start_mark, "directives ('%NAME') are not allowed");
	case YAML_DOCUMENT_END_TOKEN:
		scan->ended = scan->content || scan->started;
		return true;
	case YAML_DOCUMENT_START_TOKEN:
		if (scan->content || scan->started)
			return !refuse(l, scan, token->start_mark, "a second document; one file is one configuration");
		scan->started = true;
		return true;
	default:
		if (scan->ended)
			return !refuse(l, scan, token->start_mark, "a second document; one file is one configuration");
		scan->content = true;
		return scan_node(l, scan, token);
	}
}

bool loader_scan(struct loader *l)
{
	struct scan scan = { 0 };
	yaml_parser_t parser;
	bool more = true;

	if (!yaml_parser_initialize(&parser)) {
		loader_error(l, (struct place){ 0, 0 }, "out of memory");
		return false;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)l->text, l->bytes);
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	while (more) {
		yaml_token_t token;

		if (!yaml_parser_scan(&parser, &token)) {
			loader_yaml_error(l, &parser);
			scan.refused = true;
			break;
		}
		more = scan_token(l, &scan, &token) && token.type != YAML_STREAM_END_TOKEN;
		yaml_token_delete(&token);
	}
	yaml_parser_delete(&parser);
	return !scan.refused;
}
