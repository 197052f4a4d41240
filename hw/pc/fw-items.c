/* fw-items.c - what the user puts into fw_cfg: -fw_cfg items and -option-rom images
 * Spec: names below "opt/" are the user's (Linux Documentation/ABI/testing/sysfs-firmware-qemu_fw_cfg);
 * SeaBIOS runs what lies in "genroms/". */
#include "host/base/osdep.h"
#include "hw/pc/pc-internal.h"
#include "hw/pc/acpi-tables.h"

#include "host/base/keyval.h"

enum { ITEM_MAX = 16 * MiB, OPTION_ROM_MAX = 256 * KiB, NAME_MAX_LEN = 55 };

static bool add_item(PcMachine *pc, const char *text, GError **errp)
{
    GPtrArray *kv = keyval_parse(text, "name");
    const char *name = keyval_get(kv, "name"), *file = keyval_get(kv, "file"), *value = keyval_get(kv, "string");
    FwCfgState *fw = pc_priv(pc)->fw_cfg;
    uint8_t *data = NULL;
    size_t len = 0, old;
    bool ok = keyval_check(kv, "fw_cfg", "name file string", errp);

    if (!ok)
        goto out;
    if (!name || !*name || strlen(name) > NAME_MAX_LEN) {
        ok = error_set(errp, "name=%s: a name of 1 to %d characters is needed", name ? name : "", NAME_MAX_LEN);
    } else if (!file == !value) {
        ok = error_set(errp, "either file=PATH or string=TEXT is needed");
    } else if (fw_cfg_find_file(fw, name, &old)) {
        ok = error_set(errp, "an item named '%s' exists already", name);
    } else {
        if (!g_str_has_prefix(name, "opt/"))
            warn_report("-fw_cfg %s: names that do not begin with \"opt/\" belong to the firmware", text);
        if (file)
            data = boot_read_file("file", file, ITEM_MAX, &len, errp);
        else
            data = g_memdup2(value, len = strlen(value));
        ok = data || (value && !len);
        if (ok && !fw_cfg_set_file(fw, name, data ? data : (const uint8_t *)"", len))
            ok = error_set(errp, "there are too many items");
        g_free(data);
    }
out:
    keyval_free(kv);
    return ok;
}

static bool add_rom(PcMachine *pc, const char *text, GError **errp)
{
    PcPriv *p = pc_priv(pc);
    GPtrArray *kv = keyval_parse(text, "romfile");
    const char *file = keyval_get(kv, "romfile");
    uint64_t index = UINT64_MAX;
    g_autofree char *path = NULL, *base = NULL, *name = NULL;
    g_autofree uint8_t *data = NULL;
    size_t len, old;
    bool ok = keyval_check(kv, "option-rom", "romfile bootindex", errp) &&
              keyval_uint(kv, "bootindex", 0, INT32_MAX, &index, errp);

    if (!ok)
        goto out;
    if (!file || !*file) {
        ok = error_set(errp, "a file is needed");
        goto out;
    }
    path = pc_firmware_find(file);
    data = boot_read_file("romfile", path ? path : file, OPTION_ROM_MAX, &len, errp);
    ok = data != NULL;
    if (!ok)
        goto out;
    base = g_path_get_basename(file);
    name = g_strdup_printf("genroms/%s", base);
    if (len < 3 || data[0] != 0x55 || data[1] != 0xaa)
        ok = error_set(errp, "'%s' does not begin with the bytes 55 aa of an option ROM", file);
    else if (strlen(name) > NAME_MAX_LEN)
        ok = error_set(errp, "the name '%s' has more than %zu characters", base, NAME_MAX_LEN - strlen("genroms/"));
    else if (fw_cfg_find_file(p->fw_cfg, name, &old))
        ok = error_set(errp, "an option ROM named '%s' exists already", base);
    else if (!fw_cfg_set_file(p->fw_cfg, name, data, len))
        ok = error_set(errp, "there are too many items in fw_cfg");
    else if (index != UINT64_MAX)
        g_ptr_array_add(p->rom_entries, pc_boot_entry_new((int)index, g_strdup_printf("/rom@%s", name)));
out:
    keyval_free(kv);
    return ok;
}

static bool for_each(PcMachine *pc, const GPtrArray *texts, const char *opt,
                     bool (*fn)(PcMachine *, const char *, GError **), GError **errp)
{
    for (guint i = 0; texts && i < texts->len; i++) {
        GError *err = NULL;
        if (!fn(pc, texts->pdata[i], &err)) {
            error_set(errp, "%s %s: %s", opt, (const char *)texts->pdata[i], err->message);
            g_error_free(err);
            return false;
        }
    }
    return true;
}

/* The picture that SeaBIOS shows with its boot menu. */
static bool add_splash(PcMachine *pc, const char *file, GError **errp)
{
    g_autofree uint8_t *data = NULL;
    size_t len;
    bool bmp;

    data = boot_read_file("-boot splash", file, ITEM_MAX, &len, errp);
    if (!data)
        return false;
    bmp = len > 2 && !memcmp(data, "BM", 2);
    if (!bmp && (len < 2 || memcmp(data, "\xff\xd8", 2)))
        return error_set(errp, "-boot splash=%s: neither a BMP nor a JPEG file", file);
    fw_cfg_set_file(pc_priv(pc)->fw_cfg, bmp ? "bootsplash.bmp" : "bootsplash.jpg", data, len);
    return true;
}

bool pc_add_fw_items(PcMachine *pc, GError **errp)
{
    return (!pc->cfg.boot_splash || add_splash(pc, pc->cfg.boot_splash, errp)) &&
           for_each(pc, pc->cfg.fw_cfg_items, "-fw_cfg", add_item, errp) &&
           for_each(pc, pc->cfg.option_roms, "-option-rom", add_rom, errp);
}

static bool add_smbios(PcMachine *pc, const char *text, GError **errp)
{
    return smbios_opts_add(pc_priv(pc)->smbios, text, errp);
}

bool pc_add_smbios_options(PcMachine *pc, GError **errp)
{
    pc_priv(pc)->smbios = smbios_opts_new();
    return for_each(pc, pc->cfg.smbios, "-smbios", add_smbios, errp);
}

static bool add_table(PcMachine *pc, const char *text, GError **errp)
{
    GByteArray *t = acpi_user_table(text, errp);

    if (!t)
        return false;
    g_ptr_array_add(pc_priv(pc)->acpi_user, t);
    return pc_priv(pc)->acpi_user->len <= ACPI_USER_MAX || error_set(errp, "at most %d tables", ACPI_USER_MAX);
}

bool pc_add_acpi_tables(PcMachine *pc, GError **errp)
{
    pc_priv(pc)->acpi_user = g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
    return for_each(pc, pc->cfg.acpi_tables, "-acpitable", add_table, errp);
}
