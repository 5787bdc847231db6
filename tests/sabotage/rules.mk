# Each promise broken on purpose, and the test that must notice: tests/sabotage/table. ONLY=RULE: that one alone.
sabotage_quote = '$(subst ','\'',$1)'
# Compiled for one run of one claim: without debug information, optimized little.
# A rule waits as long as it computes: twice as many at a time as there are processors.
define SABOTAGE_ENV
cc=$(call sabotage_quote,$(CC) $(filter-out -g $(OPT_release),$(BASE)) -O1 -w)
rooms=$(call sabotage_quote,$(ROOMS))
dpdk=$(call sabotage_quote,$(DPDK_CFLAGS))
dpdk_users=$(call sabotage_quote,$(DPDK_USERS))
ld=$(call sabotage_quote,$(CC) $(LDBASE) -Wl$(comma)--export-dynamic-symbol=baton_*)
dpdk_libs=$(call sabotage_quote,$(call lib,test harness primary worker config shared) -Wl$(comma)--end-group $(DPDK_LIBS) -lrte_net_ring)
other_libs=$(call sabotage_quote,$(call lib,test harness bench bots worker monitor config shared) -Wl$(comma)--end-group)
libs='-lcmocka -lyaml -ljansson -lseccomp -lnuma -lpthread -ldl -lm'
plugin=$(call sabotage_quote,-fPIC -fvisibility=hidden -Iworkers/sdk)
declare -A plugin_flags=($(foreach p,$(PLUGIN_NAMES),[$p]=$(call sabotage_quote,$(PLUGIN_CPPFLAGS_$p))))
declare -A plugin_objects=($(foreach p,$(PLUGIN_NAMES),[$p]=$(call sabotage_quote,$(PLUGIN_OBJ_$p))))
obj=$(OBJ)
units=$(B)/tests/unit
endef
comma := ,
.PHONY: sabotage
$(B)/sabotage:
	@mkdir -p $@
sabotage: unit-programs | $(B)/sabotage ## break each promise on purpose: its test must fail (ONLY=RULE: that one alone)
	$(file >$(B)/sabotage/env,$(SABOTAGE_ENV))
	$(Q)SABOTAGE='$(abspath $(B)/sabotage)' JOBS=$$((2 * $(JOBS))) ONLY='$(ONLY)' tests/sabotage/run.sh
