# Plugins that no one should run, for the tests: tests/plugins/NAME.c -> build/test-plugins/NAME.so, built like others.
TEST_PLUGINS := $(patsubst tests/plugins/%.c,$(dir $(PLUGINS))test-plugins/%.so,$(sort $(wildcard tests/plugins/*.c)))

$(OBJ)/tests/plugins/%.o: tests/plugins/%.c $(B)/flags | $(O)/tools.ok
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) -fPIC -fvisibility=hidden -Iworkers/sdk -MMD -MP -c -o $@ $<
$(dir $(PLUGINS))test-plugins/%.so: $(OBJ)/tests/plugins/%.o
	$(call say,PLUGIN,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDBASE) -shared -Wl,-z,now -o $@.new $< && mv -f $@.new $@

.SECONDARY: $(patsubst %.c,$(OBJ)/%.o,$(sort $(wildcard tests/plugins/*.c)))
.PHONY: test-plugins
test-plugins: $(TEST_PLUGINS)
ifneq ($(TYPE),asan)
build: $(TEST_PLUGINS)
endif
