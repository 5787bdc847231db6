.PHONY: plugins
plugins: $(PLUGIN_NAMES:%=$(PLUGINS)/%.so) ## the plugins alone: build/plugins/NAME.so for every folder of workers/plugins
