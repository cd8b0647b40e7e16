/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the migration engine share. */
#ifndef FERRY_MIGRATION_MIGRATION_PRIVATE_H
#define FERRY_MIGRATION_MIGRATION_PRIVATE_H

#include "migration/auto-converge.h"
#include "migration/channel.h"
#include "migration/free-page.h"
#include "migration/migration.h"
#include "migration/ram.h"
#include "net/announce.h"
#include "qapi/qapi-types.h"
#include "util/clock.h"

/* ---- parameters.c: read by any thread ---- */

struct migration_parameters {
    struct announce_parameters announce;
    uint64_t max_bandwidth;        /* bytes per second; 0: no limit */
    uint64_t downtime_limit;       /* milliseconds */
    struct auto_converge_parameters throttle;
    uint64_t hint_head_start, hint_timeout;   /* milliseconds */
    uint64_t hint_threshold, hint_growth;     /* percent: of the guest's RAM, of what it populated */
    GuestDropCaches drop_caches;
};
struct migration_parameters migration_parameters(void);
char *migration_skip_record(void); /* owned by the caller; NULL: none */
bool migration_capability(MigrationCapability capability);
/* Those that change the stream, as a set of enum stream_capability. */
unsigned migration_stream_capabilities(void);

/* ---- migration.c: the one migration ---- */

/* What a migration has done so far, or did. */
struct migration_totals {
    uint64_t normal, duplicate, skipped[SKIP_REASONS], doubt_sent;
    uint64_t dirty_pages, total_pages, populated_pages;
};

struct migration {
    GMutex lock;              /* guards what follows; innermost but for the channel's system calls */
    GCond wake;               /* cancel, continue, new parameters, an answer on the return path */
    MigrationStatus status;
    bool running;             /* a thread is at work */
    bool incoming;
    bool cancel;              /* migrate_cancel, or the program's end */
    bool ends;                /* ... the latter */
    bool committed;           /* too late for that: the destination may have the guest */
    bool go_on;               /* migrate-continue */
    char *error;
    struct channel *channel;  /* for those who cancel; NULL before it is open and once it is closed */
    int cancel_fd;            /* readable: give up connecting or accepting */
    bool answered, refused;   /* return path: the destination has loaded the stream, or could not */
    GThread *thread;
    char *uri;
    int fd;

    /* Written by the migration thread with atomics, read by query-migrate. */
    int64_t started, setup_ms, total_ms, downtime_start, downtime_ms, expected_downtime_ms;
    uint64_t transferred, precopy_bytes, downtime_bytes, passes, dirty_rate, pages_rate;
    double mbps;

    /* Big lock: the migration thread makes and frees them under it. */
    struct page_map *map;
    struct ram_save *ram;
    struct migration_totals totals; /* once `map` is gone */
};
extern struct migration migration;

void migration_set_status(MigrationStatus status);
bool migration_cancelled(void);
/* The program is about to end. */
bool migration_ends(void);
/* From here on a cancel has no effect; false if there was one. */
bool migration_commit(void);
/* Keeps `error` (the first one) for query-migrate. */
void migration_keep_error(const GError *error);
/* Sleeps until `wake` is signalled, cancel, or `ns` have passed. */
void migration_sleep(int64_t ns);
/* Publishes the channel to those who cancel; false if it is cancelled already. */
bool migration_set_channel(struct channel *channel);
/* Starts `thread_main` on a thread of its own. */
void migration_start_thread(const char *name, GThreadFunc thread_main);
/* The last thing that such a thread does: the main loop will join it. */
void migration_thread_ends(void);

static inline int64_t migration_now(void)
{
    return vm_clock_ns(VM_CLOCK_REALTIME);
}

gpointer outgoing_thread(gpointer unused); /* outgoing.c */

/* ---- return-path.c ---- */

void return_path_start(struct channel *channel);
void return_path_stop(void); /* the channel is shut down or done with */
/* True once the destination has said that it loaded everything. */
bool return_path_wait(GError **error);
/* The destination's side: answers. */
bool return_path_put_pong(struct channel *channel, uint32_t value);
bool return_path_put_shut(struct channel *channel, uint32_t value);

/* ---- global-state.c ---- */

bool global_state_init(GError **error);
void global_state_store(RunState state);
/* What came with the stream. */
RunState global_state_loaded(void);

/* ---- free-page.c ---- */

void free_page_init(void);
/*
 * A migration begins. Migration thread, big lock held: the guest has the time of the search for holes for its
 * statistics.
 */
void free_page_begin(struct page_map *map, const struct migration_parameters *parameters);
/* A pass begins: asks the guest, if that can be done now and is worth it. Migration thread, no lock. */
void free_page_round(uint64_t pass);
/* Deadline and growth. True: guest RAM should wait for hints still. Migration thread, no lock. */
bool free_page_tick(int64_t now);
/* No hint has an effect from here on; the guest gets its pages back. Before the last sync. Big lock held. */
void free_page_close(void);
/* The map goes away. Big lock held. */
void free_page_end(void);

/* ---- free-page-absent.c ---- */

void free_page_absent_note(struct ram_block *block, uint64_t first, uint64_t count, enum absent_reason reason);
/* A page_absent_fn. */
void free_page_absent_words(const struct ram_block *block, uint64_t word, unsigned long *reported,
                            unsigned long *inflated);

/* ---- free-page-stats.c ---- */

/* For query-migrate. Big lock held. */
FreePageStats *free_page_stats(const struct migration_totals *totals);

#endif
