# bench-stages: the data path as batond links it, but for the calls between its stages, which go by way of a clock
# (bench/stages/clock.c).
STAGE_CALLS := generator_rx classify_burst steer_burst steer_publish reap_all complete_burst tx_port generator_tx
STAGE_LIBS  := primary worker config shared
build: $(if $(filter asan,$(TYPE)),,$(BIN)/bench-stages)
$(BIN)/bench-stages: $(call objects,$(wildcard bench/stages/*.c)) $(call lib,$(STAGE_LIBS) bench) $(B)/flags bench/rules.mk
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDBASE) $(STAGE_CALLS:%=-Wl,--wrap=%) -o $@ $(filter %.o,$^) -Wl,--start-group \
		$(call lib,$(STAGE_LIBS) bench) -Wl,--end-group $(LINK_batond)
