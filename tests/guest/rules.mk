# Bare-metal guests: tests/guest/NAME-32.c and NAME-64.c become multiboot images $(BUILD)/tests/guest/NAME-32.
GUEST_DIR := tests/guest
GUEST_BIN := $(patsubst $(GUEST_DIR)/%.c,$(BUILD)/$(GUEST_DIR)/%,$(wildcard $(GUEST_DIR)/*-32.c $(GUEST_DIR)/*-64.c))
GUEST_CFLAGS = -std=gnu17 -O1 -Wall -Wextra -Wno-unused-parameter -Wno-array-bounds -ffreestanding -fno-pic -no-pie \
  -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none -mno-red-zone -mgeneral-regs-only \
  -nostdlib -static -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments -T $(GUEST_DIR)/guest.ld
GUEST_DEPS := $(addprefix $(GUEST_DIR)/,entry.S lib.c lib.h guest.ld rules.mk)

$(BUILD)/$(GUEST_DIR)/%-32: $(GUEST_DIR)/%-32.c $(GUEST_DEPS)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) -m32 $(GUEST_CFLAGS) -o $@ $(GUEST_DIR)/entry.S $(GUEST_DIR)/lib.c $<

# Multiboot loaders take 32-bit ELF: the same bytes in that wrapping.
$(BUILD)/$(GUEST_DIR)/%-64: $(GUEST_DIR)/%-64.c $(GUEST_DEPS)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) -m64 $(GUEST_CFLAGS) -o $@.elf64 $(GUEST_DIR)/entry.S $(GUEST_DIR)/lib.c $< && \
	  objcopy -O elf32-i386 $@.elf64 $@

guests: $(GUEST_BIN)
.PHONY: guests
