/* The game, but no worker of it starts while the file that the setting `unwell.file` names is there: as if what a plugin needs
 * at its start (a licence, a map, a database's answer) were missing for a while. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

#include "baton.h"
#undef BATON_PLUGIN
#define BATON_PLUGIN(...) static const struct baton_plugin well = {__VA_ARGS__}
#include "game.c" /* the other files are linked: see rules.mk */

static int unwell_init(struct baton_ctx *ctx)
{
	const char *path = baton_setting(ctx, "unwell.file");
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return well.init(ctx);
	close(fd);
	return -EAGAIN;
}

const struct baton_plugin baton_plugin_descriptor = {
	.abi = BATON_PLUGIN_ABI, .size = sizeof(struct baton_plugin), .name = "game", .version = "unwell",
	.key = BATON_KEY_PAYLOAD, .key_offset = GAME_KEY_OFFSET, .key_length = GAME_KEY_LENGTH, .schema = 2,
	.record_size = GAME_RECORD, .max_undo_bytes = GAME_MAX_UNDO, .max_posts = BATON_POSTS_MOST,
	.max_sends = BATON_SENDS_MOST, .init = unwell_init, .prefetch = game_prefetch, .packet = game_packet,
	.tick = game_tick, .message = game_message,
};
