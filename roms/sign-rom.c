/* sign-rom.c - build tool: pads an option ROM to its stated size and makes its checksums come out zero.
 * Usage: sign-rom IN OUT. The PnP header's sum is fixed first, then the whole ROM's in its last byte. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    static uint8_t rom[65536];
    FILE *f;
    if (argc != 3 || !(f = fopen(argv[1], "rb"))) {
        fprintf(stderr, "usage: sign-rom IN OUT\n");
        return 1;
    }
    size_t n = fread(rom, 1, sizeof rom, f);
    fclose(f);
    size_t size = rom[2] * 512u, pnp = rom[0x1a] | rom[0x1b] << 8;
    if (n < 0x40 || n > size || rom[0] != 0x55 || rom[1] != 0xaa || pnp + 32 > size || memcmp(rom + pnp, "$PnP", 4)) {
        fprintf(stderr, "sign-rom: %s is no option ROM\n", argv[1]);
        return 1;
    }
    uint8_t sum = 0;
    for (unsigned i = 0; i < rom[pnp + 5] * 16u; i++)
        sum += rom[pnp + i];
    rom[pnp + 9] -= sum;
    if (n == size && rom[size - 1]) {
        fprintf(stderr, "sign-rom: no room for the checksum\n");
        return 1;
    }
    sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += rom[i];
    rom[size - 1] -= sum;
    f = fopen(argv[2], "wb");
    if (!f || fwrite(rom, 1, size, f) != size || fclose(f)) {
        perror(argv[2]);
        return 1;
    }
    return 0;
}
