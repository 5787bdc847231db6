# Fuzz programs, each from its own objects with sanitizers and gcc's coverage: build/fuzz/fuzz-NAME.
FUZZ_FLAGS := -O2 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -DBATON_DEBUG \
	-include tests/fuzz/sabotage.h
FUZZ_BASE   = $(filter-out -O3 -Og $(OPT),$(BASE)) $(FUZZ_FLAGS) -Itests/fuzz $(ROOMS) $(DPDK_CFLAGS)
FUZZ_SRC_command := tests/fuzz/fuzz_command.c tests/fuzz/fuzz_command_words.c tests/fuzz/fuzz_command_rest.c tests/fuzz/fuzz_command_rollout.c \
	$(addprefix primary/control/,verbs_rollout.c verbs_shadow.c verbs_balance.c verbs_state.c command.c command_accept.c command_run.c \
	command_socket.c verbs.c verbs_scale.c verbs_quarantine.c quarantine_file.c verbs_crash.c crash_store.c bucket_text.c audit.c audit_file.c peer.c reply.c config_report.c reload.c reload_hangup.c process.c) $(SRC_config) \
	$(addprefix shared/,log.c pcapng.c tail.c version.c core_stats.c rollout_names.c stats_open.c stats_door.c hist.c)
FUZZ_LIBS := -lyaml -ljansson -lm
F := $(O)/fuzz

FUZZ_SRC_state := tests/fuzz/fuzz_state.c $(addprefix shared/,journal.c state.c state_verify.c belt.c) workers/runtime/table.c

# An I/O lcore as it is, on a port of rings: the rig of the unit tests.
FUZZ_SRC_belt := tests/fuzz/fuzz_belt.c tests/lib/datapath_rig.c $(call sources,primary/datapath) \
	$(addprefix primary/control/,port_link.c) $(SRC_shared) workers/runtime/table.c
FUZZ_LIBS_belt = $(DPDK_LIBS) -lrte_net_ring -lcmocka -lseccomp

# A worker's words, as the primary hears them.
FUZZ_SRC_worker := tests/fuzz/fuzz_worker.c $(addprefix primary/control/,worker_hear.c worker_life.c plugin_info.c process.c) \
	workers/zygote/message.c

# What workers write for a shadow, and the shadow's own belts.
FUZZ_SRC_feed := $(patsubst %/fuzz_belt.c,%/fuzz_feed.c,$(FUZZ_SRC_belt)) tests/fuzz/fuzz_feed_world.c tests/fuzz/fuzz_feed_worker.c \
	$(addprefix primary/control/,shadow_memory.c shadow_show.c)
FUZZ_LIBS_feed = $(FUZZ_LIBS_belt)

# Frames, as an I/O lcore classifies them; configurations; and what players send, as the game takes it.
FUZZ_SRC_frames := $(patsubst %/fuzz_belt.c,%/fuzz_frames.c,$(FUZZ_SRC_belt))
FUZZ_LIBS_frames = $(FUZZ_LIBS_belt)
FUZZ_SRC_config := tests/fuzz/fuzz_config.c $(SRC_config) shared/rollout_names.c
FUZZ_LIBS_config := -Wl,--wrap=calloc,--wrap=free
FUZZ_SRC_wire := tests/fuzz/fuzz_wire.c $(wildcard workers/plugins/game/*.c) $(SRC_harness) $(addprefix shared/,journal.c wire.c) \
	$(patsubst %,workers/runtime/%.c,digest outbox sandbox table verify verify_say verify_shadow verify_statics)
FUZZ_LIBS_wire := -lcmocka -Wl,--wrap=sigaction

FUZZ_PROGRAMS := command state belt feed worker frames config wire
.PHONY: fuzz fuzz-programs
fuzz-programs: $(FUZZ_PROGRAMS:%=$(F)/fuzz-%)
$(F)/obj/tests/fuzz/fuzz_config.o $(F)/cov/tests/fuzz/fuzz_config.o: $(wildcard config/*.yaml)

$(F)/obj/tests/fuzz/driver.o: FUZZ_COVERAGE := -O3 -fno-sanitize=all -fomit-frame-pointer
# What only carries inputs or judges, or is run by all of them alike, is not asked where it has been: that would cost more than the rest.
FUZZ_UNTRACED := $(filter-out %_state.c,$(wildcard tests/fuzz/fuzz_*.c)) tests/lib/%.c workers/harness/%.c workers/runtime/verify%.c workers/runtime/sandbox.c \
	workers/runtime/digest.c $(patsubst %,primary/datapath/%.c,loop housekeep idle clock datapath datapath_create datapath_view)
# These look only into memory of DPDK's, of which the sanitizer knows nothing, and do most of the sums.
$(patsubst %,$(F)/obj/tests/%.o,fuzz/fuzz_frames fuzz/fuzz_belt fuzz/fuzz_feed fuzz/fuzz_feed_world fuzz/fuzz_feed_worker lib/datapath_rig): FUZZ_COVERAGE := -O3 -fno-sanitize=all
$(F)/obj/%.o: FUZZ_COVERAGE = $(if $(filter $(FUZZ_UNTRACED),$<),,-fsanitize-coverage=trace-pc)
$(F)/obj/%.o: %.c tests/fuzz/rules.mk $(B)/flags | $(O)/tools.ok
	$(call say,FUZZ,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(FUZZ_BASE) $(FUZZ_COVERAGE) -MMD -MP -c -o $@ $<
define fuzz_program
$(eval $(call list,$(F)/$1.list,$(FUZZ_SRC_$1)))
$(F)/fuzz-$1: $(patsubst %.c,$(F)/obj/%.o,$(FUZZ_SRC_$1) tests/fuzz/driver.c) tests/fuzz/rules.mk $(F)/$1.list
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(FUZZ_FLAGS) -o $$@ $$(filter %.o,$$^) $$(FUZZ_LIBS_$1) $$(FUZZ_LIBS)
endef
$(foreach p,$(FUZZ_PROGRAMS),$(eval $(call fuzz_program,$p)))

# Lines of each source that FUZZ_RUNS inputs reach, as gcov counts them: objects of their own, in build/fuzz/cov.
$(F)/cov/%.o: %.c tests/fuzz/rules.mk $(B)/flags | $(O)/tools.ok
	@mkdir -p $(@D)
	$(Q)$(CC) $(FUZZ_BASE) -fsanitize-coverage=trace-pc --coverage -MMD -MP -c -o $@ $<
define fuzz_coverage
$(F)/fuzz-$1-coverage: $(patsubst %.c,$(F)/cov/%.o,$(FUZZ_SRC_$1)) $(F)/obj/tests/fuzz/driver.o tests/fuzz/rules.mk $(F)/$1.list
	$$(Q)$$(CC) $$(FUZZ_FLAGS) --coverage -o $$@ $$(filter %.o,$$^) $$(FUZZ_LIBS_$1) $$(FUZZ_LIBS)
.PHONY: fuzz-coverage-$1
fuzz-coverage-$1: $(F)/fuzz-$1-coverage
	@find $(F)/cov -name '*.gcda' -delete
	$$(Q)$$< --runs $$(or $$(FUZZ_RUNS),20000) --seed $$(or $$(SEED),1)
	$$(Q)gcov -n $$$$(find $(F)/cov -name '*.gcda') 2>/dev/null | \
		awk '/^File/ { f = $$$$2 } /^Lines/ && f { print f, $$$$0; f = "" }' | grep -E "($(FUZZ_LOOK_$1))\.c"
endef
FUZZ_LOOK_state := journal|state|state_verify|state_open
FUZZ_LOOK_worker := worker_hear|plugin_info|message
FUZZ_LOOK_belt  := reap|emit|message|outbound|death|judge
FUZZ_LOOK_feed  := feed|feed_home|mirror|mirror_compare|mirror_tick
FUZZ_LOOK_frames := classify|complete|rx|local
FUZZ_LOOK_config := check|rollout_check|items|walk|rollout_walk|value|number|scan
FUZZ_LOOK_wire := attack|fight|heartbeat|hit|interest|move|player|subscribe
FUZZ_COVERED := $(filter-out command,$(FUZZ_PROGRAMS))
$(foreach p,$(FUZZ_COVERED),$(eval $(call fuzz_coverage,$p)))
.PHONY: fuzz-coverage
fuzz-coverage:           ## lines that the fuzz programs reach, by source (FUZZ_RUNS=20000)
	$(Q)for p in $(FUZZ_COVERED); do $(MAKE) --no-print-directory fuzz-coverage-$$p || exit; done

# libFuzzer, where there is clang with it: finds more in an hour than the driver does.
$(F)/libfuzzer-command: $(FUZZ_SRC_command) tests/fuzz/libfuzzer.c tests/fuzz/rules.mk $(B)/flags \
		$(wildcard tests/fuzz/*.h shared/*.h config/*.h primary/*/*.h workers/*/*.h)
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)clang $(FUZZ_BASE) -fsanitize=fuzzer -o $@ $(filter %.c,$^) $(FUZZ_LIBS)
fuzz: $(F)/libfuzzer-command ## libFuzzer on the control socket (clang; FUZZ_SECONDS=60)
	@mkdir -p $(F)/corpus-command
	$(Q)$(F)/libfuzzer-command -max_total_time=$(or $(FUZZ_SECONDS),60) -max_len=2048 -print_final_stats=1 -close_fd_mask=2 -artifact_prefix=$(F)/ $(F)/corpus-command

-include $(shell [ -d $(F) ] && find $(F) -name '*.d')
