# Baton: one non-recursive build. `make help` lists the targets.
#
# Every *.c of a room but main.c goes into the room's static library, every main.c makes a program, every folder of
# workers/plugins a shared object, every tests/unit/**/test_*.c a test program: new files need no edit here. A room with
# rules of its own keeps them in <dir>/rules.mk. Neither the compiler nor pkg-config is run while this file is
# parsed: `make test` works on a machine on which they have yet to be installed.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

ifneq ($(filter clean,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin AR),default)
AR := ar
endif
O      ?= build
TYPE   ?= release
PREFIX ?= /usr/local
PKG_CONFIG ?= pkg-config
# Oldest processor: what Debian's DPDK itself needs.
ARCH   ?= -march=x86-64-v2
Q      := $(if $(filter 1,$(V)),,@)
say     = $(if $(filter 1,$(V)),@:,@printf '  %-7s %s\n' '$1' '$(patsubst $(CURDIR)/%,%,$2)')
JOBS   ?= $(shell nproc)

DPDK_WANTED := libdpdk >= 22.11.6 libdpdk < 22.12

# ---- build types ----------------------------------------------------------------------------------------------------
OPT_release := -O3
OPT_debug   := -Og -DBATON_DEBUG
OPT_asan    := -O1 -DBATON_DEBUG -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPT         := $(OPT_$(TYPE))
ifeq ($(OPT),)
$(error TYPE=$(TYPE): use release, debug or asan)
endif

WARN   := -Wall -Wextra -Wshadow -Wvla -Wundef -Wstrict-prototypes -Wmissing-prototypes $(if $(filter 1,$(WERROR)),-Werror)
# POINTS=1: the build in which processes end themselves at named places (shared/point.h), for the kill-point sweep.
POINTED := $(if $(filter 1,$(POINTS)),-D_GNU_SOURCE= -DBATON_POINTS -include shared/point.h)
BASE    = -std=gnu11 -g $(ARCH) $(OPT) $(WARN) $(POINTED) -DBATON_BUILD_TYPE='"$(TYPE)"' $(EXTRA_CFLAGS)
ROOMS  := -I. -Ishared -Iconfig -Iworkers/sdk -Iworkers/zygote -Iworkers/runtime -Iprimary/datapath -Iprimary/control \
	  -Imonitor -Imonitor/top -Imonitor/ctl -Itests/lib -Itests/bots -Ibench -Ibench/harness
LDBASE := -Wl,--build-id=sha1 -Wl,--as-needed $(filter -fsanitize=%,$(OPT)) $(EXTRA_LDFLAGS)

# Asked for once, at the first recipe that needs the answer.
DPDK_CFLAGS = $(eval DPDK_CFLAGS := $$(patsubst -I%,-isystem %,$$(filter-out -march=%,$$(shell $(PKG_CONFIG) --cflags libdpdk))))$(DPDK_CFLAGS)
DPDK_LIBS   = $(eval DPDK_LIBS := $$(shell $(PKG_CONFIG) --libs libdpdk))$(DPDK_LIBS)
DPDK_DIR    = $(eval DPDK_DIR := $$(shell $(PKG_CONFIG) --variable=libdir libdpdk))$(DPDK_DIR)
HTTP_LIBS   = $(eval HTTP_LIBS := $$(shell $(PKG_CONFIG) --libs libmicrohttpd))$(HTTP_LIBS)
CURSES_LIBS = $(eval CURSES_LIBS := $$(shell $(PKG_CONFIG) --libs ncursesw))$(CURSES_LIBS)

# ---- places ---------------------------------------------------------------------------------------------------------
B   := $(O)/$(TYPE)
OBJ := $(B)/obj
ifeq ($(TYPE),release)
BIN := $(O)/bin
PLUGINS := $(O)/plugins
else
BIN := $(B)/bin
PLUGINS := $(B)/plugins
endif

# ---- libraries: every .c but main.c ---------------------------------------------------------------------------------
sources = $(sort $(filter-out %/main.c,$(foreach d,$1,$(wildcard $(d)/*.c))))
objects = $(patsubst %.c,$(OBJ)/%.o,$1)

SRC_shared  := $(call sources,shared)
SRC_config  := $(call sources,config)
SRC_worker  := $(call sources,workers/runtime workers/zygote)
SRC_primary := $(call sources,primary primary/datapath primary/control)
SRC_monitor := $(call sources,monitor monitor/top monitor/ctl monitor/exporter)
SRC_bots    := $(call sources,tests/bots)
SRC_harness := $(call sources,workers/harness)
SRC_test    := $(call sources,tests/lib)
SRC_bench   := $(call sources,bench/harness)
LIBS        := shared config worker primary monitor bots harness test bench
lib          = $(foreach l,$1,$(if $(SRC_$l),$(B)/lib$l.a))

# ---- programs, where they have a main.c -----------------------------------------------------------------------------
MAIN_batond         := primary/main.c
MAIN_baton-zygote   := workers/zygote/main.c
MAIN_baton-top      := monitor/top/main.c
MAIN_batonctl       := monitor/ctl/main.c
MAIN_baton-exporter := monitor/exporter/main.c
MAIN_baton-bots     := tests/bots/main.c
PROGRAMS := $(foreach p,batond baton-zygote baton-top batonctl baton-exporter baton-bots,$(if $(wildcard $(MAIN_$p)),$p))

USES_batond         := primary worker config shared
USES_baton-zygote   := config shared
USES_baton-top      := monitor config shared
USES_batonctl       := monitor config shared
USES_baton-exporter := monitor config shared
USES_baton-bots     := bots shared

LINK_batond         = $(DPDK_LIBS) -lyaml -ljansson -lseccomp -lnuma -lpthread -ldl -lm
LINK_baton-top      = $(CURSES_LIBS) -ljansson -lm
LINK_batonctl       = -ljansson -ldl -lm
LINK_baton-exporter = $(HTTP_LIBS) -lm
LINK_baton-bots     = -ljansson -lpthread -lm
# The zygote is linked statically against the few DPDK archives it needs: no PMD, no bus, no plugin directory. A worker
# forked from it finds the SDK's functions in the program itself, so the runtime is linked whole and baton_* exported.
ZYGOTE_DPDK := eal ring mempool mempool_ring mbuf kvargs telemetry
LINK_baton-zygote   = -Wl,--whole-archive $(call lib,worker) $(foreach l,$(ZYGOTE_DPDK),$(DPDK_DIR)/librte_$l.a) \
	-Wl,--no-whole-archive $(call lib,config shared) -Wl,--export-dynamic-symbol='baton_*' \
	-lyaml -lseccomp -ljansson -lbsd -lnuma -lpthread -ldl -lm
NEEDS_baton-zygote  = $(call lib,worker)

# Bench programs: bench/NAME.c -> bench-NAME. Benches: bench/NAME.sh; those that begin with _ are libraries.
BENCHES := $(patsubst bench/%.c,bench-%,$(wildcard bench/*.c))
BENCH_SCRIPTS := $(patsubst bench/%.sh,%,$(sort $(wildcard bench/[a-z]*.sh)))

# ---- plugins --------------------------------------------------------------------------------------------------------
PLUGIN_NAMES := $(notdir $(patsubst %/,%,$(sort $(dir $(wildcard workers/plugins/*/*.c)))))

# ---- unit tests -----------------------------------------------------------------------------------------------------
UNIT_SRC := $(sort $(wildcard tests/unit/*/test_*.c tests/unit/*/*/test_*.c tests/unit/*/*/*/test_*.c))
UNIT_DPDK_SRC := $(filter tests/unit/primary/%,$(UNIT_SRC))
ifeq ($(TYPE),asan)
UNIT_SRC := $(filter-out $(UNIT_DPDK_SRC),$(UNIT_SRC))
endif
UNITS := $(patsubst %.c,$(B)/%,$(UNIT_SRC))

# Files that are newer than what is made of them only when they say something else than before.
quote = '$(subst ','\'',$1)'
written_anew = if cmp -s $@.new $@; then rm -f $@.new; else mv -f $@.new $@; fi
# $1: file; $2: what it names
define list
$1: FORCE
	@mkdir -p $$(@D)
	@printf '%s\n' $$(call quote,$2) >$$@.new
	@$$(written_anew)
endef

include $(wildcard */rules.mk primary/*/rules.mk workers/*/rules.mk workers/plugins/*/rules.mk monitor/*/rules.mk tests/*/rules.mk)

# ---- rules ----------------------------------------------------------------------------------------------------------
.PHONY: all build debug asan unit-programs test unit smoke storm chaos run bench lint format check clean help install test-fresh \
	restore-host deps FORCE

ifeq ($(TYPE),asan)
BUILD := $(addprefix $(BIN)/,$(filter-out batond baton-zygote,$(PROGRAMS)))
else
BUILD := $(addprefix $(BIN)/,$(PROGRAMS)) $(PLUGIN_NAMES:%=$(PLUGINS)/%.so) $(addprefix $(BIN)/,$(BENCHES))
endif
build: $(BUILD) $(call lib,$(if $(filter asan,$(TYPE)),shared config worker monitor bots,$(LIBS)))

all: build            ## release build: programs in build/bin, plugins in build/plugins (default)
debug:                ## -Og with assertions and verify mode: build/debug/bin, build/debug/plugins
	+$(Q)$(MAKE) --no-print-directory TYPE=debug build
asan:                 ## ASan and UBSan build of all that runs without EAL, and its unit tests
	+$(Q)$(MAKE) --no-print-directory TYPE=asan build unit-programs
unit-programs: $(UNITS)

# Objects are built again when the compiler, the flags or DPDK change; archives and plugins when they are of other
# objects than they were, for one that has gone is newer than nothing; programs when this file says how they are linked.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@{ printf '%s\n' $(call quote,$(CC) $(BASE) $(LDBASE) $(ROOMS) $(DPDK_USERS)); $(PKG_CONFIG) --modversion libdpdk; } >$@.new \
		2>/dev/null || :
	@$(written_anew)

$(O)/tools.ok:
	@mkdir -p $(@D)
	@command -v $(CC) >/dev/null || { echo "baton: no $(CC) here: run 'make deps' as root" >&2; exit 1; }
	@command -v $(PKG_CONFIG) >/dev/null || { echo "baton: no $(PKG_CONFIG) here: run 'make deps' as root" >&2; exit 1; }
	@$(PKG_CONFIG) --exists libdpdk || { echo "baton: DPDK's development files are missing: run 'make deps' as root" >&2; exit 1; }
	@$(PKG_CONFIG) --exists '$(DPDK_WANTED)' || { echo "baton: DPDK $$($(PKG_CONFIG) --modversion libdpdk) found," \
		"22.11.6 or a later 22.11 is needed: upgrade with 'apt-get install libdpdk-dev' on Debian 12" >&2; exit 1; }
	@touch $@

# Only these see DPDK: monitors, configuration, bots and plugins must do without it.
DPDK_USERS := primary bench/stages workers/runtime workers/zygote tests/unit/primary tests/unit/workers tests/lib
cflags_for = $(ROOMS) $(if $(filter $(addsuffix /%,$(DPDK_USERS)),$1),$(DPDK_CFLAGS))

$(OBJ)/%.o: %.c $(B)/flags | $(O)/tools.ok
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) $(call cflags_for,$<) -MMD -MP -c -o $@ $<

define library
$(eval $(call list,$(B)/lib$1.list,$(SRC_$1)))
$(B)/lib$1.a: $(call objects,$(SRC_$1)) $(B)/lib$1.list
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && $(AR) qcs $$@ $$(filter %.o,$$^)
endef
$(foreach l,$(LIBS),$(if $(SRC_$l),$(eval $(call library,$l))))

define program
$(BIN)/$1: $(call objects,$(MAIN_$1)) $(call lib,$(USES_$1)) $(NEEDS_$1) $(B)/flags Makefile
	$$(call say,LINK,$$@)
	@mkdir -p $$(@D)
	$$(Q)$(CC) $(LDBASE) -o $$@ $(call objects,$(MAIN_$1)) -Wl,--start-group $(call lib,$(USES_$1)) -Wl,--end-group $$(LINK_$1)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$p)))

$(BENCHES:%=$(BIN)/%): $(BIN)/bench-%: $(OBJ)/bench/%.o $(call lib,bench bots config shared) $(B)/flags
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDBASE) -o $@ $< -Wl,--start-group $(call lib,bench bots config shared) -Wl,--end-group -lyaml -ljansson -lpthread -lm

# A plugin sees the SDK header and nothing else, unless its rules.mk says so (PLUGIN_CPPFLAGS_name, PLUGIN_SRC_name).
define plugin
PLUGIN_OBJ_$1 := $$(patsubst %.c,$(OBJ)/plugins/$1/%.o,$$(sort $$(wildcard workers/plugins/$1/*.c)) $$(PLUGIN_SRC_$1))
$$(PLUGIN_OBJ_$1): $(OBJ)/plugins/$1/%.o: %.c $(B)/flags | $(O)/tools.ok
	$$(call say,CC,$$<)
	@mkdir -p $$(@D)
	$$(Q)$(CC) $$(BASE) -fPIC -fvisibility=hidden -Iworkers/sdk $$(PLUGIN_CPPFLAGS_$1) -MMD -MP -c -o $$@ $$<
$(OBJ)/plugins/$1.list: FORCE
	@mkdir -p $$(@D)
	@printf '%s\n' $$(call quote,$$(PLUGIN_OBJ_$1)) >$$@.new
	@$$(written_anew)
$$(PLUGIN_OBJ_$1): $$(wildcard workers/plugins/rules.mk workers/plugins/$1/rules.mk)
$(PLUGINS)/$1.so: $$(PLUGIN_OBJ_$1) $(OBJ)/plugins/$1.list
	$$(call say,PLUGIN,$$@)
	@mkdir -p $$(@D)
	$$(Q)$(CC) $(LDBASE) -shared -Wl,-z,now -o $$@.new $$(filter %.o,$$^) -lm && mv -f $$@.new $$@
endef
$(foreach p,$(PLUGIN_NAMES),$(eval $(call plugin,$p)))

# A test of a plugin (tests/unit/**/plugins/NAME/) is linked with that plugin's objects.
test_plugin = $(foreach p,$(PLUGIN_NAMES),$(if $(findstring /plugins/$p/,$1),$(PLUGIN_OBJ_$p)))
test_plugin_list = $(foreach p,$(PLUGIN_NAMES),$(if $(findstring /plugins/$p/,$1),$(OBJ)/plugins/$p.list))
define unit_test
$(B)/$(1:.c=): $(call objects,$1) $(call test_plugin,$1) $(call test_plugin_list,$1) $(call lib,$2) $(B)/flags Makefile
	$$(call say,TEST,$$@)
	@mkdir -p $$(@D)
	$$(Q)$(CC) $(LDBASE) -Wl,--export-dynamic-symbol='baton_*' -o $$@ $(call objects,$1) $(call test_plugin,$1) -Wl,--start-group $(call lib,$2) -Wl,--end-group \
		$3 $(if $(filter %monitor/,$(dir $1)),$$(CURSES_LIBS) $$(HTTP_LIBS)) -lcmocka -lyaml -ljansson -lseccomp -lnuma -lpthread -ldl -lm
endef
$(foreach t,$(filter $(UNIT_DPDK_SRC),$(UNIT_SRC)),$(eval $(call unit_test,$t,test harness primary worker config shared,$$(DPDK_LIBS) -lrte_net_ring)))
$(foreach t,$(filter-out $(UNIT_DPDK_SRC),$(UNIT_SRC)),$(eval $(call unit_test,$t,test harness bench bots worker monitor config shared,)))

-include $(shell [ -d $(OBJ) ] && find $(OBJ) -name '*.d')

# ---- doing things ---------------------------------------------------------------------------------------------------
BUILD_ALL = $(MAKE) --no-print-directory -j$(JOBS) TYPE=release build

deps:                 ## install missing packages, mount hugetlbfs, reserve hugepages (root; undone by restore-host)
	$(Q)config/host/prepare.sh
restore-host:         ## undo exactly what deps, run and test changed on this machine (root)
	$(Q)config/host/restore.sh
test:                 ## everything from nothing: packages, hugepages, build, unit and smoke tests (root)
	$(Q)config/host/prepare.sh
	+$(Q)$(BUILD_ALL) unit-programs fuzz-programs points-programs
	$(Q)O='$(abspath $(O))' tests/run.sh
unit: build unit-programs ## build and run the unit tests (TYPE=asan: those that need no EAL)
	$(Q)O='$(abspath $(O))' UNIT_DIR='$(abspath $(B))/tests/unit' tests/run.sh --unit
smoke: build points-programs ## build and run the smoke tests (root); ONLY=NN runs the scenarios that begin so
	$(Q)O='$(abspath $(O))' tests/run.sh --smoke
storm: build          ## random orders by three operators at once under bots, without and with kills (root); MINUTES=2
	$(Q)O='$(abspath $(O))' ONLY=35 STORM_ORDERS=1000000 STORM_SECONDS=$$(($(or $(MINUTES),2) * 30)) \
		SCENARIO_SECONDS=$$(($(or $(MINUTES),2) * 60 + 600)) tests/run.sh --smoke
chaos: build unit-programs points-programs ## the full set of kills (root): tests/chaos, hours; ONLY=NN a part, SEED=N repeats one
	$(Q)O='$(abspath $(O))' tests/chaos/run.sh
run:                  ## the main job: bots, a TAP port, hot restarts, kills, a good rollout, a bad one, a report (root; RUN_SECONDS=60)
	$(Q)config/host/prepare.sh
	+$(Q)$(BUILD_ALL)
	$(Q)O='$(abspath $(O))' config/demo/run.sh
bench: build          ## all benches, one after the other; bench-NAME runs bench/NAME.sh
	$(Q)for bench in $(BENCH_SCRIPTS); do O='$(abspath $(O))' bench/$$bench.sh || exit 1; done
$(BENCH_SCRIPTS:%=bench-%): bench-%: build
	$(Q)O='$(abspath $(O))' bench/$*.sh
test-fresh:           ## `make test` of HEAD in a fresh Debian 12 (root, debootstrap)
	$(Q)tests/fresh/run.sh
lint:                 ## the rules of the house that a grep can check
	$(Q).ci/lint
format:               ## trailing blanks and missing last newlines
	$(Q)git ls-files '*.[ch]' '*.sh' '*.md' '*.mk' Makefile | xargs -r sed -i -e 's/[ \t]*$$//' -e '$$a\'
check: lint           ## lint, then compile everything with -Werror by gcc and by clang
	+$(Q)$(MAKE) --no-print-directory -j$(JOBS) CC=gcc WERROR=1 O=$(O)/gcc build unit-programs
	+$(Q)$(MAKE) --no-print-directory -j$(JOBS) CC=clang WERROR=1 O=$(O)/clang build unit-programs
install: build        ## programs, plugins, SDK and examples under DESTDIR and PREFIX (/usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/baton/plugins $(DESTDIR)$(PREFIX)/share/baton
	install -m 755 $(addprefix $(BIN)/,$(PROGRAMS)) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(PLUGIN_NAMES:%=$(PLUGINS)/%.so) $(DESTDIR)$(PREFIX)/lib/baton/plugins
	install -m 644 $(wildcard config/*.yaml) $(DESTDIR)$(PREFIX)/share/baton
	sed -i 's|\.\./build/|../../lib/baton/|' $(patsubst config/%,$(DESTDIR)$(PREFIX)/share/baton/%,$(wildcard config/*.yaml))
clean:                ## remove build output
	$(Q)rm -rf $(O)
help:                 ## this list
	@sed -n 's/^\([a-z%-]*\):.*## \(.*\)/  \1\t\2/p' $(filter %Makefile %.mk,$(MAKEFILE_LIST)) | expand -t 18
	@echo '  O=DIR  build elsewhere    V=1  show commands    CC=clang    WERROR=1    TYPE=release|debug|asan'
