/* What every binary prints for --version. */
#ifndef BATON_SHARED_VERSION_H
#define BATON_SHARED_VERSION_H

/* Prints name, version, build id of the running file, ABI and build type (release, debug, asan) to standard output. */
void version_print(const char *program);
/* "release", "debug" or "asan". */
const char *version_build_type(void);
/* GNU build id of the running program as hex, "" if it has none. */
const char *version_build_id(void);
/* GNU build id of an ELF file. out: 41 bytes. Returns 0, -ENOENT (file has none) or -errno. */
int version_file_build_id(int fd, char out[41]);

#endif
