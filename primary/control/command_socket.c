/* The control socket's file: made, looked for, made again; and who may connect to it. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <unistd.h>

#include "command.h"
#include "log.h"

static struct sockaddr_un address_of(const struct command *command)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	memcpy(address.sun_path, command->path, sizeof(address.sun_path));
	return address;
}

/* ---- who may connect: an access list on the file, so that the kernel keeps strangers away ---- */

#define ACL_NAME    "system.posix_acl_access"
#define ACL_ENTRIES (5u + 4u * CONFIG_ACCOUNTS)

struct access_list {
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry entry[ACL_ENTRIES];
	uint32_t count;
};

static void permit(struct access_list *list, uint16_t tag, uint16_t rights, uint32_t id)
{
	/* The same user may be an operator and a viewer: the kernel wants each once. */
	for (uint32_t i = 0; i < list->count; i++)
		if (list->entry[i].e_tag == htole16(tag) && list->entry[i].e_id == htole32(id))
			return;
	list->entry[list->count++] = (struct posix_acl_xattr_entry){
		.e_tag = htole16(tag), .e_perm = htole16(rights), .e_id = htole32(id),
	};
}

static void permit_all(struct access_list *list, uint16_t tag, const struct config_account *account, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		permit(list, tag, ACL_READ | ACL_WRITE, account[i].id);
}

/* In the order that the kernel asks for. */
static void build(struct access_list *list, const struct config *config)
{
	const struct config_role *operators = &config->operators, *viewers = &config->viewers;

	*list = (struct access_list){ .header.a_version = htole32(POSIX_ACL_XATTR_VERSION) };
	permit(list, ACL_USER_OBJ, ACL_READ | ACL_WRITE, ACL_UNDEFINED_ID);
	permit_all(list, ACL_USER, operators->user, operators->users);
	permit_all(list, ACL_USER, viewers->user, viewers->users);
	permit(list, ACL_GROUP_OBJ, 0, ACL_UNDEFINED_ID);
	permit_all(list, ACL_GROUP, operators->group, operators->groups);
	permit_all(list, ACL_GROUP, viewers->group, viewers->groups);
	permit(list, ACL_MASK, ACL_READ | ACL_WRITE, ACL_UNDEFINED_ID);
	permit(list, ACL_OTHER, 0, ACL_UNDEFINED_ID);
}

int command_socket_permit(struct command *command, const struct config *config)
{
	uint32_t named = config->operators.users + config->operators.groups + config->viewers.users +
			 config->viewers.groups;
	struct access_list list;
	int rc;

	command->open_to_all = false;
	if (named == 0) {
		removexattr(command->path, ACL_NAME);
		return chmod(command->path, 0600) ? -errno : 0;
	}
	build(&list, config);
	rc = setxattr(command->path, ACL_NAME, &list, sizeof(list.header) + list.count * sizeof(list.entry[0]), 0);
	if (rc == 0)
		return 0;
	/* A file system without lists: everybody may knock, and is turned away by his credentials. */
	log_info("control socket %s: no access list (%s): whoever connects is asked who he is", command->path,
		 strerror(errno));
	command->open_to_all = true;
	return chmod(command->path, 0666) ? -errno : 0;
}

/* ---- the file ---- */

/* The runtime directory's lock is ours, so a socket that is there belongs to nobody. */
int command_socket_open(struct command *command, const struct config *config)
{
	struct sockaddr_un address = address_of(command);
	struct stat st;

	unlink(command->path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	mode_t mask = umask(0177); /* no moment in which others than those permitted could connect */
	int rc = bind(fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
	umask(mask);
	if (rc == 0 && (listen(fd, COMMAND_BACKLOG) || stat(command->path, &st)))
		rc = -errno;
	if (rc) {
		close(fd);
		return rc;
	}
	command->fd = fd;
	command->device = st.st_dev;
	command->inode = st.st_ino;
	return command_socket_permit(command, config);
}

static bool is_ours(const struct command *command)
{
	struct stat st;

	return stat(command->path, &st) == 0 && st.st_dev == command->device && st.st_ino == command->inode;
}

/* Another program's, or another primary's that was started when the lock had been removed with the directory. */
static bool somebody_listens(const struct command *command)
{
	struct sockaddr_un address = address_of(command);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool listens = fd >= 0 && (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	return listens;
}

static void make_directory(const struct command *command)
{
	char dir[sizeof(command->path)];

	memcpy(dir, command->path, sizeof(dir));
	char *end = strrchr(dir, '/');
	if (end) {
		*end = 0;
		mkdir(dir, 0755); /* if that fails, so does bind(), which says why */
	}
}

bool command_socket_remake(struct command *command, const struct config *config)
{
	int rc = -EADDRINUSE;

	if (is_ours(command)) {
		command->complained = false;
		return false;
	}
	if (!somebody_listens(command)) {
		make_directory(command);
		rc = command_socket_open(command, config);
	}
	if (rc == 0) {
		log_warn("control socket %s was removed: made again", command->path);
		command->complained = false;
		return true;
	}
	if (!command->complained)
		log_error("control socket %s was removed and cannot be made again: %s: tried every second", command->path,
			  rc == -EADDRINUSE ? "another process listens there" : strerror(-rc));
	command->complained = true;
	return false;
}
