# Plugins that no one should run, for the tests: tests/plugins/NAME.c -> build/test-plugins/NAME.so, built like others.
TEST_PLUGINS := $(patsubst tests/plugins/%.c,$(dir $(PLUGINS))test-plugins/%.so,$(sort $(wildcard tests/plugins/*.c)))
# Candidates of a rollout, each with a fault: tests/plugins/game_v2.c once more, as game_v2_FAULT.so.
CANDIDATE_FAULTS := crash hang slow wrong clock errors malformed drops ticks posts sends
CANDIDATES := $(CANDIDATE_FAULTS:%=$(dir $(PLUGINS))test-plugins/game_v2_%.so)
TEST_PLUGINS += $(CANDIDATES)

$(OBJ)/tests/plugins/%.o: tests/plugins/%.c tests/plugins/rules.mk $(B)/flags | $(O)/tools.ok
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) -fPIC -fvisibility=hidden -Iworkers/sdk $(TEST_CPPFLAGS) -MMD -MP -c -o $@ $<
# they change one of the game's own files, and need the others
GAME_PLUGINS := $(filter %/game_wild.so %/game_slow.so %/game_poison.so %/game_unwell.so %/game_hostile.so %/game_v2.so,$(TEST_PLUGINS)) \
	$(CANDIDATES)
$(GAME_PLUGINS): $(patsubst %.c,$(OBJ)/plugins/game/%.o, \
	$(filter-out %/game.c,$(sort $(wildcard workers/plugins/game/*.c)))) $(OBJ)/plugins/game.list
$(OBJ)/tests/plugins/game_wild.o $(OBJ)/tests/plugins/game_poison.o $(OBJ)/tests/plugins/game_slow.o \
	$(OBJ)/tests/plugins/game_unwell.o: \
	TEST_CPPFLAGS := -Iworkers/plugins/game -Ishared
$(OBJ)/tests/plugins/game_v2.o $(CANDIDATE_FAULTS:%=$(OBJ)/tests/plugins/game_v2_%.o): \
	TEST_CPPFLAGS = -Iworkers/plugins/game -Ishared $(FAULT:%=-DFAULT=%)
$(CANDIDATE_FAULTS:%=$(OBJ)/tests/plugins/game_v2_%.o): $(OBJ)/tests/plugins/game_v2_%.o: tests/plugins/game_v2.c tests/plugins/rules.mk $(B)/flags \
		| $(O)/tools.ok
	$(call say,CC,$< $*)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) -fPIC -fvisibility=hidden -Iworkers/sdk $(TEST_CPPFLAGS) -MMD -MP -c -o $@ $<
$(foreach f,$(CANDIDATE_FAULTS),$(eval $(OBJ)/tests/plugins/game_v2_$f.o: FAULT := $f))
$(OBJ)/tests/plugins/game_hostile.o: TEST_CPPFLAGS := -Iworkers/plugins/game $(ROOMS)
# the game's sources with another layout of a player's record
SCHEMA3 := $(OBJ)/tests/plugins/schema3
$(SCHEMA3)/done: $(wildcard workers/plugins/game/*.[ch]) tests/plugins/rules.mk
	@mkdir -p $(@D)
	$(Q)cp workers/plugins/game/*.[ch] $(@D) && sed -e 's|^\tuint32_t sequence;.*|\tfloat x, y, z;|;t' \
		-e 's|^\tfloat x, y, z;$$|\tuint32_t sequence;|' workers/plugins/game/player.h >$(@D)/player.h && touch $@
SCHEMA3_PLUGINS := $(patsubst %,$(OBJ)/tests/plugins/game_%.o,schema3 oneway badback)
$(SCHEMA3_PLUGINS): $(SCHEMA3)/done
$(SCHEMA3_PLUGINS): TEST_CPPFLAGS := -I$(SCHEMA3) -Ishared
$(dir $(PLUGINS))test-plugins/%.so: $(OBJ)/tests/plugins/%.o
	$(call say,PLUGIN,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDBASE) -shared -Wl,-z,now -o $@.new $(filter %.o,$^) -lm && mv -f $@.new $@

.SECONDARY: $(patsubst %.c,$(OBJ)/%.o,$(sort $(wildcard tests/plugins/*.c))) \
	$(CANDIDATE_FAULTS:%=$(OBJ)/tests/plugins/game_v2_%.o)
.PHONY: test-plugins
test-plugins: $(TEST_PLUGINS)
ifneq ($(TYPE),asan)
build: $(TEST_PLUGINS)
endif
