# Fuzzers: tests/fuzz/fuzz-X.c becomes $(BUILD)/tests/fuzz/fuzz-X, linked with every layer but vl and with tests/lib.
# Each takes --seed N, --count N or --seconds N, and runs until something is wrong; build with SANITIZE.
FUZZ_SRC := $(shell find tests/fuzz -name 'fuzz-*.c' 2>/dev/null)
FUZZ_BIN := $(patsubst %.c,$(BUILD)/%,$(FUZZ_SRC))
fuzz_layers = $(if $(filter tests/fuzz/fuzz-image,$(1)),host softmmu base,hw host target-x86 accel softmmu tcg base)
$(FUZZ_BIN): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/libtestlib.a $$(call LIB,$$(call fuzz_layers,$$*))
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)

fuzzers: $(FUZZ_BIN)
check check-docs: $(FUZZ_BIN) # the documents name them
.PHONY: fuzzers
