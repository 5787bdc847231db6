/* Logging for the control plane; the data path never logs. One line per call on standard error:
 * `<priority>` prefix under journald, ISO 8601 time otherwise. Whoever reads it is not waited for, but for 20 ms
 * when he stops: lines without room are counted, and the next that finds room says how many are missing. */
#ifndef BATON_SHARED_LOG_H
#define BATON_SHARED_LOG_H

enum log_level { LEVEL_ERROR, LEVEL_WARN, LEVEL_INFO, LEVEL_DEBUG };

/* ident: name in front of every line ("batond"). level: most detailed level printed. */
void log_init(const char *ident, enum log_level level);
/* Takes effect with the next line of any thread. */
void log_set_level(enum log_level level);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LEVEL_DEBUG, __VA_ARGS__)

#endif
