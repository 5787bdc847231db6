# Tools of the smoke tests that no user needs: build/bin/test-NAME from tests/tools/NAME.c, with the shared library.
TEST_TOOLS := $(patsubst tests/tools/%.c,$(BIN)/test-%,$(wildcard tests/tools/*.c))
build: $(TEST_TOOLS)
$(TEST_TOOLS): $(BIN)/test-%: $(OBJ)/tests/tools/%.o $(call lib,shared) $(B)/flags tests/tools/rules.mk
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDBASE) -o $@ $< $(call lib,shared) -lm
