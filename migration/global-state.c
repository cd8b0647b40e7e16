/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sections that belong to no device: "timer", the virtual clock and the ticks (first in the stream), and
 * "globalstate", the run state that the guest was in (last).
 */
#include <string.h>

#include "migration/migration-private.h"
#include "migration/vmstate.h"
#include "util/clock.h"

#define GLOBAL_STATE_PRIORITY (-1) /* behind all devices */

/* ---- the clock ---- */

static struct virtual_clock_state clock_state;

static bool clock_pre_save(void *opaque, GError **error)
{
    virtual_clock_get_state(opaque);
    return true;
}

static bool clock_post_load(void *opaque, int version, GError **error)
{
    struct virtual_clock_state *state = opaque;

    if (state->cpu_clock_offset < 0) {
        return error_setf(error, "the virtual clock at %" G_GINT64_FORMAT " ns, before its start",
                          state->cpu_clock_offset);
    }
    virtual_clock_set_state(state);
    return true;
}

static const struct vmstate_field clock_fields[] = {
    VMSTATE_INT64(cpu_ticks_offset, struct virtual_clock_state),
    VMSTATE_UNUSED(8),
    VMSTATE_INT64_V(cpu_clock_offset, struct virtual_clock_state, 2),
    VMSTATE_END
};

static const struct vmstate_description clock_vmstate = {
    .name = "timer", .version = 2, .minimum_version = 1,
    .pre_save = clock_pre_save, .post_load = clock_post_load, .fields = clock_fields,
};

/* ---- the run state ---- */

static struct global_state {
    uint32_t size; /* of the text, its zero included */
    uint8_t runstate[100];
} global_state;

/* States in which a machine can arrive; in the others it never is when a migration switches over. */
static const RunState arriving[] = {
    RUN_STATE_RUNNING, RUN_STATE_PAUSED, RUN_STATE_PRELAUNCH, RUN_STATE_SHUTDOWN, RUN_STATE_SUSPENDED,
    RUN_STATE_GUEST_PANICKED, RUN_STATE_IO_ERROR, RUN_STATE_INTERNAL_ERROR, RUN_STATE_WATCHDOG,
    RUN_STATE_POSTMIGRATE,
};
static RunState loaded_state = RUN_STATE_RUNNING;

void global_state_store(RunState state)
{
    memset(&global_state, 0, sizeof(global_state));
    g_strlcpy((char *)global_state.runstate, RunState_str(state), sizeof(global_state.runstate));
    global_state.size = strlen(RunState_str(state)) + 1;
}

RunState global_state_loaded(void)
{
    return loaded_state;
}

static bool global_state_post_load(void *opaque, int version, GError **error)
{
    int state;

    if (!memchr(global_state.runstate, 0, sizeof(global_state.runstate))) {
        return error_setf(error, "the run state's name has no end");
    }
    state = RunState_parse((char *)global_state.runstate);
    for (size_t i = 0; i < G_N_ELEMENTS(arriving); i++) {
        if (state == (int)arriving[i]) {
            loaded_state = state;
            return true;
        }
    }
    g_autofree char *printable = g_strescape((char *)global_state.runstate, NULL);
    return error_setf(error, "run state '%s' is not one that a machine can arrive in", printable);
}

static const struct vmstate_field global_state_fields[] = {
    VMSTATE_UINT32(size, struct global_state),
    VMSTATE_BUFFER(runstate, struct global_state),
    VMSTATE_END
};

static const struct vmstate_description global_state_vmstate = {
    .name = "globalstate", .version = 1, .minimum_version = 1, .priority = GLOBAL_STATE_PRIORITY,
    .post_load = global_state_post_load, .fields = global_state_fields,
};

bool global_state_init(GError **error)
{
    return vmstate_register("timer", 0, &clock_vmstate, &clock_state, error) &&
           vmstate_register("globalstate", 0, &global_state_vmstate, &global_state, error);
}
