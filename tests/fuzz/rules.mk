# Fuzz programs, each from its own objects with sanitizers and gcc's coverage: build/fuzz/fuzz-NAME.
FUZZ_FLAGS := -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -DBATON_DEBUG \
	-include tests/fuzz/sabotage.h
FUZZ_BASE   = $(filter-out -O3 -Og $(OPT),$(BASE)) $(FUZZ_FLAGS) -Itests/fuzz $(ROOMS) $(DPDK_CFLAGS)
FUZZ_SRC_command := tests/fuzz/fuzz_command.c tests/fuzz/fuzz_command_words.c tests/fuzz/fuzz_command_rest.c $(addprefix primary/control/,command.c command_accept.c command_run.c \
	command_socket.c verbs.c verbs_scale.c verbs_quarantine.c quarantine_file.c bucket_text.c audit.c audit_file.c peer.c reply.c config_report.c reload.c reload_hangup.c process.c) $(SRC_config) \
	$(addprefix shared/,log.c pcapng.c tail.c version.c core_stats.c stats_open.c stats_door.c hist.c)
FUZZ_LIBS := -lyaml -ljansson -lm
F := $(O)/fuzz

.PHONY: fuzz fuzz-programs
fuzz-programs: $(F)/fuzz-command

$(F)/obj/tests/fuzz/driver.o: FUZZ_COVERAGE := -O2 -fno-sanitize=all
$(F)/obj/%.o: FUZZ_COVERAGE = -fsanitize-coverage=trace-pc
$(F)/obj/%.o: %.c $(B)/flags | $(O)/tools.ok
	$(call say,FUZZ,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(FUZZ_BASE) $(FUZZ_COVERAGE) -MMD -MP -c -o $@ $<
$(F)/fuzz-command: $(patsubst %.c,$(F)/obj/%.o,$(FUZZ_SRC_command) tests/fuzz/driver.c)
	$(call say,LINK,$@)
	$(Q)$(CC) $(FUZZ_FLAGS) -o $@ $^ $(FUZZ_LIBS)

# libFuzzer, where there is clang with it: finds more in an hour than the driver does.
$(F)/libfuzzer-command: $(FUZZ_SRC_command) tests/fuzz/libfuzzer.c $(wildcard tests/fuzz/*.h)
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)clang $(FUZZ_BASE) -fsanitize=fuzzer -o $@ $(filter %.c,$^) $(FUZZ_LIBS)
fuzz: $(F)/libfuzzer-command ## libFuzzer on the control socket (clang; FUZZ_SECONDS=60)
	@mkdir -p $(F)/corpus-command
	$(Q)$(F)/libfuzzer-command -max_total_time=$(or $(FUZZ_SECONDS),60) -max_len=2048 -print_final_stats=1 -close_fd_mask=2 -artifact_prefix=$(F)/ $(F)/corpus-command

-include $(shell [ -d $(F) ] && find $(F) -name '*.d')
