# Test programs: tests/DIR/test-X.c becomes $(BUILD)/tests/DIR/test-X, linked with the archives of the
# layers that DIR may use and with tests/lib. Each speaks TAP (g_test_init under --tap).
TESTLIB_SRC := $(shell find tests/lib -name '*.c' 2>/dev/null)
TEST_SRC := $(shell find tests -name 'test-*.c' 2>/dev/null)
TEST_BIN := $(patsubst %.c,$(BUILD)/%,$(TEST_SRC))
# An archive, so that a test links only those helpers that its layers satisfy.
$(BUILD)/libtestlib.a: $(call obj,$(TESTLIB_SRC))
	$(Q)mkdir -p $(@D) && rm -f $@ && ar rcs $@ $^

# test-only sources that a program needs besides its own: tests/DIR/X-*.c are never picked up by themselves
test_layers = $(if $(filter tests/host/base/%,$(1)),base,\
  $(if $(filter tests/tcg/%,$(1)),tcg base,\
  $(if $(filter tests/softmmu/%,$(1)),softmmu base,\
  $(if $(filter tests/host/%,$(1)),host softmmu base,\
  $(if $(filter tests/accel/%,$(1)),target-x86 accel softmmu tcg base,\
  $(if $(filter tests/target-x86/%,$(1)),target-x86 accel softmmu tcg base,\
  $(if $(filter tests/vl/%,$(1)),vl )hw host target-x86 accel softmmu tcg base))))))

.SECONDEXPANSION:
$(TEST_BIN): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/libtestlib.a $$(call LIB,$$(call test_layers,$$*.c))
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)

-include tests/guest/rules.mk
-include tests/fuzz/rules.mk

# the differential tester (tests/diff/main.c); the objects lie in $(BUILD)/tests/diff.o
DIFF_OBJ := $(patsubst tests/diff/%.c,$(BUILD)/tests/diff.o/%.o,$(wildcard tests/diff/*.c))
$(BUILD)/tests/diff.o/%.o: tests/diff/%.c config.h
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<
-include $(DIFF_OBJ:.o=.d)
$(BUILD)/tests/diff: $(DIFF_OBJ) $(call LIB,target-x86 accel softmmu tcg base)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(DIFF_OBJ) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)

tests: $(TEST_BIN) $(BUILD)/tests/diff

# TEST_SLOW: programs and scripts that take more than seconds; `check` runs them, `check-quick` does not.
# A script is an executable tests/**/test-*.sh or test-*.py that speaks TAP; it finds the program in $$VIREO.
TEST_SLOW ?= $(filter $(BUILD)/tests/target-x86/test-host%,$(TEST_BIN))
TEST_SCRIPTS := $(shell find tests -name 'test-*.sh' -o -name 'test-*.py' 2>/dev/null | grep -v '^tests/boot/' | sort)
TEST_BOOT := $(shell find tests/boot -name 'test-*.sh' -o -name 'test-*.py' 2>/dev/null | sort)
prove = BUILD=$(abspath $(BUILD)) VIREO=$(abspath $(BUILD))/vireo prove --exec 'tests/tap.sh' $(1)

check-quick: check-layers $(TEST_BIN)
	$(call prove,-j2 $(filter-out $(TEST_SLOW),$(TEST_BIN)))

# one prove, so that its closing lines count everything; the long ones first keep both jobs busy
check: check-layers all $(TEST_BIN) $(GUEST_BIN) $(BUILD)/tests/diff
	$(call prove,-j2 --timer $(TEST_BOOT) $(TEST_SCRIPTS) $(TEST_BIN))

# Names and quoted logs in docs/*.md; `tests/docs/test-docs.py --update` writes the logs anew.
check-docs: all $(TEST_BIN)
	VIREO=$(abspath $(BUILD))/vireo tests/docs/test-docs.py

check-layers:
	tests/check-layers.sh

# A short form of the benchmark: a workload of each group. All of them: BENCH_WORKLOADS=all
BENCH ?= ../shared/bench/compare
BENCH_RUNS ?= 1
BENCH_WORKLOADS ?= sieve,fib,interp,matmul,x87,memops,syscalls,pagefault,forkexec,smc,gzip,perl,sqlite
bench: all
	@test -x $(BENCH) || { echo "bench: no $(BENCH); set BENCH=path of the comparison script" >&2; exit 1; }
	@command -v qemu-system-x86_64 >/dev/null || { echo "bench: no qemu-system-x86_64 to compare with (Debian: apt install qemu-system-x86)" >&2; exit 1; }
	@echo "bench: short form, one run each; the guest image is built at the first run (2 minutes)"
	VIREO='$(abspath $(BUILD))/vireo -accel tcg -cpu max' $(BENCH) --runs $(BENCH_RUNS) --metric cpu $(if $(filter all,$(BENCH_WORKLOADS)),,--workloads $(BENCH_WORKLOADS))

.PHONY: tests check check-quick check-docs check-layers bench

# The figures that tests/accel/test-counts compares with, for hosts with this one's features.
renew-counts: $(BUILD)/tests/accel/test-counts
	$< --renew
	-git --no-pager diff --stat -- tests/accel/counts.txt
.PHONY: renew-counts
