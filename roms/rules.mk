# Firmware of our own, from source with the host's gcc and binutils: option ROMs and the demo disk.
ROMS := $(BUILD)/roms/linuxboot.bin $(BUILD)/roms/multiboot.bin $(BUILD)/roms/demo.img
ROM_CFLAGS := -m32 -march=i386 -Os -ffreestanding -fno-pic -fno-pie -fno-stack-protector -fcf-protection=none \
  -fno-asynchronous-unwind-tables -mgeneral-regs-only -mregparm=3 -Wall -Wextra -nostdlib -std=gnu17 -Wno-array-bounds

all: $(ROMS)

$(BUILD)/roms/sign-rom: roms/sign-rom.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) -O1 -Wall -o $@ $<

$(BUILD)/roms/%.elf: roms/%.S roms/optrom.inc
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CC) -m32 -nostdlib -static -no-pie -Wl,--build-id=none,-Ttext=0,-m,elf_i386 -x assembler-with-cpp -I. -o $@ $<

$(BUILD)/roms/%.bin: $(BUILD)/roms/%.elf $(BUILD)/roms/sign-rom
	$(call say,ROM,$@)
	$(Q)objcopy -O binary -j .text $< $@.raw && $(BUILD)/roms/sign-rom $@.raw $@

DEMO_SRC := roms/demo/start.S $(wildcard roms/demo/*.c)
DEMO_OBJ := $(patsubst roms/demo/%,$(BUILD)/roms/demo/%.o,$(DEMO_SRC))
$(BUILD)/roms/demo/%.S.o: roms/demo/%.S
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CC) -m32 -c -o $@ $<
$(BUILD)/roms/demo/%.c.o: roms/demo/%.c $(wildcard roms/demo/*.h)
	@mkdir -p $(@D)
	$(call say,CC32,$<)
	$(Q)$(CC) $(ROM_CFLAGS) -c -o $@ $<
$(BUILD)/roms/demo.img: $(DEMO_OBJ) roms/demo/demo.ld
	$(call say,ROM,$@)
	$(Q)ld -m elf_i386 --build-id=none -z noexecstack --no-warn-rwx-segments -T roms/demo/demo.ld -o $(BUILD)/roms/demo/demo.elf $(DEMO_OBJ)
	$(Q)objcopy -O binary $(BUILD)/roms/demo/demo.elf $@.raw && rm -f $@ && dd if=$@.raw of=$@ bs=1M conv=sync status=none
.PRECIOUS: $(BUILD)/roms/%.elf
