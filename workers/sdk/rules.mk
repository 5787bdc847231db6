# For those who write plugins: a new one, and what is installed for a build outside of this tree.
.PHONY: plugin
plugin: export NEW_PLUGIN_NAME = $(value NAME)
plugin: export NEW_PLUGIN_DIR = $(value DIR)
plugin:               ## a new plugin that works, with its unit test: NAME=arena, and DIR=path for one outside of the tree
	@workers/sdk/new_plugin.sh "$$NEW_PLUGIN_NAME" "$$NEW_PLUGIN_DIR"

# ABI and version stand in the headers alone.
header_number = $$(sed -n 's/^\#define $1 *"\{0,1\}\([0-9.]*\).*/\1/p' $2)
$(B)/baton-plugin.pc: workers/sdk/baton-plugin.pc.in workers/sdk/baton.h shared/abi.h FORCE
	@mkdir -p $(@D)
	@sed -e "s|@PREFIX@|$(PREFIX)|" -e "s|@ABI@|$(call header_number,BATON_PLUGIN_ABI,workers/sdk/baton.h)|" \
		-e "s|@VERSION@|$(call header_number,BATON_VERSION,shared/abi.h)|" $< >$@

.PHONY: install-sdk
install-sdk: $(TEST_LIBRARY) $(B)/baton-plugin.pc ## headers, test library, pkg-config file, example plugin: all that a plugin's build needs
	@case '$(PREFIX)' in /*) ;; *) echo "baton: PREFIX is '$(PREFIX)': give an absolute path" >&2; exit 2 ;; esac
	install -d $(DESTDIR)$(PREFIX)/include/baton $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/share/baton/examples
	install -m 644 workers/sdk/baton.h workers/sdk/baton_test.h $(DESTDIR)$(PREFIX)/include/baton
	install -m 644 $(TEST_LIBRARY) $(DESTDIR)$(PREFIX)/lib
	install -m 644 $(B)/baton-plugin.pc $(DESTDIR)$(PREFIX)/lib/pkgconfig
	install -m 755 workers/sdk/new_plugin.sh $(DESTDIR)$(PREFIX)/share/baton
	install -m 644 workers/plugins/echo/echo.c $(DESTDIR)$(PREFIX)/share/baton/examples
install: install-sdk
