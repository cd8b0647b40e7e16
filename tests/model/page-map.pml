/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * migration/page-map.c and page-map-hint.c, function by function, for one page at a time: a word's operations are
 * bitwise. Everybody may act between two steps.
 *
 * A lock section is one step: of what others touch without the lock, it touches the log alone, and that once;
 * whatever comes between its parts could as well have come before or after it. (Fetch and explicit clear are two
 * touches. But a writer in between either finds its mark set, and might have come before, or sets one that the clear
 * leaves.)
 */
#define LOCKED d_step
#if defined(HINT_WITHOUT_LOCK) || defined(LOOK_BEFORE_TAKE)
#define HINT_LOCKED
#else
#define HINT_LOCKED d_step
#endif

bool dirty[PAGES], since[PAGES], claimed[PAGES], hole[PAGES], doubt[PAGES];
bool looking;

#ifdef NOT_PRISTINE
#define THERE_ZERO  false  /* the destination begins with anything */
#else
#define THERE_ZERO  true
#endif
#if defined(NOT_PRISTINE) && !defined(TAKEN_FOR_PRISTINE)
#define PRISTINE    false  /* map->pristine */
#else
#define PRISTINE    true
#endif

/* The map as a migration finds it, and a new destination. */
inline page_new(p)
{
    dirty[p] = true;
    since[p] = false;
    claimed[p] = false;
    hole[p] = false;
    doubt[p] = false;
    mark[p] = false;
    referenced[p] = false;
    there_zero[p] = THERE_ZERO;
    same[p] = zero[p] && there_zero[p];
    excused[p] = false
}

inline page_map_new()
{
    d_step { EACH_PAGE(page_new) }
}

/* ---- page-map.h ---- */

inline word_redirty(p)
{
    dirty[p] = true;
    since[p] = true;
#ifndef HOLE_KEPT
    hole[p] = false
#endif
}

inline word_drop(p)
{
    dirty[p] = false
}

/* ---- the sync ---- */

#ifdef CLEAR_OUTSIDE_LOCK
bool reported[PAGES];
inline sync_take(p)
{
    scratch[p] = mark[p];
    reported[p] = mark[p]
}

inline sync_clear(p)
{
    d_step { mark[p] = mark[p] && !reported[p]; reported[p] = false }
}
#else
#define sync_take(p)  take(p)
#define sync_clear(p) skip
#endif

inline sync_slice(p)
{
    LOCKED {
        sync_take(p);
        if
        :: scratch[p] ->
#ifdef SYNC_WITHOUT_SINCE
            dirty[p] = true;
            hole[p] = false
#else
            word_redirty(p)
#endif
        :: else
        fi;
        scratch[p] = false
    };
    sync_clear(p)
}

inline page_map_sync()
{
    EACH_PAGE(sync_slice);
#ifndef SYNC_WITHOUT_ARM
    arm()
#endif
}

/* ---- holes ---- */

/* The answer is got without the lock, and may be old once it is held. */
inline scan_slice(p)
{
    answer = populated[p];
    LOCKED {
        if
        :: !answer && !since[p] ->
            if
            :: PRISTINE && !claimed[p] -> word_drop(p)
            :: PRISTINE && claimed[p]
            :: !PRISTINE -> hole[p] = true
            fi
        :: else
        fi;
        populated[p] = true;
        answer = false
    }
}

/* ---- claims ---- */

inline page_map_claim(p)
{
    LOCKED {
        in_run = dirty[p];
        sent_before = in_run && claimed[p];
        run_hole = in_run && hole[p];
        word_drop(p);
#ifndef CLAIMED_AT_SEND
        claimed[p] = claimed[p] || in_run
#endif
    }
}

/* run_zero: zeros were read (or known), and were sent or need not be. */
inline page_map_claim_done(p)
{
    LOCKED {
        claimed[p] = claimed[p] && !run_zero;
#ifdef CLAIMED_AT_SEND
        claimed[p] = claimed[p] || !run_zero;
#endif
        in_run = false;
        run_zero = false;
        run_hole = false;
        sent_before = false
    }
}

/* ---- epochs ---- */

#define since_reset(p) since[p] = false
inline page_map_begin_epoch()
{
    EACH_PAGE(since_reset)
}

/* ---- hints ---- */

inline word_doubt(p)
{
    if
    :: scratch[p] -> since[p] = true; hole[p] = false
    :: else
    fi;
    if
    :: scratch[p] || dirty[p] ->
#ifndef STAYS_DIRTY
        word_drop(p);
#endif
        doubt[p] = true
    :: else
    fi
}

/* The contract, not the code: what the guest declared under the open id and did not write since may differ. */
#ifdef POISON
#define excuse(p) skip
#else
#define excuse(p) excused[p] = excused[p] || buffer_free[HAND]
#endif

#if defined(CLEAR_ON_ARRIVAL)
inline page_map_hint(p)
{
    excuse(p);
    word_drop(p)
}
#elif defined(CLEAR_LOG_ON_ARRIVAL)
inline page_map_hint(p)
{
    take(p);
    excuse(p);
    word_drop(p);
    scratch[p] = false
}
#elif defined(HINT_WITHOUT_SINCE)
/* Epochs alone: what was written goes. The next hint of the page does not know of it. */
inline page_map_hint(p)
{
    take(p);
    excuse(p);
    dirty[p] = scratch[p] || (dirty[p] && since[p]);
    scratch[p] = false
}
#elif defined(LOOK_BEFORE_TAKE)
inline page_map_hint(p)
{
    written = !zero[p];
    LOCKED {
        take(p);
        excuse(p);
        if
        :: !scratch[p] && !since[p] -> word_drop(p)
        :: (scratch[p] || since[p]) && !written && !claimed[p] && PRISTINE -> word_drop(p); since[p] = true
        :: else -> word_redirty(p)
        fi;
        scratch[p] = false;
        written = false
    }
}
#else
inline page_map_hint(p)
{
    take(p);
#ifdef CLEAR_BY_CHUNK
    mark[1 - p] = false;
#endif
    written = scratch[p] || since[p];
    excuse(p);
    if
    :: written -> word_doubt(p)
    :: else ->
#ifdef RELIES_ON_ZEROS
        dirty[p] = dirty[p] && (claimed[p] || !PRISTINE)
#else
        word_drop(p)
#endif
    fi;
    scratch[p] = false;
    written = false
}
#endif

/* ---- looking ---- */

bool item[PAGES], in_use[PAGES];

/* `hole` is a promise while the page is in hand: whoever sees a mark withdraws it, in word_redirty() or word_doubt(). */
#ifdef LOOK_TRUSTED_AFTER_CLAIM
#define promise(p) skip
#define WRITTEN(p) (dirty[p] || doubt[p])
#else
#define promise(p) hole[p] = hole[p] || (item[p] && !dirty[p])
#define WRITTEN(p) (!hole[p])
#endif

#define take_doubts(p)            \
    item[p] = doubt[p];           \
    doubt[p] = false;             \
    promise(p);                   \
    looking = looking || item[p]

#define look_at(p) in_use[p] = item[p] && !zero[p]

#define reads_zero(p) (!in_use[p] && !WRITTEN(p))

inline decide(p)
{
    if
    :: !item[p]
#ifdef STAYS_DIRTY
    :: item[p] && reads_zero(p) && PRISTINE && !claimed[p] -> word_drop(p)
    :: item[p] && !(reads_zero(p) && PRISTINE && !claimed[p])
#else
    :: item[p] && reads_zero(p) && PRISTINE && !claimed[p] ->
#ifdef ASSERT_NO_ZEROED_LEFT_OUT
        assert(dirty[p])
#endif
    :: item[p] && reads_zero(p) && !(PRISTINE && !claimed[p]) -> word_redirty(p); hole[p] = true
    :: item[p] && !reads_zero(p) -> word_redirty(p)
#endif
    fi;
    item[p] = false;
    in_use[p] = false
}

inline page_map_look()
{
    LOCKED { EACH_PAGE(take_doubts) };
#ifndef LOOK_WITHOUT_ARM
    arm();
#endif
    EACH_PAGE(look_at);
    LOCKED { EACH_PAGE(decide); looking = false }
}

inline settle(p)
{
    if
    :: doubt[p] -> word_redirty(p); doubt[p] = false
    :: else
    fi
}

inline page_map_settle()
{
#ifndef SETTLE_WITHOUT_ARM
    arm();
#endif
#ifndef CLOSE_WITHOUT_SETTLE
    LOCKED { EACH_PAGE(settle) };
#endif
#ifndef CLOSE_WITHOUT_WAIT
    !looking
#endif
}

/* ---- pages that the host took away ---- */

inline page_map_absent(p)
{
    LOCKED {
        if
        :: claimed[p] -> word_redirty(p)
        :: else
        fi;
        hole[p] = hole[p] || dirty[p];
        if
        :: PRISTINE && !claimed[p] -> word_drop(p)
        :: else
        fi
    }
}
