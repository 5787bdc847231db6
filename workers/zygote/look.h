/* baton-zygote --verify: a plugin looks at records of a state file, for `batonctl state verify`. */
#ifndef BATON_LOOK_H
#define BATON_LOOK_H

/* Loads the plugin and has its verify look at the records that come on standard input (shared/state_verify.h). One JSON
 * object a line on standard output: {"has": true|false, "record_size": N} and then, for each that is not well,
 * {"bucket": N, "record": N, "key": TEXT, "text": TEXT}; {"done": N} records at the end. Keys are text: JSON's numbers
 * are too short for them. The process must be confined by now. Returns the exit code. */
int look_at_records(const char *path);

#endif
