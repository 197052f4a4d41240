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
  hw host target-x86 accel softmmu tcg base))))))

.SECONDEXPANSION:
$(TEST_BIN): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/libtestlib.a $$(call LIB,$$(call test_layers,$$*.c))
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)

tests: $(TEST_BIN)
.PHONY: tests
