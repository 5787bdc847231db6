# What kills workers and the primary for the tests: build/bin/chaos-NAME from tests/chaos/NAME.c; and batond, zygote and game
# as a build of their own that can be ended at named points.
CHAOS_TOOLS := $(patsubst tests/chaos/%.c,$(BIN)/chaos-%,$(filter-out %/watch.c %/storm_sums.c,$(wildcard tests/chaos/*.c)))
CHAOS_OBJ := $(OBJ)/tests/chaos/watch.o $(OBJ)/tests/chaos/storm_sums.o
build: $(if $(filter asan,$(TYPE)),,$(CHAOS_TOOLS))
$(CHAOS_TOOLS): $(BIN)/chaos-%: $(OBJ)/tests/chaos/%.o $(CHAOS_OBJ) $(call lib,shared) $(B)/flags tests/chaos/rules.mk
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDBASE) -o $@ $(filter %.o,$^) $(call lib,shared) -lm
.SECONDARY: $(CHAOS_OBJ)

.PHONY: points-programs points-build
points-programs:      ## batond, zygote and game that can be ended at named points, for the kill-point sweep
	+$(Q)$(MAKE) --no-print-directory O='$(O)/points' POINTS=1 TYPE=release points-build
points-build: $(BIN)/batond $(BIN)/baton-zygote $(PLUGINS)/game.so
