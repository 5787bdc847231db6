# The plugin test library: all that a plugin's test needs beside the plugin itself and cmocka, in one archive.
TEST_LIBRARY := $(B)/libbaton-test.a
TEST_LIBRARY_OBJ := $(call objects,$(SRC_harness) shared/journal.c \
	$(patsubst %,workers/runtime/%.c,digest outbox sandbox table verify verify_say verify_shadow verify_statics))

$(TEST_LIBRARY): $(TEST_LIBRARY_OBJ) workers/harness/rules.mk $(B)/libharness.list
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) qcs $@ $(filter %.o,$^)
build: $(TEST_LIBRARY)
