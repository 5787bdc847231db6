/* Lines out of pieces of any size. */
#include "ctl_lines.h"

void ctl_lines_take(void *lines, const char *bytes, size_t count)
{
	struct ctl_lines *l = lines;

	for (size_t i = 0; i < count; i++) {
		if (bytes[i] != '\n') {
			if (l->len < sizeof(l->line))
				l->line[l->len++] = bytes[i];
			continue;
		}
		json_t *object = json_loadb(l->line, l->len, 0, NULL);
		if (json_is_object(object))
			l->object(l->arg, object);
		json_decref(object);
		l->len = 0;
	}
}
